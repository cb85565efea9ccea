"""Tab in a real JupyterLab."""

from __future__ import annotations

from typing import Any

import pytest

CONNECT = "%load_ext aerospike_magic\n%aerospike connect {address}\n%aerospike schema demo.flights"


@pytest.mark.browser
def test_tab_completes_sets_and_columns(open_notebook: Any, server: Any) -> None:
    notebook = open_notebook(CONNECT.format(address=server.address), "")
    notebook.run_all()
    notebook.page.wait_for_selector(".aero-grid")
    notebook.wait_idle()
    page, cell = notebook.page, notebook.cell(1)
    items = page.locator(".jp-Completer-item .jp-Completer-match")
    cell.locator(".cm-content").click()
    page.keyboard.type("%%aerosql\nSELECT * FROM demo.fl")
    page.keyboard.press("Tab")
    items.first.wait_for()
    assert items.all_inner_texts() == ["flights"]
    page.keyboard.press("Enter")
    page.wait_for_function("document.body.innerText.includes('FROM demo.flights')")
    page.keyboard.type(" f WHERE f.dep_")
    page.keyboard.press("Tab")
    items.first.wait_for()
    assert {"dep_delay", "dep_time"} <= set(items.all_inner_texts())

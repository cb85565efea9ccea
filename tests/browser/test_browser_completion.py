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
    keyboard = notebook.page.keyboard
    notebook.cell(1).locator(".cm-content").click()
    keyboard.type("%%aerosql\nSELECT * FROM demo.fl")
    keyboard.press("Tab")
    editor = notebook.cell(1).locator(".cm-content")
    notebook.page.wait_for_function("text => document.body.innerText.includes(text)", arg="FROM demo.flights")
    keyboard.type(" f WHERE f.dep_")
    keyboard.press("Tab")
    completer = notebook.page.locator(".jp-Completer-item")
    completer.first.wait_for()
    assert {"dep_delay", "dep_time"} <= set(completer.locator(".jp-Completer-match").all_inner_texts())
    keyboard.press("Enter")
    assert "f.dep_" in editor.inner_text()

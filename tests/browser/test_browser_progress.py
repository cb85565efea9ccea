"""The map of the partitions in a real JupyterLab in Chromium: it fills, cancels, collapses, and can be read."""

from __future__ import annotations

import re
import time
from typing import Any

import nbformat
import pytest

CONNECT = "%load_ext aerospike_magic\n%aerospike connect {address}"
SLOW = "%%aerosql -o df --rps {rps}\nSELECT flight FROM demo.flights WHERE origin = 'JFK'"


@pytest.mark.browser
def test_the_map_lives_and_collapses_to_a_line_that_is_saved(open_notebook: Any, lab: Any, server: Any) -> None:
    notebook = open_notebook(CONNECT.format(address=server.address), SLOW.format(rps=30_000))
    notebook.run_all()
    page = notebook.page
    page.wait_for_selector(".aerop .aerop-map")
    bar = page.locator(".aerop [role=progressbar]")
    page.wait_for_function("Number(document.querySelector('.aerop [role=progressbar]').ariaValueNow) > 10")
    assert bar.get_attribute("aria-valuemax") == "100"
    assert re.match(r"\d+ percent, [\d,]+ scanned", bar.get_attribute("aria-valuetext"))
    assert page.locator(".aerop [aria-live=polite]").inner_text().endswith("of the partitions read")
    assert page.get_by_role("button", name="Cancel the query").is_enabled()
    assert page.locator(".aerop-name").inner_text() == "demo.flights"
    assert "origin = 'JFK'" in page.locator(".aerop-pred").inner_text()
    assert painted_colours(page) >= 2
    notebook.wait_idle()
    page.wait_for_selector(".aero-line")
    line = notebook.cell(1).locator(".jp-OutputArea-output").inner_text()
    assert "336,776 scanned → 111,279 returned · origin = 'JFK' pushed" in line
    assert page.locator(".aerop").count() == 0
    saved = saved_outputs(notebook, lab)
    assert "336,776 scanned → 111,279 returned" in saved[0].data["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" not in saved[0].data


@pytest.mark.browser
def test_the_cancel_button_stops_the_query(open_notebook: Any, server: Any) -> None:
    notebook = open_notebook(
        CONNECT.format(address=server.address), SLOW.format(rps=10_000), "%aerosql SELECT count(*) FROM demo.airlines"
    )
    notebook.run_all()
    page = notebook.page
    page.wait_for_selector(".aerop .aerop-map")
    page.get_by_role("button", name="Cancel the query").click()
    started = time.monotonic()
    notebook.wait_idle()
    assert time.monotonic() - started < 3
    output = notebook.cell(1).locator(".jp-OutputArea").inner_text()
    assert re.search(r"stopped after [\d.]+ s: \d+ % of 4,096 partitions", output)
    assert "nothing of it was kept" in output
    assert "Traceback" not in output
    # "Run all" ended there; the kernel is well.
    assert notebook.cell(2).locator(".jp-OutputArea-output").count() == 0
    notebook.cell(2).locator(".cm-content").click()
    notebook.command("notebook:run-cell")
    page.wait_for_function("document.querySelectorAll('.aero-grid').length === 1")


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_text_stands_out_in_both_themes(open_notebook: Any, server: Any, theme: str) -> None:
    notebook = open_notebook(CONNECT.format(address=server.address), SLOW.format(rps=20_000))
    notebook.theme(theme)
    notebook.run_all()
    notebook.page.wait_for_selector(".aerop .aerop-map")
    for selector in (".aerop-flow", ".aerop-facts", ".aerop-clock", ".aerop-cancel"):
        assert contrast(notebook.page, selector) >= 4.5, selector
    notebook.command("notebook:interrupt-kernel")
    notebook.wait_idle()
    assert contrast(notebook.page, ".aero-line") >= 4.5


def painted_colours(page: Any) -> int:
    return int(
        page.evaluate(
            """() => {
              const map = document.querySelector('.aerop-map');
              const data = map.getContext('2d').getImageData(0, 0, map.width, map.height).data;
              const seen = new Set();
              for (let i = 0; i < data.length; i += 4) {
                if (data[i + 3]) seen.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
              }
              return seen.size;
            }"""
        )
    )


def contrast(page: Any, selector: str) -> float:
    """The WCAG contrast ratio of a text to the first opaque ground behind it."""
    colours = page.evaluate(
        """(selector) => {
          const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
          let node = document.querySelector(selector);
          const text = numbers(getComputedStyle(node).color);
          for (; node; node = node.parentElement) {
            const ground = numbers(getComputedStyle(node).backgroundColor);
            if (ground.length < 4 || ground[3] > 0) return [text, ground];
          }
          return [text, [255, 255, 255]];
        }""",
        selector,
    )
    light, dark = sorted((luminance(colour) for colour in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: list[float]) -> float:
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour[:3])]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def saved_outputs(notebook: Any, lab: Any) -> Any:
    notebook.save()
    path = next(path for path in lab.folder.glob("*.ipynb") if "collapses" in path.name)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        outputs = nbformat.read(path, as_version=4).cells[1].outputs
        if outputs:
            return outputs
        time.sleep(0.2)
    raise AssertionError("the notebook was not saved")

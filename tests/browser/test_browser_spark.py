"""A cell that Spark runs, in a real JupyterLab: Spark starts unseen, its tasks fill the map, the cell stops at once."""

from __future__ import annotations

import os
import re
import shutil
import time
from typing import Any

import pytest

CONNECT = "%load_ext aerospike_magic\n%aerospike connect {address}"
SLOW = "%%aerosql --engine spark -o df --rps {rps}\nSELECT flight, origin FROM demo.flights WHERE origin <> 'LGA'"


@pytest.mark.browser
def test_a_spark_cell_shows_its_tasks_and_stops_within_a_second(open_notebook: Any, server: Any) -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'aerospike-magic[spark]'")
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        pytest.skip("Spark needs Java 17 or newer, and there is none")
    notebook = open_notebook(
        CONNECT.format(address=server.address),
        "%aerosql --engine spark SELECT count(*) AS n FROM demo.flights",
        SLOW.format(rps=6_000),
    )
    notebook.run_all()
    page = notebook.page
    page.wait_for_selector(".aero-grid", timeout=120_000)
    first = notebook.cell(1).locator(".jp-OutputArea").inner_text()
    assert "336,776" in first
    for noise in ("WARN", "log4j", "jdk.incubator", "Traceback"):
        assert noise not in first, "what Java prints belongs in no cell"
    page.wait_for_selector(".aerop .aerop-map")
    page.wait_for_function("document.querySelector('.aerop-clock').textContent.includes('stage 1 of 1')")
    page.wait_for_function("Number(document.querySelector('.aerop [role=progressbar]').ariaValueNow) > 3")
    assert "<>" in page.locator(".aerop-pred").inner_text()
    if "AEROSPIKE_MAGIC_SCREENSHOT" in os.environ:
        page.screenshot(path=os.environ["AEROSPIKE_MAGIC_SCREENSHOT"])
    notebook.command("notebook:interrupt-kernel")
    started = time.monotonic()
    notebook.wait_idle()
    assert time.monotonic() - started < 3
    output = notebook.cell(2).locator(".jp-OutputArea").inner_text()
    assert re.search(r"stopped after [\d.]+ s: \d+ % of 4,096 partitions", output)
    assert "Traceback" not in output

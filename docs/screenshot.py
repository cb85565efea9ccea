"""Make docs/progress.png and docs/progress-dark.png: a real query, in a real JupyterLab, in Chromium.

Run as ``python docs/screenshot.py``; it starts an embedded server with the flight data and takes about a minute.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "browser"))

from lab import Lab, NotebookPage, chromium_path, open_browser  # noqa: E402

from aerospike_magic.devserver import DevServer  # noqa: E402

SETUP = """%load_ext aerospike_magic
%aerospike connect {address}
origin = 'JFK'"""
SMALL = """%%aerosql
SELECT f.origin, a.name AS airline, count(*) AS flights, round(avg(f.dep_delay), 1) AS delay
FROM demo.flights f JOIN demo.airlines a ON f.carrier = a.carrier
WHERE f.month = 12 AND f.day = 24 AND f.dep_delay > 30
GROUP BY ALL ORDER BY flights DESC LIMIT 4"""
LARGE = """%%aerosql -o flights --rps 40000
SELECT * FROM demo.flights WHERE origin = :origin"""
WIDTH, HEIGHT = 1000, 830


def main() -> int:
    """Write both pictures."""
    if chromium_path() is None:
        print("there is no chromium; install it first", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, DevServer(demo=True) as server, Lab(Path(folder)) as lab:
        cells = [SETUP.format(address=f"{server.host}:{server.port}"), SMALL, LARGE]
        for theme, name in (("JupyterLab Light", "progress.png"), ("JupyterLab Dark", "progress-dark.png")):
            with open_browser(WIDTH, HEIGHT) as page:
                notebook = f"{theme.split()[1]}.ipynb"
                lab.write(notebook, cells)
                _picture(NotebookPage(page, lab, notebook), theme, HERE / name)
    return 0


def _picture(notebook: NotebookPage, theme: str, path: Path) -> None:
    page: Any = notebook.page
    notebook.theme(theme)
    notebook.command("application:toggle-left-area")
    notebook.run_all()
    page.wait_for_selector(".aerop .aerop-map", timeout=60_000)
    page.wait_for_function(
        "() => Number(document.querySelector('.aerop [role=progressbar]')?.ariaValueNow) > 45"
        " && document.querySelector('.aerop-name')?.textContent === 'demo.flights'"
        " && document.querySelectorAll('.aerop-scan').length === 1",
        timeout=60_000,
    )
    page.locator(".aerop").scroll_into_view_if_needed()
    page.locator(".jp-Notebook").screenshot(path=path)
    notebook.wait_idle(120)


if __name__ == "__main__":
    raise SystemExit(main())

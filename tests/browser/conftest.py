"""JupyterLab and Chromium; skipped with a reason where there is no browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from lab import Lab, NotebookPage, chromium_path, open_browser


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if chromium_path() is None:
        pytest.skip("no Chromium here: apt-get install chromium, or set CHROMIUM to a browser's path")
    with Lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def open_notebook(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return a function that writes a notebook of these cells and opens it."""
    with open_browser() as page:
        page.set_default_timeout(60_000)

        def open_it(*cells: str) -> NotebookPage:
            name = re.sub(r"\W+", "_", request.node.name) + ".ipynb"
            lab.write(name, cells)
            return NotebookPage(page, lab, name)

        yield open_it

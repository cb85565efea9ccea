"""A real JupyterLab in a real Chromium, for tests and for the screenshots of the README."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
START_WITHIN_S = 60


def chromium_path() -> str | None:
    """Return the path of an installed Chromium or Chrome, or None."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next((path for path in map(shutil.which, names) if path), None)


class Lab:
    """A JupyterLab server on a folder of its own."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self._token = secrets.token_hex(16)
        self._port = _free_port()
        self._environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Lab:
        settings = self.folder / ".jupyter"
        places = {f"JUPYTER_{name}_DIR": str(settings / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
        _write_settings(settings / "config")
        command = [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
            *(f"--port={self._port}", f"--IdentityProvider.token={self._token}", f"--notebook-dir={self.folder}"),
        ]
        with (self.folder / "jupyterlab.log").open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **places, **self._environment},
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def url(self, notebook: str) -> str:
        """Return the address of a notebook in a workspace of its own."""
        return f"http://127.0.0.1:{self._port}/lab/workspaces/{Path(notebook).stem}/tree/{notebook}?token={self._token}"

    def write(self, notebook: str, cells: Sequence[str]) -> Path:
        """Write a notebook of code cells; a cell that starts with `#md ` is text."""
        book = nbformat.v4.new_notebook()
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        for cell in cells:
            is_text = cell.startswith("#md ")
            new = nbformat.v4.new_markdown_cell if is_text else nbformat.v4.new_code_cell
            book.cells.append(new(cell.removeprefix("#md ")))
        path = self.folder / notebook
        nbformat.write(book, path)
        return path

    def _wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_WITHIN_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self._port}/api", timeout=5).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise RuntimeError("JupyterLab did not start: " + (self.folder / "jupyterlab.log").read_text()[-2000:])


class NotebookPage:
    """One notebook opened in the browser."""

    def __init__(self, page: Any, lab: Lab, notebook: str) -> None:
        self.page = page
        page.goto(lab.url(notebook))
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
        page.wait_for_function("window.jupyterapp !== undefined")
        page.wait_for_function(
            "() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'",
            timeout=60_000,
        )

    def command(self, name: str, **arguments: Any) -> None:
        """Execute one of JupyterLab's commands; does not wait for what it starts."""
        self.page.evaluate("([n, a]) => { window.jupyterapp.commands.execute(n, a) }", [name, arguments])

    def run_all(self) -> None:
        """Start to run all cells; asked again where JupyterLab has not taken the command, as on a busy machine."""
        from playwright.sync_api import TimeoutError

        for attempt in range(3):
            self.command("notebook:run-all-cells")
            try:
                self.page.wait_for_function(
                    "() => [...document.querySelectorAll('.jp-InputPrompt')].some(p => /[*0-9]/.test(p.textContent))",
                    timeout=10_000,
                )
                return
            except TimeoutError:
                if attempt == 2:
                    raise

    def theme(self, name: str) -> None:
        """Change the theme, "JupyterLab Light" or "JupyterLab Dark"."""
        self.page.evaluate("(t) => window.jupyterapp.commands.execute('apputils:change-theme', {theme: t})", name)
        self.page.wait_for_function(
            "(light) => document.body.dataset.jpThemeLight === light", arg=str("Light" in name).lower()
        )

    def save(self) -> None:
        """Save the notebook and wait for it."""
        self.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")

    def cell(self, index: int) -> Any:
        """Return the locator of a cell, from 0."""
        return self.page.locator(".jp-NotebookPanel .jp-Cell").nth(index)

    def wait_idle(self, timeout_s: float = 60) -> None:
        """Wait until no cell is running or waiting."""
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('.jp-InputPrompt')].every(p => !p.textContent.includes('*'))"
            " && window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'",
            timeout=timeout_s * 1000,
        )


@contextmanager
def open_browser(width: int = 1200, height: int = 900) -> Iterator[Any]:
    """Open a page in Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(CHROMIUM_FLAGS))
        context = browser.new_context(viewport={"width": width, "height": height}, device_scale_factor=2)
        yield context.new_page()
        browser.close()


def _write_settings(folder: Path) -> None:
    # Nothing is asked of the network; the page shows its application object, which the tests command.
    lab = {
        "news_url": None,
        "check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "extension_manager": "readonly",
        "expose_app_in_browser": True,
    }
    notices = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
    plugin = folder / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    plugin.mkdir(parents=True)
    (plugin / "notification.jupyterlab-settings").write_text(json.dumps(notices))
    (folder / "jupyter_lab_config.json").write_text(json.dumps({"LabApp": lab}))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

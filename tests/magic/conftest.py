"""A real IPython shell in this process, with the extension loaded, connected to the server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config


@dataclass
class Cell:
    """What a cell printed, displayed and raised."""

    result: Any
    text: str
    outputs: list[Any]

    @property
    def error(self) -> BaseException | None:
        return self.result.error_in_exec

    @property
    def html(self) -> str:
        return "".join(output.data.get("text/html", "") for output in self.outputs)

    @property
    def plain(self) -> str:
        return "\n".join(output.data.get("text/plain", "") for output in self.outputs)


class Notebook:
    """Runs cells."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell

    def run(self, cell: str) -> Cell:
        with capture_output() as captured:
            result = self.shell.run_cell(cell, store_history=False)
        return Cell(result, captured.stdout, captured.outputs)

    def __getitem__(self, name: str) -> Any:
        return self.shell.user_ns[name]

    def complete(self, text: str) -> list[str]:
        """Return the completions at the mark ‸, as a front end gets them."""
        cursor = text.index("‸")
        with provisionalcompleter():
            found = list(self.shell.Completer.completions(text.replace("‸", ""), cursor))
        return [each.text for each in found]


@pytest.fixture
def bare_notebook() -> Iterator[Notebook]:
    """A shell with the extension, not connected."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.xmode = "Minimal"
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(config=config)
    shell.Completer.use_jedi = False
    shell.run_line_magic("load_ext", "aerospike_magic")
    made = Notebook(shell)
    yield made
    made.run("%load_ext aerospike_magic\n%aerospike disconnect\n%unload_ext aerospike_magic")
    InteractiveShell.clear_instance()


@pytest.fixture
def notebook(bare_notebook: Notebook, server: Any) -> Notebook:
    """A shell with the extension, connected."""
    assert bare_notebook.run(f"%aerospike connect {server.address}").error is None
    return bare_notebook

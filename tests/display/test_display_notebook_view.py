"""One updating line, for a Jupyter kernel without widgets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from aerospike_magic.display.live import NotebookView, ZeppelinView


@pytest.fixture(autouse=True)
def shell() -> Iterator[None]:
    config = Config()
    config.HistoryManager.enabled = False
    InteractiveShell.clear_instance()
    InteractiveShell.instance(config=config)
    yield
    InteractiveShell.clear_instance()


def test_one_output_is_changed_in_place(snapshot) -> None:
    view = NotebookView()
    with capture_output() as captured:
        view.update([snapshot(0.5)], 0.1)
        view.update([snapshot(0.9)], 0.2)
        view.finish("all read", '<div class="aero-line">all read</div>')
    identities = {output.transient["display_id"] for output in captured.outputs}
    assert len(identities) == 1
    assert [output.update for output in captured.outputs] == [False, True, True]
    assert captured.outputs[-1].data["text/plain"] == "all read"
    assert "aero-line" in captured.outputs[-1].data["text/html"]


def test_a_query_that_was_never_shown_needs_no_output() -> None:
    with capture_output() as captured:
        NotebookView().finish("", "")
        ZeppelinView(None).finish("", "")
    assert captured.outputs == []


def test_zeppelin_sees_html_without_directives() -> None:
    with capture_output() as captured:
        ZeppelinView(None).finish("100 %", '<div class="aero-line">done</div>')
    lines = captured.outputs[0].data["text/html"].splitlines()
    assert not any(line.startswith(("%html", "%text", "%table")) for line in lines)

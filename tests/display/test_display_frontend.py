"""Which front end is behind a shell."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from aerospike_magic.display.frontend import Frontend, detect_frontend


class ZMQInteractiveShell:
    user_ns: dict[str, object] = {}  # noqa: RUF012


def test_a_jupyter_kernel_gets_the_widget() -> None:
    assert detect_frontend(ZMQInteractiveShell(), {}) is Frontend.WIDGET


def test_a_kernel_without_anywidget_gets_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aerospike_magic.display.frontend.has_widgets", lambda: False)
    assert detect_frontend(ZMQInteractiveShell(), {}) is Frontend.NOTEBOOK


@pytest.mark.parametrize(
    ("names", "environment"),
    [
        ({"__zeppelin__": object()}, {}),
        ({"z": SimpleNamespace(getInterpreterContext=lambda: None)}, {}),
        ({}, {"ZEPPELIN_HOME": "/opt/zeppelin"}),
    ],
)
def test_zeppelin_is_told_by_its_traces(names: dict[str, object], environment: dict[str, str]) -> None:
    assert detect_frontend(SimpleNamespace(user_ns=names), environment) is Frontend.ZEPPELIN


def test_a_variable_named_z_is_not_zeppelin() -> None:
    assert detect_frontend(SimpleNamespace(user_ns={"z": 1}), {}) is not Frontend.ZEPPELIN


def test_a_terminal_is_told_by_its_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert detect_frontend(SimpleNamespace(user_ns={}), {"TERM": "xterm"}) is Frontend.TERMINAL
    assert detect_frontend(SimpleNamespace(user_ns={}), {"TERM": "dumb"}) is Frontend.PLAIN

"""The progress view that fits the front end."""

from __future__ import annotations

import sys
from typing import Any

from aerospike_magic.display.frontend import Frontend, detect_frontend
from aerospike_magic.display.live import (
    NotebookView,
    PlainView,
    ProgressView,
    SilentView,
    TerminalView,
    ZeppelinView,
)


def open_view(shell: Any, *, quiet: bool = False) -> ProgressView:
    """Return a view for the front end behind a shell; one that shows nothing when `quiet`."""
    if quiet:
        return SilentView()
    frontend = detect_frontend(shell)
    if frontend is Frontend.WIDGET:
        from aerospike_magic.widgets.progress import WidgetView

        return WidgetView()
    if frontend is Frontend.NOTEBOOK:
        return NotebookView()
    if frontend is Frontend.ZEPPELIN:
        return ZeppelinView(_zeppelin_context(shell))
    if frontend is Frontend.TERMINAL:
        return TerminalView(sys.stdout)
    return PlainView(sys.stdout)


def _zeppelin_context(shell: Any) -> Any:
    names = shell.user_ns
    zeppelin = names.get("__zeppelin__") or names.get("z")
    reach = getattr(zeppelin, "getInterpreterContext", None)
    return reach() if callable(reach) else None

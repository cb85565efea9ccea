"""Which kind of front end shows our output, found out without importing any of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from enum import Enum
from importlib.util import find_spec
from typing import Any


class Frontend(Enum):
    """Where output goes, and so what progress can look like."""

    WIDGET = "a Jupyter kernel with anywidget: a live map of the partitions"
    NOTEBOOK = "a Jupyter kernel without anywidget: one updating line"
    ZEPPELIN = "Zeppelin: the paragraph's own progress bar"
    TERMINAL = "a terminal: one updating line"
    PLAIN = "elsewhere: text at the end"


def detect_frontend(shell: Any, environment: Mapping[str, str] | None = None) -> Frontend:
    """Tell which front end a shell writes to.

    Args:
        shell: IPython's shell, or None.
        environment: environment variables; the process's own by default.

    Returns:
        The richest form that this front end is known to show.
    """
    environment = os.environ if environment is None else environment
    names = getattr(shell, "user_ns", {})
    if "__zeppelin__" in names or "ZEPPELIN_HOME" in environment or hasattr(names.get("z"), "getInterpreterContext"):
        return Frontend.ZEPPELIN
    if type(shell).__name__ == "ZMQInteractiveShell" or getattr(shell, "kernel", None) is not None:
        return Frontend.WIDGET if has_widgets() else Frontend.NOTEBOOK
    if sys.stdout is not None and sys.stdout.isatty() and environment.get("TERM") != "dumb":
        return Frontend.TERMINAL
    return Frontend.PLAIN


def has_widgets() -> bool:
    """Whether anywidget can be imported here."""
    return find_spec("anywidget") is not None

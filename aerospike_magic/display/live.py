"""Progress that changes while it is looked at: a protocol, and its forms without a widget.

A view is only ever touched by the thread that runs the cell, so it needs no lock and its output keeps the
cell's place. `widgets.progress` has the form for Jupyter.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from aerospike_magic.display.progress import live_line, total_fraction
from aerospike_magic.display.style import page
from aerospike_magic.display.text import escape

if TYPE_CHECKING:
    from aerospike_magic.scan.progress import ScanProgress


class ProgressView(Protocol):
    """One query's progress on a screen: opened by the first update, closed by `finish`."""

    @property
    def cancel_wanted(self) -> bool:
        """Whether the user pressed a cancel button."""

    def update(self, scans: Sequence[ScanProgress], elapsed_s: float, activity: str = "") -> None:
        """Show the scans, and where the engine is, as they are now; called at most ten times a second."""

    def finish(self, line: str, fragment: str) -> None:
        """Collapse to one line that stays: as text, and as HTML without the style sheet; "" removes it."""


class SilentView:
    """Shows nothing."""

    cancel_wanted = False

    def update(self, scans: Sequence[ScanProgress], elapsed_s: float, activity: str = "") -> None:
        """Do nothing."""

    def finish(self, line: str, fragment: str) -> None:
        """Do nothing."""


class PlainView(SilentView):
    """Writes the final line only; for files, pipes and front ends that nobody knows."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def finish(self, line: str, fragment: str) -> None:
        """Write the line."""
        if line:
            self._stream.write(f"{line}\n")
            self._stream.flush()


class TerminalView:
    """One line of a terminal, rewritten in place."""

    cancel_wanted = False

    def __init__(self, stream: TextIO, cells: int | None = None) -> None:
        """Write to `stream`, `cells` wide (by default as wide as the terminal is at each update)."""
        self._stream = stream
        self._cells = cells
        self._is_open = False

    def update(self, scans: Sequence[ScanProgress], elapsed_s: float, activity: str = "") -> None:
        """Rewrite the line."""
        # One cell is left free: a full line would wrap and could not be rewritten.
        cells = (self._cells or shutil.get_terminal_size((100, 24)).columns) - 1
        self._stream.write(f"\r{live_line(scans, elapsed_s, cells, activity)}\x1b[K")
        self._stream.flush()
        self._is_open = True

    def finish(self, line: str, fragment: str) -> None:
        """Replace the line by the final one."""
        if self._is_open:
            self._stream.write("\r\x1b[K")
        if line:
            self._stream.write(f"{line}\n")
        self._stream.flush()


class NotebookView:
    """One updating line of HTML, for a Jupyter kernel without widgets."""

    cancel_wanted = False

    def __init__(self) -> None:
        self._handle: Any = None

    def update(self, scans: Sequence[ScanProgress], elapsed_s: float, activity: str = "") -> None:
        """Show or change the line."""
        line = live_line(scans, elapsed_s, 140, activity)
        self._show(line, f'<div class="aero-line">{escape(line)}</div>')

    def finish(self, line: str, fragment: str) -> None:
        """Put the final line in its place."""
        if line or self._handle is not None:
            self._show(line, fragment)

    def _show(self, line: str, fragment: str) -> None:
        bundle = line_bundle(line, fragment)
        if self._handle is None:
            from IPython.display import DisplayHandle

            self._handle = DisplayHandle()
            self._handle.display(bundle, raw=True)
        else:
            self._handle.update(bundle, raw=True)


class ZeppelinView(SilentView):
    """The paragraph's own progress bar, and one line at the end; Zeppelin ignores updates of an output."""

    def __init__(self, context: Any) -> None:
        """Report to Zeppelin's interpreter context, or to nothing when it is None (under `%jupyter`)."""
        self._context = context

    def update(self, scans: Sequence[ScanProgress], elapsed_s: float, activity: str = "") -> None:
        """Move the paragraph's progress bar."""
        if self._context is not None:
            self._context.setProgress(int(total_fraction(scans) * 100))

    def finish(self, line: str, fragment: str) -> None:
        """Show the final line."""
        if line:
            from IPython.display import publish_display_data

            publish_display_data(line_bundle(line, fragment))


def line_bundle(line: str, fragment: str) -> dict[str, str]:
    """Return one line of progress by MIME type, ready to be displayed."""
    return {"text/plain": line, "text/html": page(fragment) if fragment else ""}

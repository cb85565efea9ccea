"""How the server's main thread is told to stop: by a signal, or by another thread.

A thread that waits for a lock is not woken by a signal that comes just before it blocks, and an Event's lock is not
reentrant; a pipe has neither fault, for what was written to it stays there.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from types import FrameType


class Stopped(BaseException):
    """A signal came while the main thread was busy with what it does before it waits."""


class StopOrder:
    """Given once or often, by whom ever; waited for by the main thread.

    Attributes:
        is_waited_for: whether the main thread is about to wait, or does; before that, a signal raises `Stopped` in it.
    """

    def __init__(self) -> None:
        self.is_waited_for = False
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)

    def give(self) -> None:
        """Order the stop; from any thread."""
        with contextlib.suppress(OSError):
            os.write(self._write_end, b"\0")

    def give_on_signals(self) -> None:
        """Let SIGTERM and SIGINT order the stop; only from the main thread."""
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._interrupt)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the order; False if the time passed without it."""
        return bool(select.select([self._read_end], [], [], timeout_s)[0])

    def _interrupt(self, signum: int, frame: FrameType | None) -> None:
        # The interpreter's C handler has written to the pipe already.
        if not self.is_waited_for:
            self.is_waited_for = True
            raise Stopped

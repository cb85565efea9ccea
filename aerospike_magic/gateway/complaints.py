"""Lines for the log that clients can cause, however many there are: the first at once, then one a second and kind."""

from __future__ import annotations

import logging
import threading
import time

_EVERY_S = 1.0


class Complaints:
    """Logs lines.

    Args:
        log: where to.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._last: dict[str, tuple[float, int]] = {}

    def say(self, kind: str, line: str) -> None:
        """Log a line, unless there was one of its kind just now; then it is counted.

        Args:
            kind: what the line is about; of few different ones.
            line: what happened, without what must not be read.
        """
        now = time.monotonic()
        with self._lock:
            at, n_swallowed = self._last.get(kind, (-_EVERY_S, 0))
            if now - at < _EVERY_S:
                self._last[kind] = at, n_swallowed + 1
                return
            self._last[kind] = now, 0
        more = f" (and {n_swallowed:,} more like it)" if n_swallowed else ""
        self._log.warning("%s%s", line, more)

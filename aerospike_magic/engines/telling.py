"""The progress of one query, as its result sees it: there or not, and with an end."""

from __future__ import annotations

import time

from aerospike_magic.engines.progress import ProgressReceiver, QueryProgress
from aerospike_magic.errors import ScanCancelled
from aerospike_magic.scan.progress import ScanProgress

_LAST_WORDS_S = 0.5


class Telling:
    """The progress of one query, whether or not its tasks can reach this process."""

    def __init__(self, receiver: ProgressReceiver | None, query: QueryProgress | None) -> None:
        self.query = query
        self._receiver = receiver

    @property
    def snapshots(self) -> tuple[ScanProgress, ...]:
        """A snapshot of each scan that has begun."""
        return () if self.query is None else self.query.snapshots

    def stop(self) -> None:
        """Ask the tasks to end."""
        if self._receiver is not None and self.query is not None:
            self._receiver.cancel(self.query)

    def end(self, error: BaseException | None = None) -> None:
        """Note how the query ended, once its tasks have said their last."""
        if self.query is None:
            return
        if error is None:
            deadline = time.monotonic() + _LAST_WORDS_S
            while not self.query.is_settled and time.monotonic() < deadline:
                time.sleep(0.005)
            self.query.end("done")
        else:
            state = "cancelled" if isinstance(error, ScanCancelled) else "failed"
            self.query.end(state, str(error))  # type: ignore[arg-type]  # mypy widens the literal

    def close(self) -> None:
        """Expect nothing more."""
        if self._receiver is not None and self.query is not None:
            self._receiver.forget(self.query)

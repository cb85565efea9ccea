"""Record batches, in pieces, on their way from the workers to the consumer: bounded, closable from either end.

A worker that finds the channel full waits; that is the back-pressure: it stops receiving, the node stops sending.
"""

from __future__ import annotations

import threading
from collections import deque

from aerospike_magic.scan.position import Piece


class BatchChannel:
    """A queue of pieces with a bound on its bytes.

    Args:
        max_bytes: bytes that may wait; one piece may always wait, however big.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._pieces: deque[Piece] = deque()
        self._n_bytes = 0
        self._error: BaseException | None = None
        self._ended = False
        self._closed = False
        self._changed = threading.Condition()

    def put(self, piece: Piece) -> bool:
        """Hand a piece over, waiting for room; False when nobody will take it any more."""
        n_bytes = piece.nbytes
        with self._changed:
            while not self._closed and self._pieces and self._n_bytes + n_bytes > self._max_bytes:
                self._changed.wait()
            if self._closed or self._error is not None:
                return False
            self._pieces.append(piece)
            self._n_bytes += n_bytes
            self._changed.notify_all()
            return True

    def get(self, timeout_s: float) -> Piece | None:
        """Return the next piece; None at the end or when none came in time (see `is_finished`).

        Raises:
            BaseException: what `fail` was given; pieces before it are not handed out any more.
        """
        with self._changed:
            if not self._pieces and not self._ended and self._error is None:
                self._changed.wait(timeout_s)
            if self._error is not None:
                raise self._error
            if not self._pieces:
                return None
            piece = self._pieces.popleft()
            self._n_bytes -= piece.nbytes
            self._changed.notify_all()
            return piece

    @property
    def is_finished(self) -> bool:
        """Whether all pieces were taken and no more will come."""
        with self._changed:
            return self._ended and not self._pieces and self._error is None

    def end(self) -> None:
        """Say that no more pieces will come."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """Make the consumer raise `error` (the first one given counts)."""
        with self._changed:
            if self._error is None:
                self._error = error
            self._changed.notify_all()

    def close(self) -> None:
        """Say that the consumer will take nothing more; waiting workers go on and find out."""
        with self._changed:
            self._closed = True
            self._pieces.clear()
            self._n_bytes = 0
            self._changed.notify_all()

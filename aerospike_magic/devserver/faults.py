"""What can go wrong between a node and its clients, on demand: slow, cut, silent, or refused.

Info answers are late or silent like all others, but never cut or throttled: clients would lose the node at once, and
a test could not say which bytes it cuts.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from aerospike_magic.devserver.tls import hang_up
from aerospike_magic.wire.proto import ProtoType

_SLICES_PER_S = 20
_FROZEN_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Refusal:
    """One query that will be refused: with which code, and whether only after its records were sent."""

    code: int
    late: bool


class Faults:
    """The faults of one node; all off at first.

    Attributes:
        latency_s: seconds that every answer waits.
        bytes_per_s: how fast data is sent on a connection; 0 for as fast as it goes.
        frozen: whether nothing is answered at all.
    """

    def __init__(self) -> None:
        self.latency_s = 0.0
        self.bytes_per_s = 0
        self.frozen = False
        self._lock = threading.Lock()
        self._cuts: deque[int] = deque()
        self._refusals: deque[Refusal] = deque()

    def cut(self, n_bytes: int, times: int) -> None:
        """Close the next `times` connections that send data, each after this many bytes of it."""
        with self._lock:
            self._cuts.extend([n_bytes] * times)

    def refuse(self, code: int, times: int, late: bool) -> None:
        """Refuse the next `times` queries."""
        with self._lock:
            self._refusals.extend([Refusal(code, late)] * times)

    def clear(self) -> None:
        """Turn all faults off."""
        with self._lock:
            self.latency_s, self.bytes_per_s, self.frozen = 0.0, 0, False
            self._cuts.clear()
            self._refusals.clear()

    def take_cut(self) -> int | None:
        """After how many bytes a connection is to be cut; None if it is not."""
        if not self._cuts:
            return None
        with self._lock:
            return self._cuts.popleft() if self._cuts else None

    def take_refusal(self) -> Refusal | None:
        """How the query that begins is to be refused; None if it is not."""
        if not self._refusals:
            return None
        with self._lock:
            return self._refusals.popleft() if self._refusals else None


class FaultySocket:
    """A connected socket with its node's faults; everything else is the socket's own.

    Args:
        inner: the socket.
        faults: of the node.
    """

    def __init__(self, inner: socket.socket, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults
        self._left: int | None = None
        self._closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def hang_up(self) -> None:
        """End the connection, also while it is silent."""
        self._closed = True
        hang_up(self._inner)

    def sendall(self, data: bytes | memoryview) -> None:
        """Send an answer, as well as the faults allow.

        Raises:
            OSError: the connection is gone, or was cut.
        """
        faults = self._faults
        while faults.frozen:
            if self._closed:
                raise ConnectionResetError("closed while silent")
            time.sleep(_FROZEN_POLL_S)
        if faults.latency_s:
            time.sleep(faults.latency_s)
        view = memoryview(data).cast("B")
        if len(view) > 1 and view[1] == ProtoType.INFO:
            self._inner.sendall(view)
            return
        if self._left is None:
            self._left = faults.take_cut()
        if self._left is None:
            self._send_slowly(view)
            return
        self._send_slowly(view[: self._left])
        if len(view) > self._left:
            self.hang_up()
            raise ConnectionResetError("cut")
        self._left -= len(view)

    def _send_slowly(self, view: memoryview) -> None:
        while (rate := self._faults.bytes_per_s) and len(view):
            piece = max(1, rate // _SLICES_PER_S)
            self._inner.sendall(view[:piece])
            view = view[piece:]
            time.sleep(1 / _SLICES_PER_S)
        if len(view):
            self._inner.sendall(view)

"""What all lanes of one write share: who owns each partition, the throttle, and the word to stop."""

from __future__ import annotations

import threading
import time

import numpy as np
import numpy.typing as npt

from aerospike_magic.connection import Connection, Node, PartitionMap

_MAP_AGE_S = 0.2


class Owners:
    """The partition map, fetched again when a lane has met trouble; safe to share between threads.

    Args:
        connection: whom to ask.
        namespace: whose partitions.
    """

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._namespace = namespace
        self._lock = threading.Lock()
        self._map = connection.partition_map(namespace)
        self._fetched_at = time.monotonic()

    def of(self, partitions: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int16], tuple[Node, ...]]:
        """Return the index of each partition's node, -1 where there is none, and the nodes."""
        found: PartitionMap = self._map
        return found.owners[partitions], found.nodes

    def refresh(self, timeout_s: float) -> None:
        """Ask again, unless another lane has just done so; raises what `Connection.partition_map` raises."""
        with self._lock:
            if time.monotonic() - self._fetched_at < _MAP_AGE_S:
                return
            try:
                self._map = self._connection.partition_map(self._namespace, timeout_s)
            finally:
                self._fetched_at = time.monotonic()


class Throttle:
    """Lets so many rows a second pass, over all lanes.

    Args:
        rows_per_s: 0 for no limit.
        stopping: ends every wait.
    """

    def __init__(self, rows_per_s: int, stopping: threading.Event) -> None:
        self.rows_per_s = rows_per_s
        self._stopping = stopping
        self._lock = threading.Lock()
        self._free_at = time.monotonic()

    def most_rows(self, wanted: int) -> int:
        """Return how many rows a request should have at most, so that rows flow steadily: a tenth of a second's."""
        return wanted if not self.rows_per_s else max(1, min(wanted, self.rows_per_s // 10))

    def wait(self, n_rows: int) -> None:
        """Wait until so many rows may be sent."""
        if not self.rows_per_s:
            return
        with self._lock:
            now = time.monotonic()
            turn = max(self._free_at, now)
            self._free_at = turn + n_rows / self.rows_per_s
        self._stopping.wait(turn - now)

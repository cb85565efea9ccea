"""Where a namespace's records are: for each partition the record offsets, in order of digest.

All partitions share one array, each has a region of it; a region that is full moves to the end, twice as large. So
kernels can find and insert without help, and a partition's offsets are one slice.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aerospike_magic.devserver.kernels.index import find_digest

N_PARTITIONS = 4096
Offsets = npt.NDArray[np.int64]


class Directory:
    """Record offsets by partition.

    Attributes:
        pool: the regions.
        starts: where each partition's region starts.
        counts: how many offsets it holds.
        capacities: how many it has room for.
        used: where the last region ends, as an array of one for kernels to change.

    Args:
        digest_at: where a record's digest starts, from its offset.
    """

    def __init__(self, digest_at: int) -> None:
        self._digest_at = digest_at
        self.pool: Offsets = np.empty(N_PARTITIONS, np.int64)
        self.starts: Offsets = np.zeros(N_PARTITIONS, np.int64)
        self.counts: Offsets = np.zeros(N_PARTITIONS, np.int64)
        self.capacities: Offsets = np.zeros(N_PARTITIONS, np.int64)
        self.used: Offsets = np.zeros(1, np.int64)

    def offsets(self, partition: int) -> Offsets:
        """A partition's offsets, a view that the next change may move or alter."""
        start = int(self.starts[partition])
        return self.pool[start : start + int(self.counts[partition])]

    def find(self, arena: npt.NDArray[np.uint8], partition: int, digest: bytes) -> int:
        """Return a record's position in its partition, or -1 - p where p is where it would go."""
        offsets = self.offsets(partition)
        wanted = np.frombuffer(digest, np.uint8)
        return int(find_digest(arena, offsets, len(offsets), self._digest_at, wanted))

    def insert(self, partition: int, position: int, offset: int) -> None:
        """Put an offset at its place."""
        count = int(self.counts[partition])
        if count == self.capacities[partition]:
            self._move(partition, max(4, 2 * count))
        start = int(self.starts[partition])
        region = self.pool[start : start + count + 1]
        region[position + 1 :] = region[position:-1].copy()
        region[position] = offset
        self.counts[partition] = count + 1

    def remove(self, partition: int, position: int) -> None:
        """Drop the offset at a place."""
        region = self.offsets(partition)
        region[position:-1] = region[position + 1 :].copy()
        self.counts[partition] -= 1

    def replace(self, partition: int, offsets: Offsets) -> None:
        """Give a partition other offsets, in order of digest."""
        if len(offsets) > self.capacities[partition]:
            self._move(partition, len(offsets))
        start = int(self.starts[partition])
        self.pool[start : start + len(offsets)] = offsets
        self.counts[partition] = len(offsets)

    def reserve(self, added: npt.NDArray[np.int64]) -> None:
        """Give each partition capacity for so many more offsets."""
        needed = self.counts + added
        partitions = np.flatnonzero(needed > self.capacities)
        capacities = np.maximum(needed, 2 * self.counts)[partitions]
        self.make_room(int(capacities.sum()))
        for partition, capacity in zip(partitions.tolist(), capacities.tolist(), strict=True):
            self._move(partition, capacity)

    def make_room(self, n: int) -> None:
        """Grow the pool so that at least n more places are free behind the regions."""
        needed = int(self.used[0]) + n
        if needed > len(self.pool):
            grown = np.empty(max(needed, len(self.pool) + len(self.pool) // 2), np.int64)
            grown[: self.used[0]] = self.pool[: self.used[0]]
            self.pool = grown

    def _move(self, partition: int, capacity: int) -> None:
        self.make_room(capacity)
        old = self.offsets(partition)
        start = int(self.used[0])
        self.pool[start : start + len(old)] = old
        self.starts[partition] = start
        self.capacities[partition] = capacity
        self.used[0] = start + capacity

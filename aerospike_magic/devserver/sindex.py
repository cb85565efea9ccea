"""Secondary indexes over integers, strings and blobs, and over those in lists and maps: sorted values with the offsets
of their records.

An index is rebuilt when a query finds that its set has changed since. That is a pass over the set, a few milliseconds
a hundred thousand records, and never wrong; a development server is read in bursts.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from aerospike_magic.devserver.arena import Arena
from aerospike_magic.devserver.directory import N_PARTITIONS
from aerospike_magic.devserver.journal import Kind
from aerospike_magic.devserver.kernels.collect import collect_values, order_keys
from aerospike_magic.devserver.sindex_elements import Elements, hash_bytes
from aerospike_magic.devserver.store import Namespace, concatenate
from aerospike_magic.wire.particle_type import ParticleType
from aerospike_magic.wire.query import IndexRange, IndexType

Offsets = npt.NDArray[np.int64]

TYPES = {"numeric": ParticleType.INTEGER, "string": ParticleType.STRING, "blob": ParticleType.BLOB}
KINDS = {
    "default": IndexType.DEFAULT,
    "list": IndexType.LIST,
    "mapkeys": IndexType.MAP_KEYS,
    "mapvalues": IndexType.MAP_VALUES,
}


STORED = ("name", "set_name", "bin", "type", "kind")
"""What is kept of an index when the server stops; its entries are collected anew."""


@dataclass(slots=True)
class SecondaryIndex:
    """One index and its entries, sorted by value.

    Strings and blobs are entered by a 64-bit hash; a look-up compares themselves too.
    """

    namespace: str
    set_name: str
    name: str
    bin: str
    type: str
    kind: str = "default"
    _elements: Elements | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _built_at: int = -1
    _arena: Arena | None = None
    _values: Offsets = field(default_factory=lambda: np.empty(0, np.int64))
    _offsets: Offsets = field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        if self.kind != "default":
            self._elements = Elements(self.bin, TYPES[self.type], KINDS[self.kind])

    @property
    def definition(self) -> tuple[str, str, str, str]:
        """What it is over: no two indexes of a namespace have the same."""
        return self.set_name, self.bin, self.type, self.kind

    def describe(self) -> str:
        """The index as a record of `sindex-list`."""
        return (
            f"ns={self.namespace}:indexname={self.name}:set={self.set_name or 'NULL'}:bin={self.bin}"
            f":type={self.type}:indextype={self.kind}:context=null:state=RW"
        )

    def stats(self, namespace: Namespace, held: npt.NDArray[np.bool_] | None = None) -> str:
        """The index's statistics as `sindex-stat` tells them.

        Args:
            namespace: where.
            held: for each partition whether its entries count; None for all.
        """
        arena, values, offsets = self._entries(namespace)
        if held is not None:
            counts = held[namespace.partitions_at(offsets, arena)]
            values, offsets = values[counts], offsets[counts]
        entries = len(values)
        # Sorted values need no sorting to be told apart, and a bin's own value is in the index once.
        distinct = 1 + np.count_nonzero(values[1:] != values[:-1]) if entries else 0
        records = entries if self._elements is None else len(np.unique(offsets))
        return (
            f"entries={entries};used_bytes={max(1, -(-entries * 16 // (16 << 20))) * (16 << 20)}"
            f";entries_per_bval={round(entries / distinct) if distinct else 0}"
            f";entries_per_rec={round(entries / records) if records else 0}"
            ";load_pct=100;load_time=0;stat_gc_recs=0"
        )

    def _entries(self, namespace: Namespace) -> tuple[Arena, Offsets, Offsets]:
        with self._lock:
            with namespace.lock:
                state = namespace.find_set(self.set_name) if self.set_name else None
                changes = state.changes if state else sum(s.changes for s in namespace.sets)
                arena = namespace.arena
                if changes == self._built_at and arena is self._arena:
                    return arena, self._values, self._offsets
                offsets = concatenate([namespace.snapshot(p) for p in range(N_PARTITIONS)])
            set_id = -1 if not self.set_name else state.set_id if state else 0xFFFF
            values, found = self._collect(namespace, arena, offsets, set_id)
            order = np.argsort(values, kind="stable")
            self._values, self._offsets = values[order], found[order]
            self._arena, self._built_at = arena, changes
            return arena, self._values, self._offsets

    def _collect(self, namespace: Namespace, arena: Arena, offsets: Offsets, set_id: int) -> tuple[Offsets, Offsets]:
        if self._elements is not None:
            if set_id >= 0:
                offsets = offsets[arena.words16[(offsets >> 1) + 10] == set_id]
            return self._elements.entries(namespace, arena, offsets)
        values = np.empty(len(offsets), np.int64)
        found = np.empty(len(offsets), np.int64)
        n = collect_values(
            arena.bytes,
            arena.words16,
            arena.words32,
            offsets,
            set_id,
            np.frombuffer(self.bin.encode(), np.uint8),
            int(TYPES[self.type]),
            values,
            found,
        )
        return values[:n], found[:n]

    def lookup(
        self,
        namespace: Namespace,
        wanted: IndexRange,
        partitions: Sequence[int],
        after: Mapping[int, bytes],
        bvals: Mapping[int, int],
    ) -> tuple[Arena, Offsets, Offsets]:
        """Find the records in a range.

        Args:
            namespace: where.
            wanted: the range, ends included.
            partitions: only records of these.
            after: by partition, the digest behind which to go on.
            bvals: by partition, the index value of that record.

        Returns:
            the arena, the offsets in order of (partition, value, digest), and their values.
        """
        arena, values, offsets = self._entries(namespace)
        if self.type == "numeric":
            low, high = wanted.integer_bounds
            text = np.empty(0, np.uint8)
        else:
            text = np.frombuffer(wanted.low, np.uint8)
            low = high = hash_bytes(wanted.low)
        start, stop = np.searchsorted(values, low, "left"), np.searchsorted(values, high, "right")
        values, offsets = values[start:stop], offsets[start:stop]
        allowed = np.zeros(N_PARTITIONS, np.bool_)
        allowed[list(partitions)] = True
        resume_value = np.zeros(N_PARTITIONS, np.int64)
        resume_digest = np.zeros((N_PARTITIONS, 20), np.uint8)
        resumed = np.zeros(N_PARTITIONS, np.bool_)
        for partition, digest in after.items():
            resumed[partition] = True
            resume_value[partition] = bvals.get(partition, -(1 << 63))
            resume_digest[partition] = np.frombuffer(digest, np.uint8)
        ids = np.empty(len(offsets), np.int64)
        order_keys(
            arena.bytes,
            arena.words32,
            offsets,
            values,
            namespace.digest_at,
            allowed,
            resumed,
            resume_value,
            resume_digest,
            np.frombuffer(self.bin.encode(), np.uint8),
            text,
            self.type != "numeric" and self._elements is None,
            ids,
        )
        keep = ids >= 0
        if self._elements is not None and self.type != "numeric":
            held = [self._elements.holds(namespace, arena, at, wanted.low) for at in offsets.tolist()]
            keep &= np.array(held, np.bool_)
        values, offsets, ids = values[keep], offsets[keep], ids[keep]
        # Entries of one value are already in order of (partition, digest): they were collected so, and sorted stably.
        order = np.lexsort((values, ids))
        offsets, values = offsets[order], values[order]
        if self._elements is not None:
            # A record that has several of the values comes once.
            first = np.sort(np.unique(offsets, return_index=True)[1])
            offsets, values = offsets[first], values[first]
        return arena, offsets, values


class Indexes:
    """The secondary indexes of a namespace, by name."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        # The namespace's own, so that what is written down of both is one order.
        self._lock = namespace.lock
        self._by_name: dict[str, SecondaryIndex] = {}

    def __iter__(self) -> Iterator[SecondaryIndex]:
        with self._lock:
            return iter(list(self._by_name.values()))

    def get(self, name: str) -> SecondaryIndex | None:
        """Return the index of a name."""
        return self._by_name.get(name)

    def create(self, index: SecondaryIndex) -> bool:
        """Add an index, or rename the one that is over the same; False if the name is taken by a different one."""
        with self._lock:
            named = self._by_name.get(index.name)
            if named is not None:
                return named.definition == index.definition
            self._namespace.note(Kind.INDEX, dict(zip(STORED, (index.name, *index.definition), strict=True)))
            same = next((old for old in self._by_name.values() if old.definition == index.definition), None)
            if same is not None:
                del self._by_name[same.name]
            self._by_name[index.name] = index
            return True

    def remove(self, name: str) -> None:
        """Drop an index, if there is one of this name."""
        with self._lock:
            if name in self._by_name:
                self._namespace.note(Kind.NO_INDEX, {"name": name})
                del self._by_name[name]

    def count(self, set_name: str) -> int:
        """Say how many indexes a set has."""
        return sum(1 for index in self if index.set_name == set_name)

    def find(self, set_name: str, wanted: IndexRange) -> SecondaryIndex | None:
        """Return the index that a range needs, or None."""
        for index in self:
            if (
                index.set_name == set_name
                and index.bin == wanted.bin
                and TYPES[index.type] == wanted.particle_type
                and KINDS[index.kind] == wanted.index_type
                and not wanted.context
            ):
                return index
        return None

"""Namespaces, partitions and records, in memory.

Records lie in one arena a namespace in the form of `kernels.layout`; a partition is an array of record offsets in order
of digest, which is the order in which scans send them and from which they resume. Writers hold the namespace's lock;
readers copy a partition's offsets under it and then need none, as a record never changes in place.

With a journal every change is written down before it is made; what cannot be written is not made.
"""

from __future__ import annotations

import json
import logging
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aerospike_magic.devserver.arena import Arena
from aerospike_magic.devserver.directory import N_PARTITIONS, Directory
from aerospike_magic.devserver.journal import Journal, Kind, NotStored
from aerospike_magic.devserver.kernels import layout
from aerospike_magic.devserver.kernels.adopt import adopt_records, count_partitions
from aerospike_magic.devserver.kernels.write import copy_live
from aerospike_magic.devserver.record_size import DEFAULT_RECORD_SIZE

log = logging.getLogger(__name__)

EPOCH_S = 1_262_304_000
"""2010-01-01 UTC in Unix time: the server's times count from here."""

Bin = tuple[int, bytes]
"""A particle: its type and its bytes as on the wire."""

_PRIVATE = struct.Struct("=IIQIHH")
_MESSAGE = struct.Struct(">BBBBBBIIIHH")
_U32 = struct.Struct(">I")
_COMPACT_FROM = 64 << 20
"""Bytes of garbage from which moving the rest is worth it."""


def now_ms() -> int:
    """Milliseconds since the Aerospike epoch."""
    return int(time.time() * 1000) - EPOCH_S * 1000


def now_s() -> int:
    """Seconds since the Aerospike epoch."""
    return int(time.time()) - EPOCH_S


def partition_of(digest: bytes) -> int:
    """Say which partition a digest belongs to."""
    return (digest[0] | digest[1] << 8) & 0xFFF


@dataclass(slots=True)
class SetState:
    """A set's id, counters and times; it stays known after its last record is gone."""

    name: str
    set_id: int
    objects: int = 0
    used_bytes: int = 0
    truncated_ms: int = 0
    changes: int = 0


@dataclass(slots=True)
class Record:
    """A record taken out of the arena.

    `bins` keeps the order in which the bins were first written. `void_time` is in seconds since the Aerospike epoch, 0
    for never.
    """

    digest: bytes
    set_name: str
    generation: int
    void_time: int
    last_update_ms: int
    key: bytes | None
    bins: dict[bytes, Bin]
    size: int = 0


class Namespace:
    """The records of one namespace.

    Args:
        name: at most 31 bytes.

    Attributes:
        journal: where changes are written down; None for nowhere. Writers get `NotStored` from it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = threading.RLock()
        self.journal: Journal | None = None
        self.arena = Arena()
        self.garbage = 0
        self.max_record_size = DEFAULT_RECORD_SIZE
        self.sets: list[SetState] = [SetState("", 0)]
        self._set_ids = {"": 0}
        ns = name.encode()
        self._namespace_field = _field(0, ns)
        self.digest_at = layout.FIELDS_AT + len(self._namespace_field) + 5
        self.directory = Directory(self.digest_at)

    # -- sets --

    def find_set(self, name: str) -> SetState | None:
        """Return a set's state, or None if no record was ever put in it."""
        set_id = self._set_ids.get(name)
        return None if set_id is None else self.sets[set_id]

    def set_state(self, name: str) -> SetState:
        """Return a set's state, making the set known if it is new."""
        with self.lock:
            set_id = self._set_ids.get(name)
            if set_id is None:
                set_id = len(self.sets)
                self.note(Kind.SET, {"id": set_id, "name": name})
                self.sets.append(SetState(name, set_id))
                self._set_ids[name] = set_id
            return self.sets[set_id]

    def is_new(self, set_name: str) -> bool:
        """Whether a set has no records, so that made-up ones may go there; says so if it has."""
        state = self.find_set(set_name)
        if state is None or not state.objects:
            return True
        log.info("%s.%s has %d records already: it is left as it is", self.name, set_name, state.objects)
        return False

    @property
    def objects(self) -> int:
        """Records in the namespace."""
        return sum(state.objects for state in self.sets)

    # -- one record --

    def find(self, digest: bytes) -> int:
        """Return a live record's offset, -1 if there is none; expired records are removed on the way."""
        with self.lock:
            partition = partition_of(digest)
            position = self.directory.find(self.arena.bytes, partition, digest)
            if position < 0:
                return -1
            offset = int(self.directory.offsets(partition)[position])
            void_time = self.u32(offset + layout.VOID_TIME_AT)
            if void_time and void_time <= now_s():
                self._drop(partition, position)
                return -1
            return offset

    def put(self, record: Record) -> int:
        """Store a record in place of any of the same digest; returns its offset."""
        state = self.set_state(record.set_name)
        data = self.encode(record, state.set_id)
        with self.lock:
            offset = self.arena.allocate(len(data))
            if self.journal is not None:
                try:
                    self.journal.append(Kind.RECORDS, data)
                except NotStored:
                    self.arena.used = offset
                    raise
            self.arena.bytes[offset : offset + len(data)] = np.frombuffer(data, np.uint8)
            partition = partition_of(record.digest)
            position = self.directory.find(self.arena.bytes, partition, record.digest)
            if position >= 0:
                offsets = self.directory.offsets(partition)
                self._forget(int(offsets[position]))
                offsets[position] = offset
            else:
                self.directory.insert(partition, -1 - position, offset)
            self.count_record(state, 1, len(data))
            if self.compact_if_needed():
                return self.find(record.digest)
            return offset

    def remove(self, digest: bytes) -> bool:
        """Remove a record; False if there was none."""
        with self.lock:
            if self.find(digest) < 0:
                return False
            if self.journal is not None:
                self.journal.append(Kind.REMOVE, digest)
            partition = partition_of(digest)
            self._drop(partition, self.directory.find(self.arena.bytes, partition, digest))
            self.compact_if_needed()
            return True

    def _drop(self, partition: int, position: int) -> None:
        self._forget(int(self.directory.offsets(partition)[position]))
        self.directory.remove(partition, position)

    def _forget(self, offset: int) -> None:
        size = int(self.arena.words32[offset >> 2])
        self.garbage += size
        self.count_record(self.sets[int(self.arena.words16[(offset >> 1) + 10])], -1, -size)

    def count_record(self, state: SetState, objects: int, n_bytes: int) -> None:
        """Note that a set has gained or lost records."""
        state.objects += objects
        state.used_bytes += n_bytes
        state.changes += 1

    def note(self, kind: Kind, values: dict[str, object]) -> None:
        """Write down a change that is not of records."""
        if self.journal is not None:
            self.journal.append(kind, json.dumps(values).encode())

    # -- many records --

    def adopt(self, start: int, end: int) -> None:
        """Make the records that lie in a part of the arena reachable, in place of any of the same digest."""
        with self.lock:
            arena, directory = self.arena, self.directory
            added = np.zeros(N_PARTITIONS, np.int64)
            count_partitions(arena.bytes, arena.words32, start, end, self.digest_at, added)
            directory.reserve(added)
            objects, used_bytes = np.zeros((2, len(self.sets)), np.int64)
            self.garbage += adopt_records(
                arena.bytes,
                arena.words16,
                arena.words32,
                start,
                end,
                self.digest_at,
                directory.pool,
                directory.starts,
                directory.counts,
                objects,
                used_bytes,
            )
            # Of every set, as one in which records were replaced may have gained nothing, and has changed.
            for state in self.sets:
                self.count_record(state, int(objects[state.set_id]), int(used_bytes[state.set_id]))
            self.compact_if_needed()

    def snapshot(self, partition: int, after: bytes | None = None) -> npt.NDArray[np.int64]:
        """Copy a partition's record offsets, in order of digest, from behind the digest `after`."""
        with self.lock:
            start = 0
            if after is not None:
                position = self.directory.find(self.arena.bytes, partition, after)
                start = position + 1 if position >= 0 else -1 - position
            return self.directory.offsets(partition)[start:].copy()

    def take_back(self, start: int, end: int) -> None:
        """Undo the putting of the arena's last records, which replaced none."""
        with self.lock:
            at = start
            while at < end:
                digest = self.arena.bytes[at + self.digest_at : at + self.digest_at + 20].tobytes()
                partition = partition_of(digest)
                self._drop(partition, self.directory.find(self.arena.bytes, partition, digest))
                at += int(self.arena.words32[at >> 2])
            self.garbage -= end - start
            self.arena.used = start

    def truncate(self, set_name: str | None, before_ms: int | None = None, truncated_ms: int | None = None) -> None:
        """Remove records.

        Args:
            set_name: of this set, or of all with None.
            before_ms: only those last updated before, milliseconds since the Aerospike epoch; None for all.
            truncated_ms: the time to note for it; None for `before_ms`, or now.
        """
        with self.lock:
            wanted = None if set_name is None else self.find_set(set_name)
            if set_name is not None and wanted is None:
                return
            if truncated_ms is None:
                truncated_ms = now_ms() if before_ms is None else before_ms
            self.note(Kind.TRUNCATE, {"set": set_name, "before_ms": before_ms, "truncated_ms": truncated_ms})
            for partition in range(N_PARTITIONS):
                offsets = self.directory.offsets(partition)
                gone = np.ones(len(offsets), np.bool_)
                if wanted is not None:
                    gone = self.arena.words16[(offsets >> 1) + 10] == wanted.set_id
                if before_ms is not None:
                    gone &= self.arena.words64[(offsets >> 3) + 1] < before_ms
                if gone.any():
                    self._forget_many(offsets[gone])
                    self.directory.replace(partition, offsets[~gone])
            for state in self.sets if wanted is None else [wanted]:
                state.truncated_ms = truncated_ms
            self.compact_if_needed()

    def _forget_many(self, offsets: npt.NDArray[np.int64]) -> None:
        sizes = self.arena.words32[offsets >> 2].astype(np.int64)
        set_ids = self.arena.words16[(offsets >> 1) + 10]
        self.garbage += int(sizes.sum())
        for set_id in np.unique(set_ids).tolist():
            of_set = set_ids == set_id
            self.count_record(self.sets[set_id], -int(of_set.sum()), -int(sizes[of_set].sum()))

    def compact_if_needed(self) -> bool:
        """Move the live records to a new arena when most of the old one is garbage; True if that was done.

        Queries that run keep the old arena until they end.
        """
        with self.lock:
            if self.garbage < _COMPACT_FROM or 2 * self.garbage < self.arena.used:
                return False
            old, directory = self.arena, self.directory
            compacted = Arena()
            compacted.used = copy_live(
                old.bytes, old.words32, directory.pool, directory.starts, directory.counts, compacted.bytes
            )
            self.arena, self.garbage = compacted, 0
            return True

    # -- bytes --

    def partitions_at(self, offsets: npt.NDArray[np.int64], arena: Arena) -> npt.NDArray[np.int64]:
        """Say which partitions the records at these offsets of an arena belong to."""
        at = offsets + self.digest_at
        return (arena.bytes[at].astype(np.int64) | arena.bytes[at + 1].astype(np.int64) << 8) & (N_PARTITIONS - 1)

    def u32(self, at: int) -> int:
        """Read four big-endian bytes of the arena."""
        data = self.arena.bytes
        return int(data[at]) << 24 | int(data[at + 1]) << 16 | int(data[at + 2]) << 8 | int(data[at + 3])

    def encode(self, record: Record, set_id: int) -> bytes:
        """Encode a record as it lies in the arena."""
        fields = [self._namespace_field, _field(4, record.digest)]
        if record.set_name:
            fields.append(_field(1, record.set_name.encode()))
        if record.key is not None:
            fields.append(_field(2, record.key))
        ops = [encode_op(1, name, *particle) for name, particle in record.bins.items()]
        head = _MESSAGE.pack(22, 0, 0, 0, 0, 0, record.generation, record.void_time, 0, len(fields), len(ops))
        ops_at = layout.FIELDS_AT + sum(map(len, fields))
        message = head + b"".join(fields) + b"".join(ops)
        size = (layout.HEADER_SIZE + len(message) + 7) & ~7
        private = _PRIVATE.pack(size, len(message), record.last_update_ms, ops_at, set_id, record.key is not None)
        return (private + message).ljust(size, b"\0")

    def record(self, offset: int, arena: Arena | None = None) -> Record:
        """Take the record at an offset of an arena (the present one by default) apart."""
        data = (arena or self.arena).bytes
        start = offset + layout.HEADER_SIZE
        size, n_message, last_update, ops_at, set_id, _ = _PRIVATE.unpack(data[offset:start].tobytes())
        message = data[start : start + n_message].tobytes()
        key = None
        at = layout.MESSAGE_HEADER_SIZE
        fields_end = ops_at - layout.HEADER_SIZE
        digest = b""
        while at < fields_end:
            n = _U32.unpack_from(message, at)[0]
            kind, value = message[at + 4], message[at + 5 : at + 4 + n]
            if kind == 4:
                digest = value
            elif kind == 2:
                key = value
            at += 4 + n
        generation, void_time = struct.unpack_from(">II", message, 6)
        bins = {name: (kind, data) for name, kind, data in iter_ops(message, fields_end)}
        name = self.sets[set_id].name
        return Record(digest, name, generation, void_time, last_update, key, bins, size)


def encode_op(op: int, name: bytes, particle_type: int, data: bytes) -> bytes:
    """Encode one bin operation."""
    return _U32.pack(4 + len(name) + len(data)) + bytes((op, particle_type, 0, len(name))) + name + data


def iter_ops(message: bytes, at: int) -> Iterator[tuple[bytes, int, bytes]]:
    """Walk encoded operations: name, particle type, value."""
    while at < len(message):
        size = _U32.unpack_from(message, at)[0]
        name_size = message[at + 7]
        value_at = at + 8 + name_size
        yield message[at + 8 : value_at], message[at + 5], message[value_at : at + 4 + size]
        at += 4 + size


def _field(kind: int, data: bytes) -> bytes:
    return _U32.pack(len(data) + 1) + bytes((kind,)) + data


def concatenate(parts: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """Join offset arrays; of none, an empty one."""
    return np.concatenate(parts) if parts else np.empty(0, np.int64)

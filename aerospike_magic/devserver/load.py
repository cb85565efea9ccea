"""Bulk loading: columns become records of a new set, in one pass and in order of digest."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aerospike_magic.devserver.journal import Kind
from aerospike_magic.devserver.kernels.index import digest_words
from aerospike_magic.devserver.kernels.load import fill_records, size_records
from aerospike_magic.devserver.kernels.ripemd import digest_keys
from aerospike_magic.devserver.store import Namespace, now_ms
from aerospike_magic.errors import DevServerError
from aerospike_magic.wire.particle_type import ParticleType

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

_FIXED_SIZES = {ParticleType.INTEGER: 8, ParticleType.DOUBLE: 8, ParticleType.BOOL: 1}


@dataclass(frozen=True, slots=True)
class Texts:
    """Strings end to end: `data[starts[i] : starts[i] + sizes[i]]` is the i-th."""

    data: Bytes
    starts: Ints
    sizes: Ints

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True, slots=True)
class Column:
    """One bin of many records.

    Attributes:
        name: at most 15 bytes.
        particle_type: INTEGER, DOUBLE or BOOL; STRING, BLOB, MAP or LIST.
        values: numbers (int64, float64 or bool), or texts: a particle's bytes.
        valid: where there is a value; None for everywhere.
    """

    name: str
    particle_type: ParticleType
    values: npt.NDArray[np.generic] | Texts
    valid: npt.NDArray[np.bool_] | None = None


def bulk_load(
    namespace: Namespace, set_name: str, keys: Ints | Texts, columns: Sequence[Column], *, store_keys: bool = True
) -> int:
    """Put many records into a set, in place of those that have the same keys.

    Args:
        namespace: where.
        set_name: the set.
        keys: one user key a record, integers or strings, all different.
        columns: the bins.
        store_keys: keep the user keys with the records.

    Returns:
        the number of records.

    Raises:
        DevServerError: keys repeat, a bin name is too long, or the records cannot be written down.
    """
    state = namespace.set_state(set_name)
    if any(not 0 < len(column.name.encode()) <= 15 for column in columns):
        raise DevServerError("a bin name has more than 15 bytes")
    key_type = ParticleType.STRING if isinstance(keys, Texts) else ParticleType.INTEGER
    key_texts = keys if isinstance(keys, Texts) else _integers_as_text(keys)
    digests = np.empty((len(key_texts), 20), np.uint8)
    prefix = np.frombuffer(set_name.encode() + bytes((key_type,)), np.uint8)
    digest_keys(prefix, key_texts.data, key_texts.starts, key_texts.sizes, digests)
    order = _digest_order(digests)
    head, n_head_fields, digest_from = _head(namespace, set_name)
    values, lengths, text = _matrix(columns, len(key_texts))
    names = [column.name.encode() for column in columns]
    name_sizes = np.array([len(name) for name in names], np.int64)
    message_sizes = np.empty(len(key_texts), np.int64)
    key_fields = key_texts.sizes + 6 if store_keys else np.zeros(len(key_texts), np.int64)
    total = size_records(lengths, name_sizes, key_fields, len(head), message_sizes)
    with namespace.lock:
        arena = namespace.arena
        start = arena.allocate(total)
    fill_records(
        order,
        digests,
        head,
        n_head_fields,
        digest_from,
        int(key_type) if store_keys else 0,
        key_texts.data,
        key_texts.starts,
        key_texts.sizes,
        np.array([column.particle_type for column in columns], np.int64),
        np.frombuffer(b"".join(names), np.uint8),
        np.concatenate(([0], np.cumsum(name_sizes))),
        values,
        lengths,
        text,
        message_sizes,
        state.set_id,
        now_ms(),
        arena.bytes,
        arena.words16,
        arena.words32,
        arena.words64,
        start,
    )
    with namespace.lock:
        if namespace.journal is not None:
            # One block: a load that is cut short is as if it had not been.
            namespace.journal.append(Kind.RECORDS, arena.bytes[start : start + total])
        namespace.adopt(start, start + total)
    return len(order)


def _integers_as_text(keys: Ints) -> Texts:
    data = keys.astype(">i8").view(np.uint8)
    return Texts(data, np.arange(len(keys), dtype=np.int64) * 8, np.full(len(keys), 8, np.int64))


def _digest_order(digests: Bytes) -> Ints:
    """Order rows by (partition, digest)."""
    words = [np.empty(len(digests), np.uint64) for _ in range(3)]
    digest_words(digests, *words)
    order = np.lexsort((words[2], words[1], words[0]))
    same = np.logical_and.reduce([word[order][1:] == word[order][:-1] for word in words])
    if np.any(same):
        raise DevServerError("two records have the same key")
    return order


def _head(namespace: Namespace, set_name: str) -> tuple[Bytes, int, int]:
    """The message header and the fields up to the set; with their number, and where the digest goes."""
    name, in_set = namespace.name.encode(), set_name.encode()
    head = bytes((22,)) + bytes(5) + struct.pack(">IIIHH", 1, 0, 0, 0, 0)
    head += struct.pack(">IB", len(name) + 1, 0) + name + struct.pack(">IB", 21, 4)
    digest_from = len(head)
    head += bytes(20)
    if in_set:
        head += struct.pack(">IB", len(in_set) + 1, 1) + in_set
    return np.frombuffer(head, np.uint8), 3 if in_set else 2, digest_from


def _matrix(columns: Sequence[Column], n_rows: int) -> tuple[Ints, npt.NDArray[np.int32], Bytes]:
    values = np.empty((len(columns), n_rows), np.int64)
    lengths = np.empty((len(columns), n_rows), np.int32)
    texts: list[Bytes] = []
    text_size = 0
    for c, column in enumerate(columns):
        if isinstance(column.values, Texts):
            values[c] = column.values.starts + text_size
            lengths[c] = column.values.sizes
            texts.append(column.values.data)
            text_size += len(column.values.data)
        elif column.particle_type == ParticleType.DOUBLE:
            values[c] = np.asarray(column.values, np.float64).view(np.int64)
            lengths[c] = 8
        else:
            values[c] = column.values
            lengths[c] = _FIXED_SIZES[column.particle_type]
        if column.valid is not None:
            lengths[c][~column.valid] = -1
    return values, lengths, np.concatenate(texts) if texts else np.empty(0, np.uint8)

"""The fast path of batch writes: new records of one set, put by a kernel.

Everything that needs thought (a record that exists, a policy, a filter, another operation) goes the careful way through
`records`; the two give the same answers.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aerospike_magic.devserver.cdt.results import CdtError
from aerospike_magic.devserver.cdt.settle import settle
from aerospike_magic.devserver.journal import Kind, NotStored
from aerospike_magic.devserver.kernels.settled import find_unsettled
from aerospike_magic.devserver.kernels.write import ROW_HEAD, plain_row_end, plain_rows_end, write_rows
from aerospike_magic.devserver.store import Namespace, now_ms
from aerospike_magic.wire.batch import BatchRow
from aerospike_magic.wire.message import FieldType, decode_fields, decode_ops

_ROW = struct.Struct(">I20sBBBBHIHH")
_COUNT = struct.Struct(">IB")
_U32 = struct.Struct(">I")
_RECORD_EXTRA = 48
"""How much larger a record can be than its row."""


@dataclass(frozen=True, slots=True)
class PlainBatch:
    """A batch that consists of plain writes into one set.

    Attributes:
        namespace: the namespace's name.
        set_name: the set's name.
        head: both fields as the rows have them.
        n_rows: how many rows.
        largest_row: bytes of the largest; its record is counted with less.
        data: the batch field.
    """

    namespace: str
    set_name: str
    head: npt.NDArray[np.uint8]
    n_rows: int
    largest_row: int
    data: npt.NDArray[np.uint8]


def find_plain_batch(field: bytes) -> PlainBatch | None:
    """Look whether a batch field is nothing but plain writes; None if not."""
    if len(field) < _COUNT.size + ROW_HEAD + 10:
        return None
    n_rows, _ = _COUNT.unpack_from(field)
    names = []
    at = _COUNT.size + ROW_HEAD
    for kind in (FieldType.NAMESPACE, FieldType.SET):
        if at + 5 > len(field):
            return None
        size = _U32.unpack_from(field, at)[0]
        end = at + 4 + size
        if field[at + 4] != kind or size < 2 or end > len(field):
            return None
        names.append(field[at + 5 : end])
        at = end
    data = np.frombuffer(field, np.uint8)
    head = data[_COUNT.size + ROW_HEAD : at]
    place = _COUNT.size
    if n_rows * ROW_HEAD > len(field):
        return None
    end, largest = plain_rows_end(data, place, n_rows, head, len(head))
    if end != len(field):
        return None
    settled = _settle(data, n_rows, len(head))
    if settled is None:
        return None
    try:
        return PlainBatch(names[0].decode(), names[1].decode(), head, n_rows, largest, settled)
    except UnicodeDecodeError:
        return None


def _settle(data: npt.NDArray[np.uint8], n_rows: int, head_size: int) -> npt.NDArray[np.uint8] | None:
    """Bring all lists and maps of a batch into the form in which they are stored; None if one cannot be."""
    places = np.empty(0, np.int64)
    n = find_unsettled(data, _COUNT.size, n_rows, head_size, places)
    if not n:
        return data
    places = np.empty(n, np.int64)
    find_unsettled(data, _COUNT.size, n_rows, head_size, places)
    field = data.tobytes()
    parts = []
    done = 0
    for at in places.tolist():
        end = at + 4 + _U32.unpack_from(field, at)[0]
        value_at = at + 8 + field[at + 7]
        try:
            value = settle(field[at + 5], field[value_at:end])
        except CdtError:
            return None
        parts += [field[done:at], _U32.pack(value_at - at - 4 + len(value)), field[at + 4 : value_at], value]
        done = end
    return np.frombuffer(b"".join([*parts, field[done:]]), np.uint8)


def put_plain_batch(namespace: Namespace, batch: PlainBatch) -> tuple[bytes, list[BatchRow]]:
    """Put the rows whose records do not exist.

    Args:
        namespace: where.
        batch: what.

    Returns:
        the answers of the rows that were put, and the rows that are left to do: all of them if they cannot be written
        down together, so that each is answered for itself.
    """
    try:
        state = namespace.set_state(batch.set_name)
    except NotStored:
        return b"", _all_rows(batch)
    out = np.empty(len(batch.data), np.uint8)
    existing = np.empty(batch.n_rows, np.int64)
    with namespace.lock:
        arena, directory = namespace.arena, namespace.directory
        bound = (len(batch.data) + _RECORD_EXTRA * batch.n_rows + 7) & ~7
        start = arena.allocate(bound)
        directory.make_room(batch.n_rows * (2 * int(directory.counts.max()) + 4))
        end, out_size, n_put, n_existing = write_rows(
            batch.data,
            _COUNT.size,
            batch.n_rows,
            batch.head,
            state.set_id,
            now_ms(),
            namespace.digest_at,
            arena.bytes,
            arena.words16,
            arena.words32,
            arena.words64,
            start,
            directory.pool,
            directory.starts,
            directory.counts,
            directory.capacities,
            directory.used,
            out,
            existing,
        )
        # Nobody else could allocate meanwhile: give back what was not needed.
        arena.used = end
        if n_put:
            namespace.count_record(state, n_put, end - start)
            if namespace.journal is not None:
                try:
                    namespace.journal.append(Kind.RECORDS, arena.bytes[start:end])
                except NotStored:
                    namespace.take_back(start, end)
                    return b"", _all_rows(batch)
    rows = [_row(batch, int(at)) for at in existing[:n_existing]]
    return out[:out_size].tobytes(), rows


def _all_rows(batch: PlainBatch) -> list[BatchRow]:
    rows, at = [], _COUNT.size
    while at < len(batch.data):
        rows.append(_row(batch, at))
        at = plain_row_end(batch.data, at, batch.head, len(batch.head))
    return rows


def _row(batch: PlainBatch, at: int) -> BatchRow:
    view = memoryview(batch.data)  # type: ignore[arg-type]
    index, digest, flags, info1, info2, info3, generation, ttl, n_fields, n_ops = _ROW.unpack_from(view, at)
    fields, end = decode_fields(view, at + ROW_HEAD, n_fields)
    ops, _ = decode_ops(view, end, n_ops)
    return BatchRow(index, digest, flags, info1, info2, info3, 0, generation, ttl, fields, ops)

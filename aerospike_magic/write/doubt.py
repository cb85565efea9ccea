"""Rows of which nobody knows whether they were written: they are looked up.

A row that expects a generation, or no record, cannot just be sent again when its answer was lost: if it had been
written, the server now refuses it, for it is itself what is in the way. So the record is read. If it is exactly what
the row would have made of the record that it expected (its bins, and the next generation), the row counts as written;
nobody could tell the difference. If not, somebody else has written, before the row or after it, and the row stays
uncertain.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from aerospike_magic.connection import Connection
from aerospike_magic.errors import AerospikeMagicError
from aerospike_magic.schema.infer import SampleRecord
from aerospike_magic.wire.result import ResultCode
from aerospike_magic.write.prepared import Ints, PreparedBatch

_ROWS_PER_BATCH = 1_000
_MAX_GENERATION = 0xFFFF


def settle_doubts(connection: Connection, prepared: PreparedBatch, rows: Ints) -> int:
    """Read the records of rows and mark as OK those that are what the row made of them.

    Args:
        connection: reads.
        prepared: its `codes` are changed.
        rows: which.

    Returns:
        how many rows turned out to be written.
    """
    found = 0
    target = prepared.target
    for start in range(0, len(rows), _ROWS_PER_BATCH):
        part = rows[start : start + _ROWS_PER_BATCH]
        digests = [prepared.digests[row].tobytes() for row in part]
        try:
            records = connection.get_many(target.namespace, target.set_name, digests=digests)
        except AerospikeMagicError:
            # It cannot be read now, so it stays uncertain, which is what will be said.
            continue
        for row, record in zip(part.tolist(), records, strict=True):
            if record is not None and _is_ours(prepared, row, record):
                prepared.codes[row] = ResultCode.OK
                found += 1
    return found


def _is_ours(prepared: PreparedBatch, row: int, record: SampleRecord) -> bool:
    options = prepared.target.options
    expected = prepared.expected_generation(row)
    before = 0 if options.mode == "create_only" or expected is None else expected
    if options.generation_policy != "greater" and record.generation != _following(before):
        return False
    names = [name for name in prepared.batch.schema.names if name not in options.left_out]
    wanted = {name: _value(prepared.batch.column(name), row) for name in names}
    kept = {name: value for name, value in wanted.items() if value is not None}
    if options.removes_nulls:
        return all(_same(record.bins.get(name), value) for name, value in wanted.items())
    return record.bins.keys() == kept.keys() and all(_same(record.bins[name], value) for name, value in kept.items())


def _following(generation: int) -> int:
    """The generation after one more write; it has 16 bits, and 0 is left out."""
    return generation % _MAX_GENERATION + 1


def _value(column: pa.Array, row: int) -> Any:
    return column[row].as_py(maps_as_pydicts="strict")


def _same(stored: Any, wanted: Any) -> bool:
    if isinstance(stored, float) and isinstance(wanted, float):
        return stored == wanted or (stored != stored and wanted != wanted)
    return type(stored) is type(wanted) and bool(stored == wanted)

"""Rows written by key, in batches of the official client, each with a result of its own.

A row is written as a whole or not at all, and writing it again changes nothing but its generation and its time to live:
a task that is run again is safe. A NULL takes the bin away, so that what is read afterwards is what was written. What a
passing trouble refused is tried again; what is refused for good is counted with an example, and the rest is written all
the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from aerospike_magic.connection import Connection
from aerospike_magic.connection.refusals import translated
from aerospike_magic.errors import SchemaError
from aerospike_magic.schema.types import METADATA_NAMES
from aerospike_magic.wire.result import ResultCode, result_text

_ROWS_PER_BATCH = 2_000
_TRIES = 4
_FIRST_WAIT_S = 0.1
_PASSING = frozenset((ResultCode.TIMEOUT, ResultCode.KEY_BUSY, ResultCode.DEVICE_OVERLOAD, ResultCode.UNAVAILABLE))
_TTL_OF_NAMESPACE, _NEVER_EXPIRES = 0, 0xFFFFFFFF
_NO_ANSWER = -15
_MAX_BIN_NAME = 15

_NO_KEY = "the key is NULL"
_NO_VALUE = "a record needs at least one bin that is not NULL"


@dataclass(frozen=True)
class WriteOptions:
    """How rows become records.

    Attributes:
        key: the column with the key; None where `digest` is given.
        digest: the column with the digest, instead of a key.
        send_key: store the key with the record.
        replace: the row becomes the whole record; otherwise the bins of other names that it has stay.
        ttl_s: seconds to live, -1 for ever, None for the namespace's.
        ttl_column: a column with that, row by row, NULL for `ttl_s`.
        left_out: columns that do not become bins.
    """

    key: str | None
    digest: str | None = None
    send_key: bool = False
    replace: bool = False
    ttl_s: int | None = None
    ttl_column: str | None = None
    left_out: frozenset[str] = frozenset(METADATA_NAMES)


@dataclass(frozen=True)
class Failure:
    """Rows that were not written for one reason."""

    reason: str
    count: int
    example: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.count:,} row{'s' if self.count != 1 else ''}, e.g. key {self.example})"


@dataclass(frozen=True)
class WriteReport:
    """What became of the rows."""

    written: int = 0
    failures: tuple[Failure, ...] = ()

    @property
    def failed(self) -> int:
        """Rows that were not written."""
        return sum(failure.count for failure in self.failures)

    def plus(self, written: int, failed: Iterable[tuple[str, Any]]) -> WriteReport:
        """Return the report with more rows: how many were written, and (reason, key) of those that were not."""
        known = {failure.reason: failure for failure in self.failures}
        for reason, key in failed:
            before = known.get(reason)
            example = repr(key) if before is None else before.example
            known[reason] = Failure(reason, 1 if before is None else before.count + 1, example)
        return WriteReport(self.written + written, tuple(known.values()))


def check_columns(schema: pa.Schema, options: WriteOptions) -> None:
    """Look whether rows of a schema can be written.

    Raises:
        SchemaError: the key's column is not there or cannot be a key, or a column cannot be a bin; the hint says what
            to do.
    """
    by = options.key if options.digest is None else options.digest
    if by is None or by not in schema.names:
        raise SchemaError(f"the rows have no column {by!r} to be found by", hint=f"columns: {', '.join(schema.names)}")
    dtype = schema.field(by).type
    is_key = pa.types.is_integer(dtype) or pa.types.is_string(dtype) or pa.types.is_binary(dtype)
    if not is_key or (options.digest is not None and not pa.types.is_binary(dtype)):
        raise SchemaError(f"column {by} is {dtype}", hint="a key is an integer, a string or binary, a digest binary")
    for field in schema:
        if field.name in options.left_out:
            continue
        if not 1 <= len(field.name.encode()) <= _MAX_BIN_NAME:
            raise SchemaError(f"{field.name!r} cannot be the name of a bin", hint="bin names have 1 to 15 bytes")
        unfit = _unfit(field.type)
        if unfit is not None:
            raise SchemaError(f"column {field.name} has {unfit}, which no bin can hold", hint="cast it first")


def write_batches(
    connection: Connection, namespace: str, set_name: str, batches: Iterable[pa.RecordBatch], options: WriteOptions
) -> WriteReport:
    """Write all rows; those that are refused are counted, and the others are written.

    Args:
        connection: whose client writes.
        namespace, set_name: where to.
        batches: of a schema that `check_columns` has passed.
        options: how rows become records.

    Raises:
        ServerError, ConnectError: the cluster cannot be written to at all.
    """
    report = WriteReport()
    for batch in batches:
        for start in range(0, batch.num_rows, _ROWS_PER_BATCH):
            rows, failed = _records(namespace, set_name, batch.slice(start, _ROWS_PER_BATCH), options)
            failed += _send(connection, rows) if rows else []
            report = report.plus(min(_ROWS_PER_BATCH, batch.num_rows - start) - len(failed), failed)
    return report


def _send(connection: Connection, rows: list[tuple[Any, Any]]) -> list[tuple[str, Any]]:
    """Write (key, batch record) pairs; returns (reason, key) of those that were not."""
    from aerospike_helpers.batch import records

    failed: list[tuple[str, Any]] = []
    for attempt in range(_TRIES):
        with translated(connection.settings, f"write {len(rows)} records"):
            connection.client.batch_write(records.BatchRecords([record for _, record in rows]))
        again = []
        for key, record in rows:
            code = _result(record)
            passes = code in _PASSING or code < 0
            if passes and attempt + 1 < _TRIES:
                again.append((key, record))
            elif code != ResultCode.OK:
                failed.append((_reason(code), key))
        rows = again
        if not rows:
            break
        time.sleep(_FIRST_WAIT_S * 2**attempt)
    return failed


def _result(record: Any) -> int:
    """The row's result; the client leaves 0 in a row that it never sent, but such a row has no answer in it."""
    return _NO_ANSWER if record.result == ResultCode.OK and record.record is None else int(record.result)


def _reason(code: int) -> str:
    if code < 0:
        return f"the client could not reach the node (code {code})"
    # Deleting bins of a record that is not there: all values of the row were NULL.
    return _NO_VALUE if code == ResultCode.NOT_FOUND else result_text(code)


def _records(
    namespace: str, set_name: str, batch: pa.RecordBatch, options: WriteOptions
) -> tuple[list[tuple[Any, Any]], list[tuple[str, Any]]]:
    """Rows as (key, batch record), and (reason, key) of rows that cannot be one."""
    import aerospike
    from aerospike_helpers.batch.records import Write
    from aerospike_helpers.operations import operations

    policy = {
        "key": aerospike.POLICY_KEY_SEND
        if options.send_key and options.digest is None
        else aerospike.POLICY_KEY_DIGEST,
        "exists": aerospike.POLICY_EXISTS_CREATE_OR_REPLACE if options.replace else aerospike.POLICY_EXISTS_IGNORE,
    }
    names = [name for name in batch.schema.names if name not in options.left_out]
    columns = [batch[name].to_pylist(maps_as_pydicts="strict") for name in names]
    rows: list[tuple[Any, Any]] = []
    failed: list[tuple[str, Any]] = []
    by = options.digest or options.key
    for key, ttl, *values in zip(batch[by].to_pylist(), _ttls(batch, options), *columns, strict=True):
        bins = [
            operations.write(name, value)
            for name, value in zip(names, values, strict=True)
            if value is not None or not options.replace
        ]
        if key is None or not bins:
            failed.append((_NO_KEY if key is None else _NO_VALUE, key))
            continue
        address = (
            (namespace, set_name, bytearray(key) if isinstance(key, bytes) else key)
            if options.digest is None
            else (namespace, set_name, None, bytearray(key))
        )
        rows.append((key, Write(address, bins, policy=policy | {"ttl": ttl})))
    return rows, failed


def _ttls(batch: pa.RecordBatch, options: WriteOptions) -> Iterator[int]:
    default = _TTL_OF_NAMESPACE if options.ttl_s is None else options.ttl_s
    given: Sequence[int | None] = [None] * batch.num_rows
    if options.ttl_column is not None and options.ttl_column in batch.schema.names:
        given = batch[options.ttl_column].to_pylist()
    for ttl in given:
        seconds = default if ttl is None else ttl
        yield _NEVER_EXPIRES if seconds == -1 else seconds


def _unfit(dtype: pa.DataType) -> str | None:
    """The part of a type that a bin cannot hold, None for none."""
    if pa.types.is_list(dtype) or pa.types.is_large_list(dtype):
        return _unfit(dtype.value_type)
    if pa.types.is_map(dtype):
        return _unfit(dtype.key_type) or _unfit(dtype.item_type)
    if pa.types.is_struct(dtype):
        return next((unfit for field in dtype if (unfit := _unfit(field.type)) is not None), None)
    fits = (pa.types.is_signed_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_null)
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return None if any(test(dtype) for test in (*fits, *texts)) else str(dtype)

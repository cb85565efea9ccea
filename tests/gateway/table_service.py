"""A service over Arrow tables in memory: no Aerospike, but all that a gateway's client can ask for."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from aerospike_magic.errors import ConfigError
from aerospike_magic.gateway.messages import (
    AllOrNone,
    ColumnMetadata,
    Domain,
    Equatable,
    HostAddress,
    Page,
    ServiceError,
    Split,
    SplitBatch,
    TableMetadata,
    TableName,
    TupleDomain,
)


class TableService:
    """Serves tables.

    Args:
        tables: by schema and name; a column's type is in its field's metadata as `type`, or follows from Arrow's.
        n_splits: of each table.
        hosts: where splits are served, in turn.
        keys: columns that each table can be looked up by.

    Attributes:
        asked: what was asked for, as method and arguments, in order.
        delay_s: how long a page takes.
        fail: raised by `rows`, if set.
    """

    def __init__(
        self,
        tables: dict[tuple[str, str], pa.Table],
        n_splits: int = 4,
        hosts: Sequence[HostAddress] = (),
        keys: Sequence[str] = (),
    ) -> None:
        self._tables = {name: table.combine_chunks() for name, table in tables.items()}
        self._n_splits = n_splits
        self._hosts = tuple(hosts)
        self._keys = tuple(keys)
        self._lock = threading.Lock()
        self.asked: list[tuple[Any, ...]] = []
        self.delay_s = 0.0
        self.fail: BaseException | None = None
        self.n_busy = 0
        self.most_busy = 0

    def list_schemas(self) -> Sequence[str]:
        return sorted({schema for schema, _ in self._tables})

    def list_tables(self, schema: str | None) -> Sequence[TableName]:
        return [TableName(*name) for name in self._tables if schema in (None, name[0])]

    def table_metadata(self, table: TableName) -> TableMetadata | None:
        found = self._tables.get((table.schema, table.table))
        if found is None:
            return None
        columns = [ColumnMetadata(field.name, type_of(field), f"column {field.name}", False) for field in found.schema]
        keys = tuple(frozenset({key}) for key in self._keys if key in found.schema.names)
        return TableMetadata(table, tuple(columns), f"table {table.table}", keys)

    def splits(
        self,
        table: TableName,
        columns: frozenset[str] | None,
        constraint: TupleDomain,
        max_count: int,
        token: bytes | None,
    ) -> SplitBatch:
        self._note("splits", table, columns, constraint, max_count, token)
        if (table.schema, table.table) not in self._tables:
            raise ServiceError(f"there is no table {table.schema}.{table.table}")
        first = int(token or b"0")
        last = min(self._n_splits, first + max_count)
        made = [self._split({"table": [table.schema, table.table], "part": part}, part) for part in range(first, last)]
        return SplitBatch(tuple(made), str(last).encode() if last < self._n_splits else None)

    def index_splits(
        self,
        table: TableName,
        index_columns: Sequence[str],
        output_columns: Sequence[str],
        keys: Sequence[Sequence[object]],
        constraint: TupleDomain,
        max_count: int,
        token: bytes | None,
    ) -> SplitBatch:
        self._note("index_splits", table, index_columns, output_columns, keys, constraint, max_count, token)
        lookup = dict(zip(index_columns, keys, strict=True))
        return SplitBatch((self._split({"table": [table.schema, table.table], "keys": lookup}, 0),))

    def rows(self, split_id: bytes, columns: Sequence[str], max_bytes: int, token: bytes | None) -> Page:
        self._note("rows", split_id, tuple(columns), max_bytes, token)
        with self._lock:
            self.n_busy += 1
            self.most_busy = max(self.most_busy, self.n_busy)
        try:
            if self.delay_s:
                time.sleep(self.delay_s)
            if self.fail is not None:
                raise self.fail
            return self._page(json.loads(split_id), columns, max_bytes, int(token or b"0"))
        finally:
            with self._lock:
                self.n_busy -= 1

    def _page(self, split: dict[str, Any], columns: Sequence[str], max_bytes: int, first: int) -> Page:
        table = self._tables[tuple(split["table"])]  # type: ignore[index]
        if "keys" in split:
            for name, values in split["keys"].items():
                table = table.filter(pc.is_in(table[name], pa.array(values, table[name].type)))
        else:
            bounds = [table.num_rows * part // self._n_splits for part in (split["part"], split["part"] + 1)]
            table = table.slice(bounds[0], bounds[1] - bounds[0])
        bytes_a_row = max(1, table.nbytes // max(1, table.num_rows))
        n = min(table.num_rows - first, max(1, max_bytes // bytes_a_row))
        part = table.slice(first, n)
        types = tuple(type_of(table.schema.field(name)) for name in columns)
        arrays = tuple(as_array(part[name]) for name in columns)
        is_last = first + n >= table.num_rows
        return Page(types, arrays, n, None if is_last else str(first + n).encode())

    def _split(self, state: dict[str, Any], number: int) -> Split:
        hosts = (self._hosts[number % len(self._hosts)],) if self._hosts else ()
        return Split(json.dumps(state).encode(), hosts)

    def _note(self, *what: Any) -> None:
        with self._lock:
            self.asked.append(what)


@contextmanager
def open_tables(settings: Mapping[str, Any], hosts: Sequence[HostAddress]) -> Iterator[TableService]:
    """The factory of processes in tests: `numbers` of so many rows, and `process`, whose one row names the process."""
    if settings.get("refuse"):
        raise ConfigError(settings["refuse"], hint="say something else")
    numbers = table_of(typed("id", "bigint", range(settings["rows"])))
    process = table_of(typed("pid", "bigint", [os.getpid()]))
    yield TableService({("test", "numbers"): numbers, ("test", "process"): process}, hosts=hosts)


def as_array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def type_of(field: pa.Field) -> str:
    """Return the service's type of a column."""
    if field.metadata and b"type" in field.metadata:
        return field.metadata[b"type"].decode()
    return {
        pa.int64(): "bigint",
        pa.float64(): "double",
        pa.string(): "varchar",
        pa.bool_(): "boolean",
        pa.int32(): "integer",
        pa.binary(): "hyperloglog",
        pa.list_(pa.int64()): "array(bigint)",
    }[field.type]


def typed(name: str, type: str, values: Sequence[object]) -> tuple[pa.Field, pa.Array]:
    """Return a column of one of the service's types."""
    arrow = {
        "integer": pa.int32(),
        "bigint": pa.int64(),
        "double": pa.float64(),
        "varchar": pa.string(),
        "boolean": pa.bool_(),
        "date": pa.int32(),
        "timestamp": pa.int64(),
        "json": pa.string(),
        "hyperloglog": pa.binary(),
        "array(bigint)": pa.list_(pa.int64()),
    }[type]
    return pa.field(name, arrow, metadata={"type": type}), pa.array(values, arrow)


def table_of(*columns: tuple[pa.Field, pa.Array]) -> pa.Table:
    return pa.Table.from_arrays([array for _, array in columns], schema=pa.schema([field for field, _ in columns]))


def allows(domain: Domain, value: object) -> bool:
    """Whether a value is in a domain; the plainest reading there is."""
    if value is None:
        return domain.null_allowed
    values = domain.values
    if isinstance(values, AllOrNone):
        return values.all
    if isinstance(values, Equatable):
        return (value in values.values) == values.inclusive
    return any(
        (r.low is None or value > r.low or (r.low_inclusive and value == r.low))  # type: ignore[operator]
        and (r.high is None or value < r.high or (r.high_inclusive and value == r.high))  # type: ignore[operator]
        for r in values.ranges
    )

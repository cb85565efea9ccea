"""What the service's methods take and return; no bytes here, see `thrift` and `blocks`.

Source: the IDL of Trino's Thrift connector, ``TrinoThriftService.thrift``; Presto's differs in names only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class TableName:
    """A table, in lower case: the engine knows no other."""

    schema: str
    table: str


@dataclass(frozen=True, slots=True)
class ColumnMetadata:
    """A column.

    Attributes:
        name: in lower case.
        type: "bigint", "double", "varchar", "boolean", "json", "hyperloglog", "integer", "date", "timestamp" or
            "array(bigint)".
        comment: for people.
        hidden: whether ``SELECT *`` leaves it out.
    """

    name: str
    type: str
    comment: str = ""
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class TableMetadata:
    """A table's columns, and by which of them its rows can be looked up."""

    name: TableName
    columns: tuple[ColumnMetadata, ...]
    comment: str = ""
    indexable_keys: tuple[frozenset[str], ...] = ()


@dataclass(frozen=True, slots=True)
class AllOrNone:
    """Every value, or none."""

    all: bool


@dataclass(frozen=True, slots=True)
class Equatable:
    """These values, or all but these; of types without an order."""

    inclusive: bool
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """Values between two marks; a mark of None is no bound.

    Attributes:
        low, high: the marks' values.
        low_inclusive, high_inclusive: whether the values are within.
    """

    low: object | None
    low_inclusive: bool
    high: object | None
    high_inclusive: bool


@dataclass(frozen=True, slots=True)
class Ranges:
    """Values in any of some ranges, in order and apart; none of them: no value."""

    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Domain:
    """What a column's value may be."""

    values: AllOrNone | Equatable | Ranges
    null_allowed: bool


@dataclass(frozen=True, slots=True)
class TupleDomain:
    """What rows are wanted: each column in its domain; `domains` is None where no row is."""

    domains: Mapping[str, Domain] | None


@dataclass(frozen=True, slots=True)
class HostAddress:
    """Where a split is best served."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Split:
    """A part of a table. Its id holds all there is to know: any gateway may be asked for it, at any time, again."""

    id: bytes
    hosts: tuple[HostAddress, ...] = ()


@dataclass(frozen=True, slots=True)
class SplitBatch:
    """Some splits, and what to ask for the next ones with; None: these were the last."""

    splits: tuple[Split, ...]
    next_token: bytes | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows.

    Attributes:
        types: the columns' types, as in `ColumnMetadata`.
        columns: their values: int64, double, string, bool, binary (hyperloglog), list<int64>; for date int32 days,
            for timestamp int64 milliseconds. All as long as `n_rows`; in one piece, or as they were read.
        n_rows: how many; there may be no columns at all.
        next_token: what to ask for the next page with; None: this was the last.
    """

    types: tuple[str, ...]
    columns: tuple[pa.Array | pa.ChunkedArray, ...]
    n_rows: int
    next_token: bytes | None = None


class ServiceError(Exception):
    """What the engine is told of a request that failed.

    Attributes:
        retryable: whether the same request may succeed soon.
    """

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = retryable


class Service(Protocol):
    """The methods of the service; called from several threads at once. They raise `ServiceError` and nothing else."""

    def list_schemas(self) -> Sequence[str]:
        """Return the names of the schemas."""

    def list_tables(self, schema: str | None) -> Sequence[TableName]:
        """Return the tables of a schema, or of all."""

    def table_metadata(self, table: TableName) -> TableMetadata | None:
        """Describe a table; None if there is none of that name."""

    def splits(
        self,
        table: TableName,
        columns: frozenset[str] | None,
        constraint: TupleDomain,
        max_count: int,
        token: bytes | None,
    ) -> SplitBatch:
        """Divide a table; `columns` None stands for all."""

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
        """Return splits of the rows whose `index_columns` equal one of the keys; `keys`: a list of values a column."""

    def rows(self, split_id: bytes, columns: Sequence[str], max_bytes: int, token: bytes | None) -> Page:
        """Return a page of a split of at most about `max_bytes`."""

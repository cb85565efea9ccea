"""What every engine offers: a query in, Arrow record batches out, with progress, an explanation and a way to stop.

Invariant: a `QueryResult` is read once, front to back. `batches`, `head` and the `to_…` methods all consume the same
stream; what one has taken the next does not see. Nothing here knows an engine.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol

import pyarrow as pa

from aerospike_magic.engines import frames
from aerospike_magic.engines.memory import MemoryGuard
from aerospike_magic.scan.progress import ScanProgress

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl

    from aerospike_magic.write import WriteOptions, WriteReport

QueryProgressCallback = Callable[[tuple[ScanProgress, ...]], None]


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """How a query runs, whichever engine runs it.

    Attributes:
        limit: rows at most, None for all; the engine stops the scans once it has them.
        records_per_second: records the server may send a second, for each scan; 0 for no limit.
        on_mismatch: "null" turns a value that does not fit its column into NULL and counts it, "error" stops.
        on_progress: called with one snapshot a scan, at most about ten times a second a scan, from any thread.
        timeout_s: seconds until the query is stopped with `ScanTimeout`; None for no limit.
        memory_limit: bytes of Arrow data that a materialised result may take; None for 30 % of what is free at its
            start, 0 for no check.
        batch_rows: rows a record batch of the result, about.
        workers: sockets a scan reads from at the same time; None lets the scan choose.
        push_down: False leaves every filter to the engine, which is slower and must give the same rows.
    """

    limit: int | None = None
    records_per_second: int = 0
    on_mismatch: Literal["null", "error"] = "null"
    on_progress: QueryProgressCallback | None = None
    timeout_s: float | None = None
    memory_limit: int | None = None
    batch_rows: int = 65_536
    workers: int | None = None
    push_down: bool = True


@dataclass(frozen=True, slots=True)
class SaveOrder:
    """Rows that are to be written.

    Attributes:
        table: the set they go to, ``namespace.set``.
        names: of their columns, in order.
        how: how rows become records.
        records_per_second: written at most by all tasks together; 0 for no limit.
        reads_table: whether the rows may come from that set: then all are there before the first is written.
    """

    table: str
    names: tuple[str, ...]
    how: WriteOptions
    records_per_second: int = 0
    reads_table: bool = False


@dataclass(frozen=True, slots=True)
class ScanExplanation:
    """How one table of a query is read.

    Attributes:
        table: "namespace.set".
        access: "partition scan", "secondary index NAME …", "key look-up …", in words.
        pushed: the filter the server applies, in SQL-like words; "" for none.
        residual: the filter the scan applies to what arrives; "" for none.
        columns: the columns that travel, those that a filter here reads included.
        partitions: partitions read, 0..4096.
        objects: records in the set.
        estimated_rows: rows expected from the scan.
        details: further (label, text) rows of the scan's plan.
        engine_filter: what of the statement's conditions only the engine checks, as SQL; "" for nothing.
    """

    table: str
    access: str
    pushed: str
    residual: str
    columns: tuple[str, ...]
    partitions: int
    objects: int
    estimated_rows: int
    details: tuple[tuple[str, str], ...] = ()
    engine_filter: str = ""

    @property
    def checked_here(self) -> str:
        """What is checked after the records have arrived, by the scan and by the engine; "" for nothing."""
        return " AND ".join(part for part in (self.residual, self.engine_filter) if part)

    def text(self) -> str:
        """Say it in one sentence."""
        columns = ", ".join(self.columns) if self.columns else "no columns, only the count"
        parts = [f"{self.table}: {self.access}; reads {columns}"]
        parts.append(f"pushed to the server: {self.pushed}" if self.pushed else "nothing pushed to the server")
        if self.checked_here:
            parts.append(f"checked here: {self.checked_here}")
        where = f"{self.partitions:,} partitions, " if self.partitions else ""
        parts.append(f"{where}at most about {self.estimated_rows:,} of {self.objects:,} records")
        return "; ".join(parts) + "."


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a query would run.

    Attributes:
        sql: the statement as the user wrote it.
        scans: one entry for each time a table is read, in the order the engine reads them.
        plan: the engine's own plan as text; "" when it has none.
        notes: what is worth knowing besides, one sentence each.
    """

    sql: str
    scans: tuple[ScanExplanation, ...]
    plan: str = ""
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """Say it in plain words, one line a scan and a note."""
        lines = [scan.text() for scan in self.scans] or ["No set is read."]
        return "\n".join([*lines, *self.notes])


class QueryResult(ABC):
    """Rows on their way. A context manager; `close` stops the scans and frees everything.

    The first use may wait for the engine, and raises what the query raises: `QueryError` for a statement that cannot
    run, `ScanError` for a scan that could not finish, `ScanCancelled` after `cancel`.
    """

    @property
    @abstractmethod
    def schema(self) -> pa.Schema:
        """Arrow schema of the rows; waits until the engine knows it."""

    @abstractmethod
    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows not yet taken, as record batches of `schema`, as they arrive."""

    @property
    @abstractmethod
    def progress(self) -> tuple[ScanProgress, ...]:
        """The latest snapshot of each scan, in the order they started."""

    @property
    @abstractmethod
    def elapsed_s(self) -> float:
        """Seconds since the query started; stands still when it has ended."""

    @property
    @abstractmethod
    def estimated_bytes(self) -> int | None:
        """Bytes the whole result may take, or None where the statement does not let us tell."""

    @property
    @abstractmethod
    def memory_limit(self) -> int | None:
        """Bytes a materialised result may take; None for 30 % of what is free, 0 for no check."""

    @property
    def activity(self) -> str:
        """Where the engine itself is, in a few words, such as its stages and tasks; "" where it does not say."""
        return ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth knowing about the statement, one sentence each, such as a comparison that is never true."""
        return ()

    @abstractmethod
    def cancel(self) -> None:
        """Stop the query, from any thread; readers get `ScanCancelled`."""

    @abstractmethod
    def close(self) -> None:
        """Stop what still runs and free it. May be called again."""

    def save(self, order: SaveOrder) -> WriteReport | None:
        """Write the rows to a set by the engine itself, and close; None, and nothing done, where it has no way to.

        Raises:
            WriteError: rows were refused; the others are written.
        """
        return None

    def head(self, n: int) -> pa.Table:
        """Return the next `n` rows at most, then stop the scans and close."""
        taken: list[pa.RecordBatch] = []
        missing = n
        try:
            schema = self.schema
            if n > 0:
                for batch in self.batches():
                    taken.append(batch.slice(0, missing))
                    missing -= taken[-1].num_rows
                    if missing <= 0:
                        break
        finally:
            self.close()
        return pa.Table.from_batches(taken, schema)

    def to_arrow(self) -> pa.Table:
        """Return all rows as an Arrow table, and close.

        Raises:
            ResultTooLarge: the estimate, or what has arrived, does not fit in memory.
        """
        guard = MemoryGuard(self.memory_limit)
        try:
            guard.check_estimate(self.estimated_bytes)
            schema = self.schema
            taken = []
            for batch in self.batches():
                guard.add(batch.nbytes)
                taken.append(batch)
        finally:
            self.close()
        return pa.Table.from_batches(taken, schema)

    def to_pandas(self) -> pd.DataFrame:
        """Return all rows as a DataFrame that has lost nothing; see `frames` for its dtypes."""
        table = self.to_arrow()
        names, columns = table.column_names, table.columns
        del table
        return frames.columns_to_pandas(names, columns)

    def to_polars(self) -> pl.DataFrame:
        """Return all rows as a polars DataFrame."""
        return frames.table_to_polars(self.to_arrow())

    def to_duckdb(self) -> duckdb.DuckDBPyRelation:
        """Return all rows as a DuckDB relation, on a connection of its own that lives as long as the relation."""
        return frames.table_to_duckdb(self.to_arrow())

    def __enter__(self) -> QueryResult:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Engine(Protocol):
    """Something that runs SQL over Aerospike sets named ``namespace.set``."""

    @property
    def name(self) -> str:
        """The engine's name, "local", "spark" or "trino"."""

    def query(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        options: QueryOptions = ...,
        *,
        frames: Mapping[str, Any] | None = None,
    ) -> QueryResult:
        """Start a read-only statement.

        Args:
            sql: one statement in the engine's dialect, with ``:name`` and ``{{name}}`` for values.
            parameters: values by name; only the names the statement has are looked up.
            options: how to run it.
            frames: local DataFrames and Arrow tables by name, to read beside sets.

        Raises:
            QueryError: the statement cannot run; `ReadOnlyError`, `ParameterError` and `UnknownNameError` are kinds.
        """

    def explain(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        options: QueryOptions = ...,
        *,
        frames: Mapping[str, Any] | None = None,
    ) -> Explanation:
        """Say how `query` would run the statement, without reading a record of the sets it names."""

    def close(self) -> None:
        """Stop every running query."""

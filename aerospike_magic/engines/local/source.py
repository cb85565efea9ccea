"""A set as a dataset that DuckDB reads, and the record of what DuckDB asked of it.

DuckDB calls ``scanner(columns=…, filter=…)`` once for each time a plan reads the table, and pulls record batches one
at a time, so a LIMIT stops the scan. Where it needs no column at all, as for ``count(*)``, it asks for the *first*
one: that is why the first column here is `ROW_COLUMN`, which is all NULL and made without reading any bin. An
exception that leaves our generator arrives at the user as DuckDB's, with the text and nothing else; the `ScanLog`
keeps the original.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.dataset

from aerospike_magic.engines.base import QueryOptions, ScanExplanation
from aerospike_magic.engines.local.catalog import Catalog, RunningScan
from aerospike_magic.filters.predicate import Predicate, conjunction, simplify
from aerospike_magic.scan.progress import ScanProgress
from aerospike_magic.schema.types import SetSchema

# Longer than a bin name can be, so that no bin has it.
ROW_COLUMN = "__aerospike_one_row__"


@dataclass
class ScanLog:
    """What happened below DuckDB during one query.

    Attributes:
        options: of the query; `on_progress` gets the snapshots of all scans.
        only_explain: scans give no rows; they are planned and noted.
        plans: the plan of each scan, in the order DuckDB asked.
        explanations: the same in words, if `only_explain`.
        error: the first exception that left a scan.
        is_stopped: no scan may run any more.
        is_cancelled: that is because someone cancelled, not because the reader had enough.
    """

    options: QueryOptions
    only_explain: bool = False
    plans: list[Any] = field(default_factory=list)
    explanations: list[ScanExplanation] = field(default_factory=list)
    error: BaseException | None = None
    is_stopped: bool = False
    is_cancelled: bool = False

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[int, RunningScan] = {}
        self._snapshots: dict[int, ScanProgress] = {}

    @property
    def snapshots(self) -> tuple[ScanProgress, ...]:
        """The latest snapshot of each scan that has one, in the order they were asked for."""
        with self._lock:
            for number, scan in self._running.items():
                if (latest := scan.progress) is not None:
                    self._snapshots[number] = self._as_seen(latest)
            return tuple(self._snapshots[number] for number in sorted(self._snapshots))

    def report(self, number: int, snapshot: ScanProgress) -> None:
        """Take a scan's snapshot, and hand all of them on."""
        with self._lock:
            self._snapshots[number] = self._as_seen(snapshot)
            everything = tuple(self._snapshots[n] for n in sorted(self._snapshots))
        if self.options.on_progress is not None:
            self.options.on_progress(everything)

    def fail(self, error: BaseException) -> None:
        """Keep the first error."""
        with self._lock:
            self.error = self.error or error

    def add_plan(self) -> int:
        """Return the number of a new scan."""
        with self._lock:
            self.plans.append(None)
            return len(self.plans) - 1

    def started(self, number: int, scan: RunningScan) -> None:
        """Note a scan that runs; if the query was cancelled meanwhile, cancel it."""
        with self._lock:
            self._running[number] = scan
            stop = self.is_stopped
        if stop:
            scan.cancel()

    def ended(self, number: int) -> None:
        """Note that a scan no longer runs, and keep its last snapshot."""
        with self._lock:
            scan = self._running.pop(number, None)
            if scan is not None and (latest := scan.progress) is not None:
                self._snapshots[number] = self._as_seen(latest)

    def stop(self, *, is_cancelled: bool) -> None:
        """Stop every scan, and those that start later."""
        with self._lock:
            self.is_stopped = True
            self.is_cancelled = self.is_cancelled or is_cancelled
            running = list(self._running.values())
        for scan in running:
            scan.cancel()

    def _as_seen(self, snapshot: ScanProgress) -> ScanProgress:
        # A scan cannot tell a reader that has enough, under LIMIT or head(), from one that gave up.
        if snapshot.state == "cancelled" and not self.is_cancelled:
            return replace(snapshot, state="done")
        return snapshot


@dataclass(frozen=True)
class _Stream:
    """What DuckDB takes for a scanner: something with ``to_reader()``."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]

    def to_reader(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self.schema, self.batches)


class SetDataset(pyarrow.dataset.Dataset):
    """A set for DuckDB: `ROW_COLUMN`, then the exposed columns.

    Args:
        catalog: how to read it.
        schema: its columns.
        metadata: names of metadata columns to expose besides those of ``SELECT *``.
        predicate: what the statement implies for every row it needs; None for nothing.
        log: of the query.
    """

    def __init__(
        self,
        catalog: Catalog,
        schema: SetSchema,
        metadata: Sequence[str],
        predicate: Predicate | None,
        log: ScanLog,
    ) -> None:
        # The base class is never initialised: it stands for a C++ dataset, and DuckDB only calls what is below.
        self._catalog = catalog
        self._set_schema = schema
        self._predicate = predicate
        self._log = log
        self._arrow = exposed_schema(schema, metadata).insert(0, pa.field(ROW_COLUMN, pa.null()))

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema that DuckDB binds names to."""
        return self._arrow

    def scanner(self, columns: Sequence[str] | None = None, filter: Any = None, **_: Any) -> Any:
        """Plan a scan of `columns` under a pyarrow expression; nothing is read before the first batch."""
        try:
            return self._scanner(self._arrow.names if columns is None else columns, filter)
        except BaseException as error:
            self._log.fail(error)
            raise

    def _scanner(self, columns: Sequence[str], expression: Any) -> _Stream:
        log, number = self._log, self._log.add_plan()
        bins = [name for name in columns if name != ROW_COLUMN]
        wanted = conjunction([self._predicate, self._read(expression)])
        plan = self._catalog.plan(
            self._set_schema,
            bins,
            None if wanted is None else simplify(wanted),
            log.options,
            lambda snapshot: log.report(number, snapshot),
        )
        log.plans[number] = plan
        asked = pa.schema([self._arrow.field(name) for name in columns])
        if log.only_explain:
            log.explanations.append(self._catalog.explain(plan))
            return _Stream(asked, iter(()))
        return _Stream(asked, self._batches(number, plan, asked))

    def _read(self, expression: Any) -> Predicate | None:
        if expression is None:
            return None
        from aerospike_magic.filters.arrow import from_arrow_expression

        return from_arrow_expression(expression, self._arrow.remove(0))

    def _batches(self, number: int, plan: Any, asked: pa.Schema) -> Iterator[pa.RecordBatch]:
        scan = self._catalog.start(plan)
        self._log.started(number, scan)
        batches = scan.batches()
        try:
            for batch in batches:
                yield _with_row_column(batch, asked)
        except GeneratorExit:
            raise
        except BaseException as error:
            self._log.fail(error)
            raise
        finally:
            # A reader that wants no more closes this generator, and so the scan.
            close = getattr(batches, "close", None)
            if close is not None:
                close()
            self._log.ended(number)


def exposed_schema(schema: SetSchema, metadata: Sequence[str]) -> pa.Schema:
    """Return the columns of ``SELECT *``, then the metadata columns in `metadata` that are not among them.

    A set in which the sample saw neither keys nor bins has all its metadata columns: a table needs one.
    """
    selected = schema.arrow if len(schema.arrow) else schema.full_arrow
    extra = [field for field in schema.full_arrow if field.name in metadata and field.name not in selected.names]
    return pa.schema([*selected, *extra])


def _with_row_column(batch: pa.RecordBatch, asked: pa.Schema) -> pa.RecordBatch:
    if ROW_COLUMN not in asked.names:
        return batch
    columns = iter(batch.columns)
    arrays = [pa.nulls(batch.num_rows) if name == ROW_COLUMN else next(columns) for name in asked.names]
    return pa.RecordBatch.from_arrays(arrays, schema=asked)

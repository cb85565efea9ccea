"""What runs in the executors: each task scans its share of the set and yields Arrow batches.

The scan is planned once, on the driver; a task gets the plan pickled, opens its own connection (kept for the next task
of the same Python worker) and narrows the plan to its share. Nothing is shared between tasks, so a task that Spark
runs again, or twice at once, reads the same records again.

`pushFilters` is not implemented, and must never be: Spark 4.1 to 4.3 keeps pushed filters on an object that several
scans of a relation share, and gives wrong rows.
"""

from __future__ import annotations

import gc
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.accumulators import Accumulator
from pyspark.sql.datasource import DataSourceReader, InputPartition
from pyspark.sql.types import StructType

from aerospike_magic.connection import Connection
from aerospike_magic.connection.settings import ConnectionSettings
from aerospike_magic.engines.spark.aggregates import PartialAggregates
from aerospike_magic.engines.spark.report import Counts, as_counts
from aerospike_magic.engines.spark.top import TopRows
from aerospike_magic.engines.spark.types import narrow, to_give
from aerospike_magic.errors import MismatchError
from aerospike_magic.scan import Mismatch, ScanPlan, Share
from aerospike_magic.scan.teller import ProgressAddress, TaskTeller, tell_plan

# Objects that the collector looks at, from which on it is worth to take them out of its sight.
_MANY_OBJECTS = 20_000


class SharePartition(InputPartition):
    """One task: a share of the set; of a stream, of the records that also pass the filter `window`.

    Args:
        share: which part of the set.
        number: the task's, 0-based.
        host: beside which it is best read, "" for anywhere.
        window: None, or a filter expression of a stream's batch.
    """

    def __init__(self, share: Share, number: int = 0, host: str = "", window: bytes | None = None) -> None:
        super().__init__(share)
        self.share = share
        self.number = number
        # In this form the jar finds it among the pickled bytes (LocatedBatch.java) and tells Spark.
        self.beside = f"aerospike-node-host={host};" if host else ""
        self.window = window

    def __repr__(self) -> str:
        share = self.share
        sliced = f", slice {share.remainder + 1} of {share.modulus}" if share.modulus > 1 else ""
        return f"SharePartition({len(share.partitions)} partitions from {share.partitions[0]}{sliced})"


class AerospikeReader(DataSourceReader):
    """Reads one scan of a relation.

    Args:
        settings: how executors connect.
        plan: the scan, of the whole set.
        schema: what Spark expects, column by column as `plan.columns`.
        shares: the tasks.
        aggregates: what each task returns of its rows, None for the rows.
        report: takes what did not fit; without it, that goes to the executor's log.
        top: which rows of each task are enough, None for all.
        hosts: beside which host each of `shares` is read best, "" where it does not matter; none if it never does.
        progress: where tasks tell how far they are, None for nowhere.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        plan: ScanPlan,
        schema: StructType,
        shares: list[Share],
        *,
        aggregates: PartialAggregates | None = None,
        report: Accumulator[Counts] | None = None,
        top: TopRows | None = None,
        hosts: Sequence[str] = (),
        progress: ProgressAddress | None = None,
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._schema = pa.schema([pa.field(f.name, to_give(f), f.nullable) for f in schema.fields])
        self._shares = shares
        self._aggregates = aggregates
        self._report = report
        self._top = top
        self._hosts = hosts or [""] * len(shares)
        self._progress = progress
        self._scan_id = uuid.uuid4().hex
        if progress is not None:
            tell_plan(progress, self._scan_id, plan, len(shares), "Spark tasks")

    def __repr__(self) -> str:
        return f"AerospikeReader({self._plan.schema.name}, {self._plan.access_text})"

    def __getstate__(self) -> dict[str, Any]:
        # A task gets its own share; it need not carry those of all others.
        return self.__dict__ | {"_shares": [], "_hosts": ()}

    def partitions(self) -> list[InputPartition]:
        """Return the tasks."""
        placed = zip(self._shares, self._hosts, strict=True)
        return [SharePartition(share, number, host) for number, (share, host) in enumerate(placed)]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """Yield the batches of one task; runs in an executor."""
        from aerospike_magic.scan import Scan  # with its kernels, which the planning process does not need

        assert isinstance(partition, SharePartition)
        connection = worker_connection(self._settings)
        _spare_collector()
        teller = self._teller(partition)
        plan = self._plan.for_share(partition.share)
        if teller is not None:
            plan = replace(plan, options=replace(plan.options, on_progress=teller.tell))
        if partition.window is not None:
            plan = plan.also(partition.window)
        misfits: dict[str, int] = {}
        mismatches: list[Mismatch] = []
        with Scan(connection, plan) as scan:
            try:
                if self._aggregates is not None:
                    yield self._aggregates.compute(scan.batches(), self._schema)
                else:
                    for batch in scan.batches() if self._top is None else self._top.keep(scan.batches()):
                        yield self._fitted(batch, misfits)
            finally:
                mismatches += scan.progress.mismatches
                mismatches += (Mismatch(name, count, "out of range") for name, count in misfits.items())
                if teller is not None:
                    scan.close()
                    teller.finish(scan.progress, mismatches)
        self._tell(mismatches)

    def _teller(self, partition: SharePartition) -> TaskTeller | None:
        if self._progress is None:
            return None
        return TaskTeller(self._progress, self._scan_id, partition.number, partition.share.modulus)

    def _tell(self, mismatches: list[Mismatch]) -> None:
        table = self._plan.schema.name
        if self._report is not None:
            self._report.add(as_counts(table, mismatches))
            return
        for mismatch in mismatches:
            print(f"{table}: {mismatch}", file=sys.stderr)

    def _fitted(self, batch: pa.RecordBatch, misfits: dict[str, int]) -> pa.RecordBatch:
        """The batch with exactly the types that Spark expects."""
        columns = []
        for column, field in zip(batch.columns, self._schema, strict=True):
            converted, failed = narrow(column, field.type)
            if failed is not None:
                count = pc.sum(failed).as_py()
                if self._plan.options.on_mismatch == "error":
                    raise MismatchError(f"{count:,} values of column {field.name!r} do not fit in {field.type}")
                misfits[field.name] = misfits.get(field.name, 0) + count
            columns.append(converted)
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)


@lru_cache(maxsize=4)
def worker_connection(settings: ConnectionSettings) -> Connection:
    """Return the connection of this Python worker, for all its tasks."""
    return Connection(settings)


def _spare_collector() -> None:
    """Keep what lives as long as this process out of garbage collection.

    Spark's worker collects after each task; with numba and pyarrow loaded, that takes longer than a small task.
    """
    if len(gc.get_objects()) > _MANY_OBJECTS:
        gc.collect()
        gc.freeze()

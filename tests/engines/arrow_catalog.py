"""A catalog over Arrow tables, which stands for a cluster where only the engine is looked at."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import pyarrow as pa

from aerospike_magic.engines.base import ScanExplanation
from aerospike_magic.errors import SchemaError
from aerospike_magic.filters.evaluate import evaluate
from aerospike_magic.filters.predicate import columns_of, describe
from aerospike_magic.scan.progress import N_PARTITIONS, ScanProgress
from aerospike_magic.schema.types import Column, Kind, SetSchema, Source, bin_column, metadata_columns

_KINDS = {
    pa.int64(): Kind.INT64,
    pa.float64(): Kind.DOUBLE,
    pa.string(): Kind.STRING,
    pa.bool_(): Kind.BOOL,
    pa.binary(): Kind.BINARY,
}
BATCH_ROWS = 100


@dataclass(frozen=True)
class FakePlan:
    schema: SetSchema
    columns: tuple[str, ...]
    predicate: object
    estimated_rows: int
    on_progress: object


@dataclass
class FakeScan:
    plan: FakePlan
    table: pa.Table
    catalog: ArrowCatalog
    batches_given: int = 0
    is_cancelled: bool = False

    @property
    def progress(self) -> ScanProgress:
        return snapshot(self.plan, self.batches_given, "cancelled" if self.is_cancelled else "running")

    def batches(self):
        self.plan.on_progress(self.progress)
        for batch in self.table.to_batches(max_chunksize=BATCH_ROWS):
            if self.is_cancelled:
                return
            if self.catalog.fail_after == self.batches_given:
                raise self.catalog.error
            if self.catalog.pause_s:
                time.sleep(self.catalog.pause_s)
            self.batches_given += 1
            if self.plan.predicate is not None:
                batch = batch.filter(evaluate(self.plan.predicate, batch))
            yield (
                pa.RecordBatch.from_arrays(
                    [batch.column(name) for name in self.plan.columns],
                    schema=pa.schema([batch.schema.field(n) for n in self.plan.columns]),
                )
                if self.plan.columns
                else batch.select([])
            )

    def cancel(self):
        self.is_cancelled = True


def snapshot(plan, n, state):
    return ScanProgress(
        plan.schema.namespace,
        plan.schema.set_name,
        state,
        bytes(4096),
        bytes(4096),
        (),
        0,
        n * BATCH_ROWS,
        0,
        0,
        0.0,
        0.0,
        None,
    )


@dataclass
class ArrowCatalog:
    """Tables by (namespace, set); `scans` and `plans` keep what was asked."""

    tables: dict[tuple[str, str], pa.Table]
    scans: list[FakeScan] = field(default_factory=list)
    plans: list[FakePlan] = field(default_factory=list)
    pause_s: float = 0.0
    fail_after: int | None = None
    error: BaseException | None = None

    def sets(self):
        return list(self.tables)

    def namespaces(self):
        return sorted({namespace for namespace, _ in self.tables})

    def schema(self, namespace, set_name):
        if (namespace, set_name) not in self.tables:
            raise SchemaError("no such set")
        table = self.tables[namespace, set_name]
        key = None
        columns = []
        for f in table.schema:
            if f.name == "__key":
                key = Column("__key", f.type, _KINDS[f.type], Source.KEY)
            elif not f.name.startswith("__"):
                columns.append(bin_column(f.name, _KINDS.get(f.type, Kind.LIST), f.type))
        meta = metadata_columns(key)
        return SetSchema(
            namespace, set_name, (meta[0], *columns, *meta[1:]), objects=table.num_rows, has_keys=key is not None
        )

    def plan(self, schema, columns, predicate, options, on_progress):
        table = self.tables[schema.namespace, schema.set_name]
        for name in (*columns, *columns_of(predicate)):
            schema.column(name)
        plan = FakePlan(schema, tuple(columns), predicate, table.num_rows, on_progress)
        self.plans.append(plan)
        return plan

    def start(self, plan):
        table = self.tables[plan.schema.namespace, plan.schema.set_name]
        scan = FakeScan(plan, table, self)
        self.scans.append(scan)
        return scan

    def explain(self, plan):
        return ScanExplanation(
            plan.schema.name,
            "partition scan",
            describe(plan.predicate),
            "",
            plan.columns,
            N_PARTITIONS,
            plan.estimated_rows,
            plan.estimated_rows,
        )


def flights(n: int = 1000) -> pa.Table:
    origins = ["JFK", "EWR", "LGA", None]
    return pa.table(
        {
            "__key": pa.array(range(n), pa.int64()),
            "origin": [origins[i % 4] for i in range(n)],
            "delay": pa.array([None if i % 7 == 0 else (i % 50) / 2 for i in range(n)], pa.float64()),
            "number": pa.array(range(n), pa.int64()),
            "late": pa.array([None if i % 5 == 0 else i % 3 == 0 for i in range(n)]),
            "__digest": pa.array([i.to_bytes(20, "big") for i in range(n)], pa.binary(20)),
            "__generation": pa.array([1] * n, pa.int64()),
            "__ttl": pa.array([-1] * n, pa.int64()),
        }
    )


def airports() -> pa.Table:
    return pa.table({"faa": ["JFK", "EWR", "LGA", "BOS"], "name": ["Kennedy", "Newark", "La Guardia", "Logan"]})

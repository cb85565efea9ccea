"""How a set is read: the seam between this engine and a cluster.

`Catalog` is all that the engine asks for; `ClusterCatalog` answers from a `Connection`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from aerospike_magic.engines.base import QueryOptions, ScanExplanation
from aerospike_magic.engines.catalog import ClusterSets, SetCatalog
from aerospike_magic.filters.predicate import Predicate
from aerospike_magic.scan.progress import N_PARTITIONS, ProgressCallback, ScanProgress
from aerospike_magic.schema.types import SetSchema

if TYPE_CHECKING:
    from aerospike_magic.scan.plan import ScanPlan


# DuckDB keeps its own copy of what it has taken, so the scan need not run far ahead of it.
_BUFFERED_BYTES = 64 << 20


class RunningScan(Protocol):
    """A scan that gives record batches of the asked-for columns, in their order."""

    @property
    def progress(self) -> ScanProgress | None:
        """The latest snapshot."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; starts the scan."""

    def cancel(self) -> None:
        """Stop, from any thread."""


class Catalog(SetCatalog, Protocol):
    """The sets of a cluster, and how they are read."""

    def plan(
        self,
        schema: SetSchema,
        columns: Sequence[str],
        predicate: Predicate | None,
        options: QueryOptions,
        on_progress: ProgressCallback,
    ) -> Any:
        """Decide how to read some columns; reads no record. No columns: only rows are counted."""

    def start(self, plan: Any) -> RunningScan:
        """Return the scan of a plan."""

    def explain(self, plan: Any) -> ScanExplanation:
        """Say how a plan would read."""


class ClusterCatalog(ClusterSets):
    """The sets of the cluster behind a connection, read by scans of this process."""

    def plan(
        self,
        schema: SetSchema,
        columns: Sequence[str],
        predicate: Predicate | None,
        options: QueryOptions,
        on_progress: ProgressCallback,
    ) -> ScanPlan:
        """Return the plan of a scan; asks for indexes and counts by info."""
        from aerospike_magic.scan.options import ScanOptions
        from aerospike_magic.scan.plan import plan_scan

        scan_options = ScanOptions(
            workers=options.workers,
            records_per_second=options.records_per_second,
            on_mismatch=options.on_mismatch,
            buffered_bytes=_BUFFERED_BYTES,
            on_progress=on_progress,
        )
        return plan_scan(self._connection, schema, columns=tuple(columns), predicate=predicate, options=scan_options)

    def start(self, plan: ScanPlan) -> RunningScan:
        """Return the scan of a plan; it starts when its batches are first asked for."""
        from aerospike_magic.scan.run import Scan

        scan: RunningScan = Scan(self._connection, plan)
        return scan

    def explain(self, plan: ScanPlan) -> ScanExplanation:
        """Say how a plan would read."""
        from aerospike_magic.filters.access import KeyLookup, Nothing

        return ScanExplanation(
            table=plan.schema.name,
            access=plan.access.describe(),
            pushed=plan.pushed,
            residual=plan.residual,
            columns=tuple(column.name for column in plan.decoded),
            partitions=0 if isinstance(plan.access, KeyLookup | Nothing) else N_PARTITIONS,
            objects=plan.objects,
            estimated_rows=plan.estimated_rows,
            details=tuple(plan.describe()),
        )

"""A set as a `pyarrow.dataset.Dataset`: DuckDB, polars, DataFusion and pandas read it as it is.

Readers call `scanner(columns=…, filter=…)`; both become a scan plan, so only the asked-for bins travel and the filter
runs on the server. Filters have SQL's semantics, also where pyarrow's own differ: NaN equals itself and is greater
than every number. A reader that stops early (LIMIT) stops the scan.
"""

from __future__ import annotations

import threading
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads

from aerospike_magic.connection import Connection
from aerospike_magic.errors import MismatchWarning
from aerospike_magic.filters.arrow import from_arrow_expression
from aerospike_magic.filters.predicate import Predicate, conjunction
from aerospike_magic.scan import Mismatch, Scan, ScanOptions, ScanPlan, plan_scan
from aerospike_magic.scan.progress import most_telling
from aerospike_magic.schema.types import SetSchema

_SCANS_KEPT = 64


class AerospikeDataset(pads.Dataset):
    """A set of an Aerospike namespace, read in place.

    Args:
        connection: to the cluster.
        name: ``"namespace.set"``.
        schema: columns and types; None infers them from a sample.
        options: how scans run.
        extra_filter: a predicate that holds for every row wanted, in addition to a scanner's own filter.
        with_metadata: whether `schema` has `__key`, `__digest`, `__generation` and `__ttl` too. They can always be
            asked for by name in `columns`.

    Example:
        >>> dataset = AerospikeDataset(connect("127.0.0.1:3000"), "demo.flights")  # doctest: +SKIP
        >>> dataset.to_table(columns=["origin"], filter=pc.field("month") == 1).num_rows  # doctest: +SKIP
        27004
    """

    # pyarrow's Dataset is a C++ wrapper without a usable constructor; only its type matters to readers.
    def __init__(
        self,
        connection: Connection,
        name: str,
        *,
        schema: SetSchema | None = None,
        options: ScanOptions | None = None,
        extra_filter: Predicate | None = None,
        with_metadata: bool = False,
    ) -> None:
        self._connection = connection
        self._set_schema = schema or connection.schema(name)
        self._options = options or ScanOptions()
        self._extra_filter = extra_filter
        self._with_metadata = with_metadata
        self._lock = threading.Lock()
        self._scans: deque[Scan] = deque(maxlen=_SCANS_KEPT)

    def __repr__(self) -> str:
        return f"AerospikeDataset({self._set_schema.name!r}, {len(self.schema)} columns)"

    def __reduce__(self) -> Any:
        raise TypeError("an AerospikeDataset holds connections; make it where it is used")

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema: of ``SELECT *``, with the metadata columns behind it if asked for."""
        return self._set_schema.full_arrow if self._with_metadata else self._set_schema.arrow

    @property
    def set_schema(self) -> SetSchema:
        """The schema with its evidence."""
        return self._set_schema

    @property
    def scans(self) -> tuple[Scan, ...]:
        """The last scans that were made through this object, oldest first."""
        with self._lock:
            return tuple(self._scans)

    @property
    def partition_expression(self) -> Any:
        """What holds for every row: nothing in particular."""
        import pyarrow.compute as pc

        return pc.scalar(True)

    def plan(
        self,
        columns: Sequence[str] | None = None,
        filter: Any = None,
        limit: int | None = None,
    ) -> ScanPlan:
        """Return the plan of a scan, without running it.

        Args:
            columns: names, in order; None = all of `schema`.
            filter: a pyarrow expression, or a `Predicate`.
            limit: rows after which to stop.
        """
        wanted = self.schema.names if columns is None else columns
        return plan_scan(
            self._connection,
            self._set_schema,
            columns=wanted,
            predicate=conjunction([self._extra_filter, self._predicate(filter)]),
            limit=limit,
            options=self._options,
        )

    def scan(self, columns: Sequence[str] | None = None, filter: Any = None, limit: int | None = None) -> Scan:
        """Return a scan, not yet started; see `plan` for the arguments."""
        scan = Scan(self._connection, self.plan(columns, filter, limit))
        with self._lock:
            self._scans.append(scan)
        return scan

    def scanner(
        self,
        columns: Any = None,
        filter: Any = None,
        batch_size: int | None = None,
        **options: Any,
    ) -> Any:
        """Return a `pyarrow.dataset.Scanner` over one scan, which starts with the first batch that is read.

        Args:
            columns: names, or a mapping of new names to expressions (evaluated here, over the columns they need).
            filter: a pyarrow expression; what the server cannot decide is checked after the scan.
            batch_size: rows of a full batch; the default is the options'.
            options: pyarrow's other scanner options (readahead, threads, memory pool): they do not apply.
        """
        names, projection = _split_projection(columns, self.schema.names)
        dataset = self if batch_size is None else self.with_options(replace(self._options, batch_rows=batch_size))
        scan = dataset.scan(names, filter)
        if dataset is not self:
            with self._lock:
                self._scans.append(scan)
        reader = pa.RecordBatchReader.from_batches(scan.schema, _told(scan))
        return pads.Scanner.from_batches(reader, columns=projection)

    def to_batches(self, columns: Any = None, filter: Any = None, **options: Any) -> Iterator[pa.RecordBatch]:
        """Yield the record batches of a scan."""
        yield from _told(self.scan(columns, filter))

    def to_table(self, columns: Any = None, filter: Any = None, **options: Any) -> pa.Table:
        """Read into one table."""
        return self.scanner(columns, filter, **options).to_table()

    def head(self, num_rows: int, columns: Any = None, filter: Any = None, **options: Any) -> pa.Table:
        """Return some `num_rows` rows; the scan stops once it has them."""
        scan = self.scan(columns, filter, limit=num_rows)
        return pa.Table.from_batches(_told(scan), scan.schema)

    def count_rows(self, filter: Any = None, **options: Any) -> int:
        """Count rows; no bin travels, except for a filter that is checked after the scan."""
        return sum(batch.num_rows for batch in _told(self.scan((), filter)))

    def with_options(self, options: ScanOptions) -> AerospikeDataset:
        """Return the same set, scanned with other options."""
        return AerospikeDataset(
            self._connection,
            self._set_schema.name,
            schema=self._set_schema,
            options=options,
            extra_filter=self._extra_filter,
            with_metadata=self._with_metadata,
        )

    @property
    def mismatches(self) -> tuple[Mismatch, ...]:
        """What did not fit in the last scan: values that became NULL, and bins that the schema does not have."""
        scans = self.scans
        return scans[-1].progress.mismatches if scans else ()

    def cancel(self) -> None:
        """Cancel every scan of this object that still runs."""
        for scan in self.scans:
            if not scan.progress.is_finished:
                scan.cancel()

    def _predicate(self, filter: Any) -> Predicate | None:
        if filter is None:
            return None
        import pyarrow.compute as pc

        if isinstance(filter, pc.Expression):
            return from_arrow_expression(filter, self._set_schema.full_arrow)
        return filter


def _told(scan: Scan) -> Iterator[pa.RecordBatch]:
    """The batches of a scan; at its end a `MismatchWarning` says what did not fit."""
    yield from scan.batches()
    for mismatch in most_telling(scan.progress.mismatches):
        warnings.warn(f"{scan.plan.schema.name}: {mismatch}", MismatchWarning, stacklevel=2)


def _split_projection(columns: Any, names: Sequence[str]) -> tuple[list[str], Any]:
    """The columns to scan, and the projection that pyarrow does after it (None for none)."""
    if columns is None:
        return list(names), None
    if isinstance(columns, dict):
        return list(names), columns
    return list(columns), None

"""What a scan will do, decided before anything is read: columns, filter, access path, and an estimate.

A trap that this module takes care of: when bins are named in a request, the server leaves out, without a word, the
records that have none of them; SQL wants those rows, with NULLs. So a bin that the sample saw in every record is
asked for too (`anchor`), and should the node's own count still show records passed over, a second pass reads just
those, by a filter on the absence of the bins (`omitted_filter`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from aerospike_magic.connection import Connection
from aerospike_magic.errors import FilterError
from aerospike_magic.filters.access import Access, IndexScan, KeyLookup, Nothing, choose_access
from aerospike_magic.filters.compile import CompiledFilter
from aerospike_magic.filters.predicate import (
    Compare,
    In,
    Predicate,
    StartsWith,
    columns_of,
    conjuncts,
    describe,
)
from aerospike_magic.scan.options import ScanOptions
from aerospike_magic.scan.share import WHOLE, Share
from aerospike_magic.schema.types import Column, Kind, SetSchema
from aerospike_magic.wire.digest import compute_digest

# Bytes a value of each kind takes in Arrow, for estimates; text and nested values by their examples.
_FIXED_WIDTH = {Kind.INT64: 8, Kind.DOUBLE: 8, Kind.BOOL: 1}
_CHEAP_KINDS = (Kind.BOOL, Kind.INT64, Kind.DOUBLE)


@dataclass(frozen=True)
class ScanPlan:
    """A scan, decided.

    Attributes:
        schema: of the set.
        columns: of the result, in order.
        decoded: what the scan decodes: `columns`, and those that the residual filter reads.
        bins: names that the request asks for; None = all bins, () = no bin data at all.
        access: how the records are found.
        filter: what the server decides and what is left to do here.
        limit: rows after which the scan stops; None = no limit.
        omitted_filter: expression for the records that the server passes over because they have none of `bins`;
            None where that cannot happen.
        objects: records in the set when it was planned.
        options: how to run.
        share: which part of the set is read.
    """

    schema: SetSchema
    columns: tuple[Column, ...]
    decoded: tuple[Column, ...]
    bins: tuple[str, ...] | None
    access: Access
    filter: CompiledFilter
    limit: int | None
    omitted_filter: bytes | None
    objects: int
    options: ScanOptions
    share: Share = WHOLE

    def for_share(self, share: Share) -> ScanPlan:
        """Return the same scan of a part of the set; `limit` then holds for that part.

        A plan holds no connection and can be pickled, so that another process can run it.
        """
        access = self.access
        if isinstance(access, KeyLookup):
            held = tuple(k for k in access.keys if share.holds(compute_digest(self.set_name, k)))
            access = replace(access, keys=held)
        return replace(self, share=share, access=access)

    def also(self, expression: bytes) -> ScanPlan:
        """Return the same scan of the records that pass one more filter, given in its wire form.

        Raises:
            FilterError: records are looked up by key, where the server filters nothing.
        """
        if isinstance(self.access, KeyLookup):
            raise FilterError("a filter expression cannot be used with a look-up by key")
        return replace(
            self,
            filter=replace(self.filter, expression=both(self.filter.expression, expression)),
            omitted_filter=None if self.omitted_filter is None else both(self.omitted_filter, expression),
        )

    @property
    def namespace(self) -> str:
        """The namespace that is read."""
        return self.schema.namespace

    @property
    def set_name(self) -> str:
        """The set that is read, "" for records without one."""
        return self.schema.set_name

    @property
    def pushed(self) -> str:
        """What the server decides, in words; "" for nothing."""
        return describe(self.filter.pushed) if self.filter.pushed is not None else ""

    @property
    def residual(self) -> str:
        """What is checked after the scan, in words; "" for nothing."""
        return describe(self.filter.residual) if self.filter.residual is not None else ""

    @property
    def access_text(self) -> str:
        """The access path in a few words."""
        if isinstance(self.access, KeyLookup):
            return "key look-up"
        if isinstance(self.access, IndexScan):
            return f"secondary index {self.access.index.name}"
        return "empty" if isinstance(self.access, Nothing) else "partition scan"

    @property
    def estimated_rows(self) -> int:
        """At most about so many rows: of the look-up, the index, the set, or the limit."""
        if isinstance(self.access, KeyLookup):
            rows = len(self.access.keys)
        elif isinstance(self.access, IndexScan):
            rows = min(self.access.estimated_rows, self.objects)
        else:
            rows = 0 if isinstance(self.access, Nothing) else self.objects
        return rows if self.limit is None else min(rows, self.limit)

    @property
    def estimated_bytes(self) -> int:
        """About how many bytes of Arrow the result takes, if all `estimated_rows` come."""
        return self.estimated_rows * sum(_width(c) for c in self.columns)

    def describe(self) -> list[tuple[str, str]]:
        """Return (label, text) rows that say how the scan will go."""
        columns = ", ".join(c.name for c in self.columns) or "none (only rows are counted)"
        partitions = 0 if isinstance(self.access, KeyLookup | Nothing) else len(self.share.partitions)
        return [
            ("access", self.access.describe()),
            ("pushed to the server", self.pushed or "nothing"),
            ("checked after the scan", self.residual or "nothing"),
            ("columns", columns),
            ("partitions", f"{partitions:,}"),
            ("records in the set", f"{self.objects:,}"),
            ("rows, at most about", f"{self.estimated_rows:,}"),
        ]


def plan_scan(
    connection: Connection,
    schema: SetSchema,
    *,
    columns: Sequence[str] | None = None,
    predicate: Predicate | None = None,
    limit: int | None = None,
    options: ScanOptions | None = None,
    use_indexes: bool = True,
) -> ScanPlan:
    """Decide how to read a set.

    Args:
        connection: to ask for indexes and counts; nothing is read from the set.
        schema: of the set.
        columns: names of the columns wanted, in order; None = those of ``SELECT *``, () = only rows are counted.
        predicate: rows wanted; None = all.
        limit: number of rows wanted; None = all.
        options: how to run.
        use_indexes: whether a secondary index may be taken, where it pays.

    Raises:
        SchemaError: a column that the set does not have.
        FilterError: a comparison that makes no sense for its column.
    """
    objects = connection.count_objects(schema.namespace, schema.set_name)
    listed = connection.indexes(schema.namespace) if use_indexes and predicate is not None else []
    indexes = [i for i in listed if i.set_name == schema.set_name]
    access = choose_access(predicate, schema, indexes, objects, connection.encode_expression)
    return plan_access(connection, schema, access, columns=columns, objects=objects, limit=limit, options=options)


def plan_access(
    connection: Connection,
    schema: SetSchema,
    access: Access,
    *,
    columns: Sequence[str] | None = None,
    objects: int = 0,
    limit: int | None = None,
    options: ScanOptions | None = None,
) -> ScanPlan:
    """Decide how to read a set by an access path that was chosen before; asks the cluster nothing.

    Args:
        connection: encodes expressions.
        schema: of the set.
        access: how the records are found, with the filter.
        columns, limit, options: as for `plan_scan`.
        objects: records in the set.

    Raises:
        SchemaError: a column that the set does not have.
    """
    wanted = schema.selected if columns is None else tuple(schema.column(name) for name in columns)
    compiled = CompiledFilter() if isinstance(access, Nothing) else access.filter
    # Rows of a look-up come from the official client; all of the filter is then decided here.
    filtered = compiled.columns | (columns_of(compiled.pushed) if isinstance(access, KeyLookup) else frozenset())
    extra = sorted(filtered - {c.name for c in wanted})
    decoded = (*wanted, *(schema.column(name) for name in extra))
    bins = _requested_bins(schema, decoded, compiled)
    plan = ScanPlan(
        schema=schema,
        columns=wanted,
        decoded=decoded,
        bins=bins,
        access=access,
        filter=compiled,
        limit=limit,
        omitted_filter=_omitted_filter(connection, bins, compiled),
        objects=objects,
        options=options or ScanOptions(),
    )
    # A request without a set reads all of the namespace.
    return plan if schema.set_name or isinstance(access, KeyLookup) else plan.also(connection.null_set_filter())


def _requested_bins(schema: SetSchema, decoded: Sequence[Column], compiled: CompiledFilter) -> tuple[str, ...] | None:
    needed = tuple(dict.fromkeys(c.bin for c in decoded if c.bin is not None))
    if not needed:
        return ()
    if len(needed) == len(schema.bins) and not all(c.overridden for c in schema.bins):
        # All bins travel, so that those the sample has not seen are noticed; not where a user chose every one.
        return None
    if _implies_any(compiled.pushed, needed) or any(_is_in_all(c) for c in decoded):
        return needed
    anchor = next((c.bin for c in schema.bins if c.kind in _CHEAP_KINDS and _is_in_all(c) and c.bin), None)
    return needed if anchor is None else (*needed, anchor)


def _is_in_all(column: Column) -> bool:
    return column.is_bin and column.evidence is not None and column.evidence.coverage >= 1.0


def _implies_any(pushed: Predicate | None, bins: Sequence[str]) -> bool:
    """Whether every record that the server lets through has one of the bins."""
    return any(isinstance(p, Compare | In | StartsWith) and p.column in bins for p in conjuncts(pushed))


def _omitted_filter(connection: Connection, bins: tuple[str, ...] | None, compiled: CompiledFilter) -> bytes | None:
    """The pushed filter, and that none of the requested bins is there."""
    if not bins or _implies_any(compiled.pushed, bins):
        return None
    from aerospike_helpers import expressions as exp

    absent: list[Any] = [exp.Not(exp.BinExists(name)) for name in bins]
    none_there = connection.encode_expression(absent[0] if len(absent) == 1 else exp.And(*absent))
    return both(compiled.expression, none_there)


def both(first: bytes | None, second: bytes | None) -> bytes | None:
    """Return the wire form of an expression that is true where both are; None stands for always."""
    if first is None or second is None:
        return second if first is None else first
    return b"\x93\x10" + first + second  # msgpack [AND, first, second]


def _width(column: Column) -> int:
    fixed = _FIXED_WIDTH.get(column.kind)
    if fixed is not None:
        return fixed
    examples = column.evidence.examples if column.evidence is not None else ()
    return 8 + (sum(map(len, examples)) // len(examples) if examples else 24)

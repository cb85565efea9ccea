"""Which way to the records: by key, by secondary index, or through all partitions.

`choose_access` looks at the conjuncts of the simplified predicate. ``__key = …`` and ``__key IN (…)`` become
look-ups by digest, which find a record whether or not it stored its key. Otherwise the index with the fewest
expected records wins, if these are so few that fetching them one by one beats reading past all others.
Whatever the path, its `filter` is the whole rest of the predicate: an index only ever narrows, so that rows
never depend on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from aerospike_magic.filters.bind import INT64_MAX, INT64_MIN, int_bounds
from aerospike_magic.filters.compile import CompiledFilter, Encode, bind, compile_filter
from aerospike_magic.filters.leaf import is_encodable
from aerospike_magic.filters.predicate import (
    Always,
    Compare,
    In,
    Predicate,
    Value,
    conjunction,
    conjuncts,
    describe_value,
    simplify,
)
from aerospike_magic.schema.types import Column, Kind, SetSchema, Source

# A record found through an index costs about as much as four that a scan reads in passing.
INDEX_COST = 4.0
# Shares of an index's entries expected where the statistics say nothing: a range with one bound, a range with two,
# an equality. Rather too high: a scan taken by mistake costs less than an index.
_ONE_BOUND, _TWO_BOUNDS, _EQUAL = 1 / 2, 1 / 4, 1 / 10
_SHOWN_KEYS = 3


class IndexStatistics(Protocol):
    """What is needed to know of a secondary index (`connection.IndexInfo` is one)."""

    @property
    def namespace(self) -> str: ...  # noqa: D102
    @property
    def set_name(self) -> str | None: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def bin(self) -> str: ...  # noqa: D102
    @property
    def type(self) -> str: ...  # noqa: D102
    @property
    def index_type(self) -> str: ...  # noqa: D102
    @property
    def ready(self) -> bool: ...  # noqa: D102
    @property
    def entries(self) -> int | None: ...  # noqa: D102
    @property
    def entries_per_value(self) -> float | None: ...  # noqa: D102
    @property
    def context(self) -> bool: ...  # noqa: D102


Key: TypeAlias = int | str | bytes


@dataclass(frozen=True, slots=True)
class KeyLookup:
    """Batch read of these keys; `filter` is the rest of the predicate, without the key's part."""

    keys: tuple[Key, ...]
    filter: CompiledFilter

    def describe(self) -> str:
        """Return the path in words."""
        shown = ", ".join(describe_value(k) for k in self.keys[:_SHOWN_KEYS])
        more = ", …" if len(self.keys) > _SHOWN_KEYS else ""
        count = "1 key" if len(self.keys) == 1 else f"{len(self.keys):,} keys"
        return f"look-up of {count}: {shown}{more}"


@dataclass(frozen=True, slots=True)
class IndexScan:
    """Secondary-index query: integers `low`..`high`, both included, or the string `value`.

    Attributes:
        index: the index.
        low, high: the range on a numeric index, else None.
        value: the string on a string index, else None.
        estimated_rows: records that the index is expected to lead to.
        filter: the whole predicate, the indexed part included.
    """

    index: IndexStatistics
    low: int | None
    high: int | None
    value: str | None
    estimated_rows: int
    filter: CompiledFilter

    def describe(self) -> str:
        """Return the path in words."""
        name = self.index.bin
        if self.value is not None:
            searched = f"{name} = {describe_value(self.value)}"
        elif self.low == self.high:
            searched = f"{name} = {self.low}"
        elif self.low == INT64_MIN:
            searched = f"{name} <= {self.high}"
        elif self.high == INT64_MAX:
            searched = f"{name} >= {self.low}"
        else:
            searched = f"{name} BETWEEN {self.low} AND {self.high}"
        return f"index {self.index.name}: {searched}, about {self.estimated_rows:,} records"


@dataclass(frozen=True, slots=True)
class PartitionScan:
    """Scan of the set through all partitions."""

    filter: CompiledFilter

    def describe(self) -> str:
        """Return the path in words."""
        return "scan of all partitions"


@dataclass(frozen=True, slots=True)
class Nothing:
    """No record can match, nothing needs to be read."""

    def describe(self) -> str:
        """Return the path in words."""
        return "nothing to read: no record can match"


Access: TypeAlias = KeyLookup | IndexScan | PartitionScan | Nothing


def choose_access(
    predicate: Predicate | None,
    schema: SetSchema,
    indexes: Sequence[IndexStatistics],
    objects: int,
    encode: Encode,
) -> Access:
    """Choose the cheapest path that keeps exactly the predicate's rows.

    Args:
        predicate: the filter; None for all rows.
        schema: the set.
        indexes: the indexes of the cluster, of which those of this set are looked at.
        objects: master records in the set, to weigh an index against.
        encode: see `compile_filter`.

    Raises:
        FilterError, SchemaError: see `compile_filter`.
    """
    simple = None if predicate is None else simplify(predicate)
    keys, rest = _split_keys(simple, schema)
    if keys is not None:
        return _look_up(keys, rest, schema, encode)
    bound = None if simple is None else bind(simple, schema)
    if bound == Always(False):
        return Nothing()
    filter_ = compile_filter(simple, schema, encode)
    best = min(_candidates(bound, schema, indexes, filter_), key=lambda c: c.estimated_rows, default=None)
    if best is not None and best.estimated_rows * INDEX_COST < objects:
        return best
    return PartitionScan(filter_)


# ---------------------------------------------------------------------------------------------- by key


def _split_keys(predicate: Predicate | None, schema: SetSchema) -> tuple[tuple[Key, ...] | None, Predicate | None]:
    """Return the keys that the conjuncts leave possible (None: no such conjunct) and all other conjuncts."""
    keys: tuple[Key, ...] | None = None
    rest: list[Predicate] = []
    key_column = next(c for c in schema.columns if c.source is Source.KEY)
    for part in conjuncts(predicate):
        values = _equals(part, key_column.name)
        if values is None or key_column.kind is Kind.JSON or not all(map(_is_sendable, values)):
            rest.append(part)
            continue
        possible = _as_keys(values, key_column, schema.has_keys)
        keys = possible if keys is None else tuple(k for k in keys if k in possible)
    return keys, conjunction(rest)


def _equals(part: Predicate, column: str) -> tuple[Value, ...] | None:
    if isinstance(part, Compare) and part.column == column and part.op == "=":
        return (part.value,)
    return part.values if isinstance(part, In) and part.column == column else None


def _as_keys(values: Iterable[Value], column: Column, type_is_known: bool) -> tuple[Key, ...]:
    """Return the values that can be keys of this set, each once; without stored keys any type may be one."""
    wanted = {Kind.INT64: int, Kind.STRING: str, Kind.BINARY: bytes}[column.kind]
    keys = {key: None for value in values if (key := _as_key(value)) is not None}
    return tuple(key for key in keys if not type_is_known or isinstance(key, wanted))


def _as_key(value: Value) -> Key | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool | float):
        return None
    if isinstance(value, int):
        return value if INT64_MIN <= value <= INT64_MAX else None
    return value


def _is_sendable(value: Value) -> bool:
    return not isinstance(value, str) or is_encodable(value)


def _look_up(keys: tuple[Key, ...], rest: Predicate | None, schema: SetSchema, encode: Encode) -> Access:
    impossible = rest is not None and bind(rest, schema) == Always(False)
    return KeyLookup(keys, compile_filter(rest, schema, encode)) if keys and not impossible else Nothing()


# ---------------------------------------------------------------------------------------------- by index


def _candidates(
    bound: Predicate | None, schema: SetSchema, indexes: Sequence[IndexStatistics], filter_: CompiledFilter
) -> list[IndexScan]:
    parts = conjuncts(bound)
    found = []
    for index in indexes:
        column = next((c for c in schema.bins if c.bin == index.bin), None)
        if column is None or not _is_usable(index, schema):
            continue
        # A numeric index has integers only, so that it would miss the doubles of a DOUBLE column.
        if index.type == "numeric" and column.kind is Kind.INT64:
            found.append(_numeric_candidate(index, column, parts, filter_))
        elif index.type == "string" and column.kind is Kind.STRING:
            found.append(_string_candidate(index, column, parts, filter_))
    return [c for c in found if c is not None]


def _is_usable(index: IndexStatistics, schema: SetSchema) -> bool:
    same_set = index.namespace == schema.namespace and (index.set_name or "") == schema.set_name
    of_the_bin = index.index_type == "default" and not index.context
    return same_set and of_the_bin and index.ready and index.entries is not None


def _numeric_candidate(
    index: IndexStatistics, column: Column, parts: Sequence[Predicate], filter_: CompiledFilter
) -> IndexScan | None:
    low, high = INT64_MIN, INT64_MAX
    for part in parts:
        if isinstance(part, Compare) and part.column == column.name:
            assert isinstance(part.value, int)
            bounds = int_bounds(part.op, part.value)
            if bounds is not None:
                low, high = max(low, bounds[0]), min(high, bounds[1])
        elif isinstance(part, In) and part.column == column.name:
            values = [v for v in part.values if isinstance(v, int)]
            low, high = max(low, min(values)), min(high, max(values))
    if (low, high) == (INT64_MIN, INT64_MAX) or low > high:
        return None
    return IndexScan(index, low, high, None, _estimate_range(index, low, high), filter_)


def _string_candidate(
    index: IndexStatistics, column: Column, parts: Sequence[Predicate], filter_: CompiledFilter
) -> IndexScan | None:
    for part in parts:
        values = _equals(part, column.name)
        if values is None or len(values) != 1:
            continue
        if isinstance(values[0], str) and is_encodable(values[0]):
            return IndexScan(index, None, None, values[0], _estimate_equal(index), filter_)
    return None


def _estimate_equal(index: IndexStatistics) -> int:
    entries = index.entries or 0
    per_value = index.entries_per_value
    return min(entries, round(per_value)) if per_value is not None else round(entries * _EQUAL)


def _estimate_range(index: IndexStatistics, low: int, high: int) -> int:
    if low == high:
        return _estimate_equal(index)
    entries = index.entries or 0
    if low == INT64_MIN or high == INT64_MAX:
        return round(entries * _ONE_BOUND)
    at_most = entries if index.entries_per_value is None else (high - low + 1) * index.entries_per_value
    return round(min(at_most, entries * _TWO_BOUNDS))

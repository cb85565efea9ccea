"""From a `TupleDomain` to this project's predicate tree: which rows the engine wants.

The predicate keeps exactly the rows that the domain describes, by this project's order of values (see
`filters.predicate`), or more where said: the engine checks every filter again. Where its own order differs, ours keeps
more: NaN is above all numbers here and in no range there, so that a range without an upper end keeps it.

- Bytes are shown in hexadecimal. The text's order is that of the bytes, so that ranges become ranges of bytes; text
  that is not upper-case hexadecimal equals no value.
- JSON is compared by its text there: only whether there is a value is decided here.
- Of many values, a list that would not go to the server becomes the range from the least to the greatest; keys, which
  are looked up, stay a list. Consecutive integers come as a range; of keys it becomes a list again, if a short one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from aerospike_magic.filters.leaf import MAX_IN
from aerospike_magic.filters.predicate import (
    Always,
    And,
    Compare,
    In,
    IsNull,
    Not,
    Or,
    Predicate,
    Value,
    conjunction,
)
from aerospike_magic.gateway.messages import AllOrNone, Domain, Equatable, Range, TupleDomain
from aerospike_magic.gateway.tables import WireColumn
from aerospike_magic.schema.types import Source

MAX_RANGES = 100
MAX_LISTED = 1_000
"""Keys that a range may hold to be looked up, not scanned for."""
_DIGITS = "0123456789ABCDEF"
_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "bigint": (int,),
    "double": (float, int),
    "varchar": (str,),
    "boolean": (bool,),
}


def to_predicate(constraint: TupleDomain, columns: Mapping[str, WireColumn]) -> Predicate | None:
    """Return the rows wanted; None for all, `Always(False)` for none.

    Args:
        constraint: of some columns; such as are not the table's are left to the engine.
        columns: the table's, by spelling.
    """
    if constraint.domains is None:
        return Always(False)
    known = ((columns.get(name), domain) for name, domain in constraint.domains.items())
    return conjunction(_column_predicate(wire, domain) for wire, domain in known if wire is not None)


def _column_predicate(wire: WireColumn, domain: Domain) -> Predicate | None:
    name = wire.column.name
    found = _values_predicate(wire, domain)
    if found is None:
        return None if domain.null_allowed else Not(IsNull(name))
    if not domain.null_allowed:
        return found
    return IsNull(name) if found == Always(False) else Or(found, IsNull(name))


def _values_predicate(wire: WireColumn, domain: Domain) -> Predicate | None:
    """Which values are wanted, NULL aside; None for all of them, or where it cannot be said."""
    values = domain.values
    if isinstance(values, AllOrNone):
        return None if values.all else Always(False)
    if isinstance(values, Equatable):
        if not values.values:
            return Always(False) if values.inclusive else None
        return _equatable(wire, values) if _are_comparable(wire, values.values) else None
    if not values.ranges:
        return Always(False)
    marks = [mark for one in values.ranges for mark in (one.low, one.high) if mark is not None]
    return _ranges(wire, values.ranges) if _are_comparable(wire, marks) else None


def _are_comparable(wire: WireColumn, values: Iterable[object]) -> bool:
    wanted = _PYTHON_TYPES.get(wire.type)
    if wanted is None:
        return False
    return all(isinstance(v, wanted) and isinstance(v, bool) == (wire.type == "boolean") for v in values)


def _equatable(wire: WireColumn, domain: Equatable) -> Predicate | None:
    found = _in(wire, domain.values)
    if domain.inclusive or found is None:
        return found
    return Not(found) if found != Always(False) else None


def _ranges(wire: WireColumn, ranges: Sequence[Range]) -> Predicate | None:
    holes = _holes(ranges)
    if holes is not None:
        found = _in(wire, holes, must_be_exact=True)
        return None if found is None or found == Always(False) else Not(found)
    if all(one.low is not None and one.low == one.high for one in ranges):
        return _in(wire, [one.low for one in ranges])
    if (keys := _listed(wire, ranges)) is not None:
        return _in(wire, keys)
    if len(ranges) > MAX_RANGES:
        first, last = ranges[0], ranges[-1]
        return _range(wire, Range(first.low, first.low_inclusive, last.high, last.high_inclusive))
    parts = [_range(wire, one) for one in ranges]
    kept = [part for part in parts if part is not None]
    return None if len(kept) < len(parts) else kept[0] if len(kept) == 1 else Or(*kept)


def _listed(wire: WireColumn, ranges: Sequence[Range]) -> list[object] | None:
    """The integers in ranges of the key; None for other columns, and where there are many."""
    if wire.column.source is not Source.KEY or wire.type != "bigint":
        return None
    found: list[object] = []
    for one in ranges:
        if not isinstance(one.low, int) or not isinstance(one.high, int):
            return None
        low, high = one.low + (not one.low_inclusive), one.high - (not one.high_inclusive)
        if high - low >= MAX_LISTED - len(found):
            return None
        found += range(low, high + 1)
    return found


def _holes(ranges: Sequence[Range]) -> list[object] | None:
    """The values that ranges over everything leave out: ``<>`` and ``NOT IN``; None for other ranges."""
    if ranges[0].low is not None or ranges[-1].high is not None:
        return None
    found = []
    for before, after in pairwise(ranges):
        if before.high is None or before.high != after.low or before.high_inclusive or after.low_inclusive:
            return None
        found.append(before.high)
    return found


def _in(wire: WireColumn, values: Sequence[object], *, must_be_exact: bool = False) -> Predicate | None:
    name = wire.column.name
    wanted: list[Value] = [v for v in map(from_hex, values) if v is not None] if wire.is_hex else list(values)  # type: ignore[arg-type]
    if not wanted:
        return Always(False)
    if len(wanted) == 1:
        return Compare("=", name, wanted[0])
    # What is found without a scan may be many; a digest leads to its partition.
    if len(wanted) <= MAX_IN or wire.column.source in (Source.KEY, Source.DIGEST):
        return In(name, tuple(wanted))
    if must_be_exact or wire.type == "boolean":
        return None
    return And(Compare(">=", name, min(wanted)), Compare("<=", name, max(wanted)))  # type: ignore[type-var]


def _range(wire: WireColumn, one: Range) -> Predicate | None:
    """One range; None for all values."""
    name = wire.column.name
    parts: list[Predicate] = []
    if one.low is not None:
        low, is_exact = _hex_floor(one.low) if wire.is_hex else (one.low, True)
        if low is None:
            return Always(False)
        parts.append(Compare(">=" if one.low_inclusive or not is_exact else ">", name, low))  # type: ignore[arg-type]
    if one.high is not None:
        high, is_exact = _hex_floor(one.high) if wire.is_hex else (one.high, True)
        if high is not None:
            parts.append(Compare("<=" if one.high_inclusive and is_exact else "<", name, high))  # type: ignore[arg-type]
    return conjunction(parts)


def from_hex(text: object) -> bytes | None:
    """Return the bytes that are shown as a text; None if none are."""
    assert isinstance(text, str)
    if len(text) % 2 or not all(c in _DIGITS for c in text):
        return None
    return bytes.fromhex(text)


def _hex_floor(text: object) -> tuple[bytes | None, bool]:
    """The least bytes that are shown as a text or one above it (None: all are below), and whether as that text."""
    assert isinstance(text, str)
    n_digits = next((i for i, c in enumerate(text) if c not in _DIGITS), len(text))
    digits = text[:n_digits]
    if n_digits == len(text):
        # Half a byte more or less: "A" is below "A0", the first that begins so.
        return bytes.fromhex(digits + "0" * (n_digits % 2)), n_digits % 2 == 0
    next_digit = next((d for d in _DIGITS if d > text[n_digits]), None)
    if next_digit is not None:
        digits += next_digit
    else:
        digits = digits.rstrip("F")
        if not digits:
            return None, False
        digits = digits[:-1] + _DIGITS[_DIGITS.index(digits[-1]) + 1]
    return bytes.fromhex(digits + "0" * (len(digits) % 2)), False

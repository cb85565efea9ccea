"""The neutral tree that every engine's filter becomes, and every access path is made from.

Logic is SQL's, with three values: a comparison with NULL is NULL, and a filter keeps the rows where the tree
is true. NaN equals NaN and is greater than every number, ``-0.0 = 0.0``, strings and bytes compare byte by
byte.

`simplify` is what the rest of the room stands on: it pushes every NOT down to the leaves. Above them there is
then only AND and OR, for which NULL and false cannot be told apart by the rows that are kept, so that a
leaf only ever has to say exactly when it is *true*.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Operator: TypeAlias = Literal["=", "<>", "<", "<=", ">", ">="]
Value: TypeAlias = int | float | str | bool | bytes | None

NEGATED: dict[Operator, Operator] = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
SWAPPED: dict[Operator, Operator] = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Compare:
    """``column op value``; NULL (never true, nor its negation) when either side is NULL."""

    op: Operator
    column: str
    value: Value


@dataclass(frozen=True, slots=True)
class In:
    """``column IN (values)``; a None among the values makes it NULL where no other value matches."""

    column: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class IsNull:
    """The column has no value, or one that does not fit its type."""

    column: str


@dataclass(frozen=True, slots=True)
class StartsWith:
    """The string column starts with `prefix`, byte for byte."""

    column: str
    prefix: str


@dataclass(frozen=True, slots=True)
class Not:
    """SQL's NOT: NULL stays NULL."""

    child: Predicate


@dataclass(frozen=True, slots=True)
class And:
    """All children; of none, true."""

    children: tuple[Predicate, ...]

    def __init__(self, *children: Predicate) -> None:
        object.__setattr__(self, "children", children)

    def __repr__(self) -> str:
        return f"And({', '.join(map(repr, self.children))})"


@dataclass(frozen=True, slots=True)
class Or:
    """Any child; of none, false."""

    children: tuple[Predicate, ...]

    def __init__(self, *children: Predicate) -> None:
        object.__setattr__(self, "children", children)

    def __repr__(self) -> str:
        return f"Or({', '.join(map(repr, self.children))})"


@dataclass(frozen=True, slots=True)
class Always:
    """Every row (true) or none (false)."""

    value: bool


@dataclass(frozen=True, slots=True)
class Opaque:
    """A pyarrow expression that this room cannot read, over `columns`; it is evaluated, never pushed."""

    expression: Any = field(compare=False)
    columns: frozenset[str]


Predicate: TypeAlias = Compare | In | IsNull | StartsWith | Not | And | Or | Always | Opaque
Leaf: TypeAlias = Compare | In | IsNull | StartsWith | Opaque


def is_nan(value: object) -> bool:
    """Return whether `value` is a float NaN."""
    return isinstance(value, float) and math.isnan(value)


def conjunction(predicates: Iterable[Predicate | None]) -> Predicate | None:
    """Return the AND of what is not None; None when nothing is left."""
    parts = tuple(p for p in predicates if p is not None)
    return parts[0] if len(parts) == 1 else And(*parts) if parts else None


def conjuncts(predicate: Predicate | None) -> tuple[Predicate, ...]:
    """Return the parts that must all hold: the children of nested ANDs, in order; () for None and TRUE."""
    if predicate is None or predicate == Always(True):
        return ()
    if isinstance(predicate, And):
        return tuple(part for child in predicate.children for part in conjuncts(child))
    return (predicate,)


def columns_of(predicate: Predicate | None) -> frozenset[str]:
    """Return the names of all columns that the predicate reads."""
    return frozenset(name for leaf in leaves_of(predicate) for name in _leaf_columns(leaf))


def leaves_of(predicate: Predicate | None) -> Iterator[Leaf]:
    """Yield the leaves, left to right; `Always` is not one."""
    stack: list[Predicate] = [] if predicate is None else [predicate]
    while stack:
        node = stack.pop()
        if isinstance(node, And | Or):
            stack.extend(reversed(node.children))
        elif isinstance(node, Not):
            stack.append(node.child)
        elif not isinstance(node, Always):
            yield node


def simplify(predicate: Predicate) -> Predicate:
    """Return a predicate that keeps the same rows, with NOT only directly above a leaf.

    Nested AND and OR are flattened, equal parts dropped, constants folded, and equalities of one column under
    an OR become one IN. The result is the same *filter*; inside a larger expression it may be false where the
    original was NULL.
    """
    return _positive(predicate)


def _leaf_columns(leaf: Leaf) -> Iterable[str]:
    return leaf.columns if isinstance(leaf, Opaque) else (leaf.column,)


def _positive(p: Predicate) -> Predicate:
    if isinstance(p, Not):
        return _negative(p.child)
    if isinstance(p, And):
        return _join(And, map(_positive, p.children))
    if isinstance(p, Or):
        return _join(Or, map(_positive, p.children))
    if isinstance(p, Compare) and p.value is None:
        return Always(False)
    if isinstance(p, In):
        return _in(p.column, [v for v in p.values if v is not None])
    return p


def _negative(p: Predicate) -> Predicate:
    if isinstance(p, Not):
        return _positive(p.child)
    if isinstance(p, And):
        return _join(Or, map(_negative, p.children))
    if isinstance(p, Or):
        return _join(And, map(_negative, p.children))
    if isinstance(p, Always):
        return Always(not p.value)
    if isinstance(p, Compare):
        return Always(False) if p.value is None else Compare(NEGATED[p.op], p.column, p.value)
    if isinstance(p, In):
        return _not_in(p)
    return Not(p)


def _in(column: str, values: Iterable[Value]) -> Predicate:
    distinct = _distinct(values)
    if not distinct:
        return Always(False)
    return Compare("=", column, distinct[0]) if len(distinct) == 1 else In(column, distinct)


def _not_in(p: In) -> Predicate:
    if any(v is None for v in p.values):
        return Always(False)
    found = _in(p.column, p.values)
    if isinstance(found, Always):
        # SQL: NULL NOT IN () is true, for there is nothing to compare with.
        return Always(True)
    return Compare("<>", found.column, found.value) if isinstance(found, Compare) else Not(found)


def _distinct(values: Iterable[Value]) -> tuple[Value, ...]:
    # 1, 1.0 and True are equal keys in Python, and NaN is not equal to itself.
    seen = {(type(v), "nan" if is_nan(v) else v): v for v in values}
    return tuple(seen.values())


def _join(kind: type[And] | type[Or], children: Iterable[Predicate]) -> Predicate:
    absorbing = kind is Or
    parts: list[Predicate] = []
    for child in children:
        nested = child.children if isinstance(child, kind) else (child,)
        for part in nested:
            if isinstance(part, Always):
                if part.value == absorbing:
                    return part
            else:
                parts.append(part)
    parts = _without_repeats(_merge_equalities(parts) if kind is Or else _without_implied(parts))
    if not parts:
        return Always(not absorbing)
    return parts[0] if len(parts) == 1 else kind(*parts)


def _without_implied(parts: list[Predicate]) -> list[Predicate]:
    # Every comparison implies that its column is not NULL.
    compared = {name for part in parts for name in _compared_column(part)}
    return [p for p in parts if not (_is_not_null(p) and not columns_of(p).isdisjoint(compared))]


def _is_not_null(p: Predicate) -> bool:
    return isinstance(p, Not) and isinstance(p.child, IsNull)


def _compared_column(p: Predicate) -> Iterable[str]:
    leaf = p.child if isinstance(p, Not) else p
    return (leaf.column,) if isinstance(leaf, Compare | In | StartsWith) else ()


def _without_repeats(parts: list[Predicate]) -> list[Predicate]:
    # An Opaque leaves its expression out of equality, so two of them are never taken for one another here.
    kept: dict[object, Predicate] = {}
    for part in parts:
        opaque = any(isinstance(leaf, Opaque) for leaf in leaves_of(part))
        kept.setdefault(id(part) if opaque else _identity(part), part)
    return list(kept.values())


def _identity(part: Predicate) -> str:
    # Not the dataclass's own equality: to Python 1 = True = 1.0, and NaN differs from itself.
    return repr(part)


def _merge_equalities(parts: list[Predicate]) -> list[Predicate]:
    values: dict[str, list[Value]] = {}
    for part in parts:
        if isinstance(part, Compare) and part.op == "=":
            values.setdefault(part.column, []).append(part.value)
        elif isinstance(part, In):
            values.setdefault(part.column, []).extend(part.values)
    merged: list[Predicate] = []
    for part in parts:
        if isinstance(part, In) or (isinstance(part, Compare) and part.op == "="):
            if part.column in values:
                merged.append(_in(part.column, values.pop(part.column)))
        else:
            merged.append(part)
    return merged


# ---------------------------------------------------------------------------------------------- in words

_MAX_LISTED = 4
_MAX_TEXT = 60


def describe(predicate: Predicate | None) -> str:
    """Return the predicate in SQL-like words, long lists and values shortened; "" for None.

    >>> describe(And(Compare("=", "origin", "JFK"), Compare(">", "dep_delay", 60)))
    "origin = 'JFK' AND dep_delay > 60"
    """
    return "" if predicate is None else _describe(predicate)


def describe_value(value: Value) -> str:
    """Return a constant as SQL would write it, shortened to 60 characters."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, bytes):
        digits = value.hex().upper()
        return f"X'{_shorten(digits)}'"
    if isinstance(value, str):
        # Control characters would break the line that this text is shown on.
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in _shorten(value))
        return "'" + text.replace("'", "''") + "'"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"


def _name(column: str) -> str:
    plain = column.isascii() and column.isidentifier()
    return column if plain else '"' + column.replace('"', '""') + '"'


def _describe(p: Predicate) -> str:
    if isinstance(p, And | Or):
        return _describe_joined(p)
    if isinstance(p, Not):
        return _describe_not(p.child)
    if isinstance(p, Compare):
        return f"{_name(p.column)} {p.op} {describe_value(p.value)}"
    if isinstance(p, In):
        return f"{_name(p.column)} IN ({_describe_list(p.values)})"
    if isinstance(p, IsNull):
        return f"{_name(p.column)} IS NULL"
    if isinstance(p, StartsWith):
        return f"starts_with({_name(p.column)}, {describe_value(p.prefix)})"
    if isinstance(p, Opaque):
        return _shorten(str(p.expression))
    return "TRUE" if p.value else "FALSE"


def _describe_joined(p: And | Or) -> str:
    if not p.children:
        return "TRUE" if isinstance(p, And) else "FALSE"
    word = " AND " if isinstance(p, And) else " OR "
    return word.join(f"({_describe(c)})" if isinstance(c, And | Or) else _describe(c) for c in p.children)


def _describe_not(child: Predicate) -> str:
    if isinstance(child, IsNull):
        return f"{_name(child.column)} IS NOT NULL"
    if isinstance(child, In):
        return f"{_name(child.column)} NOT IN ({_describe_list(child.values)})"
    return f"NOT ({_describe(child)})"


def _describe_list(values: tuple[Value, ...]) -> str:
    if len(values) <= _MAX_LISTED:
        return ", ".join(map(describe_value, values))
    shown = ", ".join(map(describe_value, values[: _MAX_LISTED - 2]))
    return f"{shown}, … {len(values)} values"

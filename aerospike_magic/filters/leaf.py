"""One leaf of a simplified, bound predicate as a server expression.

Each function states when its expression is true; where the bin is missing or of another type the server's
answer is *unknown* or false, which is the same (see `compile`). What the scan makes of each particle is in
`schema.types.Kind`; the two must agree to the last particle:

- a comparison on the server reads one particle type only: `int_bin` no double, `float_bin` no integer;
- the server's doubles follow IEEE, so ``f > 2.5`` with SQL's NaN is ``not (f <= 2.5)``, and NaN is what
  differs from itself;
- a DOUBLE column also holds the integers that a double can hold; the others are NULL;
- a BINARY column also holds HLL and the language blobs, which `blob_bin` does not read: superset, then
  residual;
- a STRING column is NULL where the bytes are not UTF-8, which the server cannot see: it may compare too
  many rows (the scan verifies), but IS NULL would lose rows and is never pushed; lists, maps, GeoJSON
  likewise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from aerospike_magic.filters.bind import Domain, bind_compare
from aerospike_magic.filters.predicate import (
    Always,
    Compare,
    In,
    IsNull,
    Operator,
    StartsWith,
    Value,
    is_nan,
)
from aerospike_magic.schema.types import Column, Kind, Source
from aerospike_magic.wire.particle_type import ParticleType

Expression: TypeAlias = Any
"""An `aerospike_helpers.expressions` node."""

MAX_IN = 1_000
_LINEAR_IN = 8
# Integers up to here are doubles without a look; above 2**63 - 1024 they would round to 2**63, which is no
# int64.
_MAX_ROUND_TRIP = 2**63 - 1024


@dataclass(frozen=True, slots=True)
class Term:
    """A compiled part.

    Attributes:
        expression: true for a superset of the rows; None for all rows.
        exact: the expression is true for exactly the rows, apart from `verify`.
        verify: string columns where bytes that are not UTF-8 would be compared.
    """

    expression: Expression | None
    exact: bool = True
    verify: frozenset[str] = frozenset()


EXACT_TRUE = Term(None)
NOTHING = Term(None, exact=False)


def false_expression() -> Expression:
    """Return an expression that is false for every record, decided on its digest alone."""
    from aerospike_helpers import expressions as exp

    return exp.Eq(exp.DigestMod(1), 1)


def is_encodable(text: str) -> bool:
    """Whether a string reaches the server whole.

    The official client (19.3) ends a string at its first NUL, in expressions and in keys; a lone surrogate has no
    UTF-8.
    """
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def compile_leaf(leaf: Compare | In | IsNull | StartsWith, column: Column, *, negated: bool) -> Term:
    """Return the term of one bound leaf; `negated` only above In, IsNull and StartsWith."""
    if column.source is not Source.BIN:
        return _metadata(leaf, column)
    if isinstance(leaf, IsNull):
        return _present(column) if negated else _missing(column)
    if isinstance(leaf, In) and len(leaf.values) > MAX_IN:
        return _inexact(_present(column))
    if column.kind is Kind.STRING:
        return _string(leaf, column, negated)
    if isinstance(leaf, StartsWith):
        return _inexact(_present(column))
    if column.kind is Kind.INT64:
        return Term(_on_integers(leaf, column, negated))
    if column.kind is Kind.DOUBLE:
        return Term(_on_doubles(leaf, column, negated))
    if column.kind is Kind.BOOL and isinstance(leaf, Compare):
        return Term(_compare("=", _bin("BoolBin", column), leaf.value))
    if column.kind is Kind.BINARY:
        return _binary(leaf, column, negated)
    return _inexact(_present(column))


def _inexact(term: Term) -> Term:
    return Term(term.expression, exact=False)


# ---------------------------------------------------------------------------------------- building blocks


def _exp(name: str, *arguments: Any) -> Expression:
    from aerospike_helpers import expressions as exp

    return getattr(exp, name)(*arguments)


def _bin(reader: str, column: Column) -> Expression:
    return _exp(reader, column.bin)


_COMPARISONS: dict[Operator, str] = {"=": "Eq", "<>": "NE", "<": "LT", "<=": "LE", ">": "GT", ">=": "GE"}


def _compare(op: Operator, left: Expression, right: Any) -> Expression:
    return _exp(_COMPARISONS[op], left, right)


def _type_is(column: Column, particle: ParticleType, op: Operator = "=") -> Expression:
    return _compare(op, _exp("BinType", column.bin), int(particle))


def _any(parts: Sequence[Expression]) -> Expression:
    return parts[0] if len(parts) == 1 else _exp("Or", *parts)


def _all(parts: Sequence[Expression]) -> Expression:
    return parts[0] if len(parts) == 1 else _exp("And", *parts)


def _member(value: Expression, constants: Sequence[Any]) -> Expression:
    """``value`` is one of the sorted constants: an OR of equals, above 8 of them behind a binary search."""
    if len(constants) <= _LINEAR_IN:
        return _any([_compare("=", value, c) for c in constants])
    middle = len(constants) // 2
    low = _all([_compare("<", value, constants[middle]), _member(value, constants[:middle])])
    high = _all([_compare(">=", value, constants[middle]), _member(value, constants[middle:])])
    return _any([low, high])


# ------------------------------------------------------------------------ present, missing (IS [NOT] NULL)

_TYPES: dict[Kind, ParticleType] = {
    Kind.INT64: ParticleType.INTEGER,
    Kind.STRING: ParticleType.STRING,
    Kind.BOOL: ParticleType.BOOL,
    Kind.GEOJSON: ParticleType.GEOJSON,
    Kind.LIST: ParticleType.LIST,
    Kind.MAP: ParticleType.MAP,
    Kind.STRUCT: ParticleType.MAP,
}
_EXACT_TYPES = frozenset({Kind.INT64, Kind.BOOL})


def _present(column: Column) -> Term:
    """The bin is there and fits; other than for integers and booleans its bytes may still turn out not to."""
    if column.kind is Kind.DOUBLE:
        integer = _all([_type_is(column, ParticleType.INTEGER), _is_double(column)])
        return Term(_any([_type_is(column, ParticleType.DOUBLE), integer]))
    if column.kind is Kind.BINARY:
        return Term(_holds_bytes(column))
    if column.kind is Kind.JSON:
        return Term(_exp("BinExists", column.bin), verify=frozenset({column.name}))
    doubtful = frozenset() if column.kind in _EXACT_TYPES else frozenset({column.name})
    return Term(_type_is(column, _TYPES[column.kind]), verify=doubtful)


def _missing(column: Column) -> Term:
    """The bin is not there or does not fit; where the server cannot see what fits, nothing is pushed."""
    if column.kind is Kind.DOUBLE:
        no_integer = _any([_type_is(column, ParticleType.INTEGER, "<>"), _is_no_double(column)])
        return Term(_all([_type_is(column, ParticleType.DOUBLE, "<>"), no_integer]))
    if column.kind is Kind.BINARY:
        return Term(_exp("Not", _holds_bytes(column)))
    if column.kind in _EXACT_TYPES:
        return Term(_type_is(column, _TYPES[column.kind], "<>"))
    return NOTHING


def _holds_bytes(column: Column) -> Expression:
    """Blob, HLL and the language blobs; `bin_type` is never unknown, so NOT of this is exact too."""
    language = [
        _type_is(column, ParticleType.JAVA_BLOB, ">="),
        _type_is(column, ParticleType.ERLANG_BLOB, "<="),
    ]
    return _any([_type_is(column, ParticleType.BLOB), _type_is(column, ParticleType.HLL), _exp("And", *language)])


def _is_double(column: Column) -> Expression:
    """The integer in the bin comes back unchanged from a double; unknown for another type."""
    value = _bin("IntBin", column)
    back = _exp("ToInt", _exp("ToFloat", value))
    return _exp("And", _compare("<=", value, _MAX_ROUND_TRIP), _compare("=", back, value))


def _is_no_double(column: Column) -> Expression:
    value = _bin("IntBin", column)
    back = _exp("ToInt", _exp("ToFloat", value))
    return _exp("Or", _compare(">", value, _MAX_ROUND_TRIP), _compare("<>", back, value))


# ------------------------------------------------------------------------------------- comparisons by kind


def _on_integers(leaf: Compare | In, column: Column, negated: bool) -> Expression:
    value = _bin("IntBin", column)
    if isinstance(leaf, Compare):
        return _compare(leaf.op, value, leaf.value)
    member = _member(value, _sorted(leaf.values))
    return _exp("Not", member) if negated else member


def _string(leaf: Compare | In | StartsWith, column: Column, negated: bool) -> Term:
    doubtful = frozenset({column.name})
    constants: Sequence[Value] = (
        leaf.values if isinstance(leaf, In) else [leaf.prefix] if isinstance(leaf, StartsWith) else [leaf.value]
    )
    if not all(isinstance(c, str) and is_encodable(c) for c in constants):
        return _inexact(_present(column))
    value = _bin("StrBin", column)
    if isinstance(leaf, Compare):
        verify = frozenset[str]() if leaf.op == "=" else doubtful
        return Term(_compare(leaf.op, value, leaf.value), verify=verify)
    if isinstance(leaf, In):
        # Bytewise order of UTF-8 is the order of the code points, which is Python's.
        member = _member(value, _sorted(leaf.values))
        return Term(_exp("Not", member), verify=doubtful) if negated else Term(member)
    return Term(_prefixed(value, leaf.prefix, column, negated), verify=doubtful)


def _prefixed(value: Expression, prefix: str, column: Column, negated: bool) -> Expression:
    """A range: bytewise order puts all strings with a prefix together, with no regex to escape."""
    end = _after_prefix(prefix)
    if negated:
        outside = [_compare("<", value, prefix)] + ([] if end is None else [_compare(">=", value, end)])
        return _any(outside)
    inside = [_compare(">=", value, prefix)] + ([] if end is None else [_compare("<", value, end)])
    return _all(inside)


def _after_prefix(prefix: str) -> str | None:
    """Return the smallest string above all that start with `prefix`; None where there is none."""
    for at in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[at])
        if code < 0x10FFFF:
            # U+D800..U+DFFF are no characters.
            return prefix[:at] + chr(0xE000 if code == 0xD7FF else code + 1)
    return None


def _binary(leaf: Compare | In, column: Column, negated: bool) -> Term:
    value = _bin("BlobBin", column)
    if isinstance(leaf, Compare):
        known = _compare(leaf.op, value, leaf.value)
    else:
        known = _member(value, _sorted(leaf.values))
        known = _exp("Not", known) if negated else known
    unknown = _exp("And", _type_is(column, ParticleType.BLOB, "<>"), _holds_bytes(column))
    return Term(_any([known, unknown]), exact=False)


def _sorted(values: Sequence[Value]) -> list[Any]:
    return sorted(values)


def _on_doubles(leaf: Compare | In, column: Column, negated: bool) -> Expression:
    """Double particles as SQL orders them, or integer particles that are doubles."""
    if isinstance(leaf, Compare):
        double, integer = _on_double_particle(leaf, column), _on_integer_particle(leaf, column)
        return double if integer is None else _exp("Or", double, integer)
    if negated:
        return _all([_on_doubles(Compare("<>", leaf.column, v), column, False) for v in leaf.values])
    value = _bin("FloatBin", column)
    numbers = _sorted([v for v in leaf.values if not is_nan(v)])
    found = [_member(value, numbers)] if numbers else []
    if len(numbers) < len(leaf.values):
        found.append(_compare("<>", value, value))
    integers = sorted({int(v) for v in numbers if v.is_integer() and -(2**63) <= v < 2**63})
    if integers:
        is_integer = _type_is(column, ParticleType.INTEGER)
        found.append(_exp("And", is_integer, _member(_bin("IntBin", column), integers)))
    return _any(found)


def _on_double_particle(p: Compare, column: Column) -> Expression:
    value = _bin("FloatBin", column)
    if is_nan(p.value):
        # `bind_compare` leaves = and <>; NaN is what differs from itself.
        return _compare("<>" if p.op == "=" else "=", value, value)
    if p.op == ">":
        return _exp("Not", _compare("<=", value, p.value))
    if p.op == ">=":
        return _exp("Not", _compare("<", value, p.value))
    return _compare(p.op, value, p.value)


def _on_integer_particle(p: Compare, column: Column) -> Expression | None:
    is_integer = _type_is(column, ParticleType.INTEGER)
    bound = bind_compare(p, Domain.INTEGER)
    if isinstance(bound, Always):
        return None
    if not isinstance(bound, Compare):
        return _exp("And", is_integer, _is_double(column))
    compared = _compare(bound.op, _bin("IntBin", column), bound.value)
    if bound.op == "=":
        return _exp("And", is_integer, compared)
    return _exp("And", is_integer, compared, _is_double(column))


# ---------------------------------------------------------------------------------------------- metadata

_NEVER_EXPIRES = -1


def _metadata(leaf: Compare | In | IsNull | StartsWith, column: Column) -> Term:
    """Only whether a record expires: a ttl in seconds moves on between the server's look at it and ours.

    The user key is found by its digest (see `access`); the server has no expression for generation or digest.
    """
    if column.source is not Source.TTL or not isinstance(leaf, Compare):
        return NOTHING
    if leaf.op not in ("=", "<>") or leaf.value != _NEVER_EXPIRES:
        return NOTHING
    return Term(_compare(leaf.op, _exp("TTL"), _NEVER_EXPIRES))

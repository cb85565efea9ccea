"""Constants brought into the domain of the column that they are compared with.

After `bind_compare` and `bind_in` an integer column is compared with int64 constants only, a double column
with doubles only, and what the types alone decide is decided: ``n > 2.5`` becomes ``n >= 3``,
``f = 9007199254740993`` is never true, ``n < 1e300`` holds for every value that is there. Comparison across
the two is of the exact numbers, never of one rounded into the other's type. Both the compiled server
expression and the evaluation of a batch start from here, so that they cannot differ in it.
"""

from __future__ import annotations

import math
import sys
from enum import Enum

import pyarrow as pa

from aerospike_magic.errors import FilterError
from aerospike_magic.filters.predicate import (
    Always,
    Compare,
    In,
    IsNull,
    Not,
    Operator,
    Value,
    describe,
    describe_value,
    is_nan,
)

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1


class Domain(Enum):
    """What the values of a column are, as far as a comparison cares."""

    INTEGER = "an integer"
    DOUBLE = "a number"
    STRING = "a string"
    BOOL = "true or false"
    BINARY = "bytes"
    OTHER = "nested"


def domain_of(dtype: pa.DataType) -> Domain:
    """Return the domain of an Arrow type; lists, maps, structs and the like are `Domain.OTHER`."""
    if pa.types.is_int64(dtype):
        return Domain.INTEGER
    if pa.types.is_float64(dtype):
        return Domain.DOUBLE
    if pa.types.is_string(dtype) or pa.types.is_large_string(dtype):
        return Domain.STRING
    if pa.types.is_boolean(dtype):
        return Domain.BOOL
    binary = pa.types.is_binary(dtype) or pa.types.is_large_binary(dtype)
    return Domain.BINARY if binary or pa.types.is_fixed_size_binary(dtype) else Domain.OTHER


def bind_compare(p: Compare, domain: Domain) -> Compare | Not | Always:
    """Return what `p` is true for, with its constant in `domain`.

    Returns:
        a comparison with a constant of the domain; or IS NOT NULL where every value satisfies it; or nothing.

    Raises:
        FilterError: the constant is of a type that the column cannot be compared with.
    """
    check_constant(p, domain)
    if p.value is None:
        return Always(False)
    if domain is Domain.INTEGER:
        return _bind_integer(p)
    if domain is Domain.DOUBLE:
        return _bind_double(p)
    return _bind_bool(p) if domain is Domain.BOOL else p


def bind_in(p: In, domain: Domain) -> In | Compare | Always:
    """Return ``IN`` over the values that the column can hold at all; see `bind_compare`."""
    values: dict[tuple[type, Value], Value] = {}
    for value in p.values:
        bound = bind_compare(Compare("=", p.column, value), domain)
        if isinstance(bound, Compare):
            # Every NaN is one NaN, and -0.0 is 0.0.
            values[type(bound.value), "nan" if is_nan(bound.value) else bound.value] = bound.value
    if not values:
        return Always(False)
    found = tuple(values.values())
    return Compare("=", p.column, found[0]) if len(found) == 1 else In(p.column, found)


def check_constant(p: Compare, domain: Domain) -> None:
    """Raise FilterError where the constant cannot be compared with a column of `domain`."""
    fits: dict[Domain, tuple[type, ...]] = {
        Domain.INTEGER: (int, float),
        Domain.DOUBLE: (int, float),
        Domain.STRING: (str,),
        Domain.BOOL: (bool,),
        Domain.BINARY: (bytes,),
        Domain.OTHER: (),
    }
    value, wanted = p.value, fits[domain]
    if value is None:
        return
    if isinstance(value, bool) != (domain is Domain.BOOL) or not isinstance(value, wanted):
        shown = describe_value(value)
        raise FilterError(
            f"{describe(p)}: {p.column} holds {domain.value} and cannot be compared with {shown}",
            hint="cast one side in SQL" if wanted else "only IS NULL and IS NOT NULL work on nested columns",
        )


def present(column: str) -> Not:
    """Return ``column IS NOT NULL``."""
    return Not(IsNull(column))


def _bind_integer(p: Compare) -> Compare | Not | Always:
    value = p.value
    if isinstance(value, float):
        if is_nan(value) or value == math.inf:
            return _above_all(p)
        if value == -math.inf:
            return _below_all(p)
        if not value.is_integer():
            return _between(p, math.floor(value), math.ceil(value))
        value = int(value)
    assert isinstance(value, int)
    if value > INT64_MAX:
        return _above_all(p)
    if value < INT64_MIN:
        return _below_all(p)
    return Compare(p.op, p.column, value)


def _bind_double(p: Compare) -> Compare | Not | Always:
    if is_nan(p.value):
        return _bind_nan(p)
    if isinstance(p.value, float):
        return p
    assert isinstance(p.value, int)
    low, high = neighbouring_doubles(p.value)
    return Compare(p.op, p.column, low) if low == high else _between(p, low, high)


def _bind_nan(p: Compare) -> Compare | Not | Always:
    # Nothing is greater, so that only "is NaN" and "is not" are left.
    if p.op == ">":
        return Always(False)
    if p.op == "<=":
        return present(p.column)
    return Compare("=" if p.op in ("=", ">=") else "<>", p.column, math.nan)


def _bind_bool(p: Compare) -> Compare | Not | Always:
    # false < true; what is left is an equality.
    true_fits = {"=": p.value, "<>": not p.value, ">": not p.value, ">=": True, "<": False, "<=": p.value}
    false_fits = {"=": not p.value, "<>": p.value, ">": False, ">=": not p.value, "<": p.value, "<=": True}
    if true_fits[p.op] and false_fits[p.op]:
        return present(p.column)
    if true_fits[p.op] or false_fits[p.op]:
        return Compare("=", p.column, bool(true_fits[p.op]))
    return Always(False)


def neighbouring_doubles(value: int) -> tuple[float, float]:
    """Return the largest double <= value and the smallest >= value; both are `value` where it is one."""
    try:
        near = float(value)
    except OverflowError:
        edge = sys.float_info.max
        return (edge, math.inf) if value > 0 else (-math.inf, -edge)
    if near == value:
        return near, near
    # Python compares int and float exactly.
    if near < value:
        return near, math.nextafter(near, math.inf)
    return math.nextafter(near, -math.inf), near


def _between(p: Compare, low: float, high: float) -> Compare | Not | Always:
    """Compare with a constant that lies strictly between two neighbouring values of the domain."""
    if p.op == "=":
        return Always(False)
    if p.op == "<>":
        return present(p.column)
    if p.op in ("<", "<="):
        return Compare("<=", p.column, low)
    return Compare(">=", p.column, high)


def _above_all(p: Compare) -> Not | Always:
    return present(p.column) if p.op in ("<", "<=", "<>") else Always(False)


def _below_all(p: Compare) -> Not | Always:
    return present(p.column) if p.op in (">", ">=", "<>") else Always(False)


def int_bounds(op: Operator, value: int) -> tuple[int, int] | None:
    """Return the inclusive int64 range of ``column op value``; None where it is empty or has a hole."""
    low, high = INT64_MIN, INT64_MAX
    if op == "<>":
        return None
    if op in ("=", ">=", ">"):
        low = value + (op == ">")
    if op in ("=", "<=", "<"):
        high = value - (op == "<")
    return (low, high) if INT64_MIN <= low <= high <= INT64_MAX else None

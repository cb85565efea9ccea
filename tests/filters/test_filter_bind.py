"""Constants in the domain of their column: exact, whatever their own type."""

from __future__ import annotations

import math
import sys

import pytest

from aerospike_magic.errors import FilterError
from aerospike_magic.filters import Always, Compare, In, IsNull, Not
from aerospike_magic.filters.bind import (
    INT64_MAX,
    INT64_MIN,
    Domain,
    bind_compare,
    bind_in,
    int_bounds,
    neighbouring_doubles,
)

PRESENT, NEVER = Not(IsNull("c")), Always(False)


@pytest.mark.parametrize(
    ("op", "value", "bound"),
    [
        (">", 2.5, Compare(">=", "c", 3)),
        ("<", 2.5, Compare("<=", "c", 2)),
        ("<=", -2.5, Compare("<=", "c", -3)),
        ("=", 2.5, NEVER),
        ("<>", 2.5, PRESENT),
        ("=", 2.0, Compare("=", "c", 2)),
        ("<", 1e300, PRESENT),
        (">", 1e300, NEVER),
        ("=", 1e300, NEVER),
        ("<", 2**63, PRESENT),
        ("<=", INT64_MAX, Compare("<=", "c", INT64_MAX)),
        (">=", -(2**63) - 1, PRESENT),
        ("<", -math.inf, NEVER),
        (">", -math.inf, PRESENT),
        ("<", math.inf, PRESENT),
        # NaN is greater than every number.
        ("<", math.nan, PRESENT),
        ("<>", math.nan, PRESENT),
        (">=", math.nan, NEVER),
        ("=", math.nan, NEVER),
    ],
)
def test_an_integer_column(op, value, bound):
    assert bind_compare(Compare(op, "c", value), Domain.INTEGER) == bound


@pytest.mark.parametrize(
    ("op", "value", "bound"),
    [
        ("=", 2**53 + 1, NEVER),
        ("<>", 2**53 + 1, PRESENT),
        ("<", 2**53 + 1, Compare("<=", "c", float(2**53))),
        (">", 2**53 + 1, Compare(">=", "c", float(2**53 + 2))),
        ("=", 3, Compare("=", "c", 3.0)),
        ("<", 10**400, Compare("<=", "c", sys.float_info.max)),
        (">", 10**400, Compare(">=", "c", math.inf)),
        (">", -(10**400), Compare(">=", "c", -sys.float_info.max)),
        (">", math.nan, NEVER),
        ("<=", math.nan, PRESENT),
    ],
)
def test_a_double_column(op, value, bound):
    assert bind_compare(Compare(op, "c", value), Domain.DOUBLE) == bound


@pytest.mark.parametrize("op", ["=", ">="])
def test_only_nan_is_as_great_as_nan(op):
    bound = bind_compare(Compare(op, "c", math.nan), Domain.DOUBLE)
    assert bound.op == "=" and math.isnan(bound.value)


@pytest.mark.parametrize(
    ("op", "value", "bound"),
    [
        ("<", True, Compare("=", "c", False)),
        ("<", False, NEVER),
        ("<=", True, PRESENT),
        (">", False, Compare("=", "c", True)),
        ("<>", True, Compare("=", "c", False)),
        (">=", False, PRESENT),
    ],
)
def test_a_boolean_column(op, value, bound):
    assert bind_compare(Compare(op, "c", value), Domain.BOOL) == bound


def test_in_keeps_what_the_column_can_hold():
    assert bind_in(In("c", (1, 2.5, 2.0, 2, 2**63)), Domain.INTEGER) == In("c", (1, 2))
    assert bind_in(In("c", (2.5, math.nan)), Domain.INTEGER) == NEVER
    assert bind_in(In("c", (0.0, -0.0, 2**53 + 1)), Domain.DOUBLE) == Compare("=", "c", 0.0)
    nan_once = bind_in(In("c", (math.nan, -math.nan, 1)), Domain.DOUBLE)
    assert isinstance(nan_once, In) and len(nan_once.values) == 2


@pytest.mark.parametrize(
    ("value", "domain"),
    [("1", Domain.INTEGER), (True, Domain.INTEGER), (1, Domain.BOOL), (b"a", Domain.STRING), (1, Domain.OTHER)],
)
def test_a_constant_of_another_type_is_refused(value, domain):
    with pytest.raises(FilterError, match="cannot be compared"):
        bind_compare(Compare("=", "c", value), domain)


def test_ranges_of_an_index():
    assert int_bounds("=", 5) == (5, 5)
    assert int_bounds(">", 5) == (6, INT64_MAX)
    assert int_bounds("<=", 5) == (INT64_MIN, 5)
    assert int_bounds(">", INT64_MAX) is None
    assert int_bounds("<", INT64_MIN) is None
    assert int_bounds("<>", 5) is None


@pytest.mark.parametrize("value", [0, 2**53, 2**53 + 1, -(2**60) - 1, 10**30 + 7, -(10**400), 10**400])
def test_neighbouring_doubles(value):
    low, high = neighbouring_doubles(value)
    assert low <= value <= high
    assert low == high or math.nextafter(low, math.inf) == high

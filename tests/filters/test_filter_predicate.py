"""The tree itself: rewriting it without changing its rows, and saying it in words."""

from __future__ import annotations

import math

import pyarrow.compute as pc
import pytest

from aerospike_magic.filters import (
    Always,
    And,
    Compare,
    In,
    IsNull,
    Not,
    Opaque,
    Or,
    StartsWith,
    columns_of,
    conjunction,
    conjuncts,
    describe,
    simplify,
)

A, B = Compare("=", "a", 1), Compare(">", "b", 2.5)


@pytest.mark.parametrize(
    ("predicate", "text"),
    [
        (None, ""),
        (Compare("=", "origin", "JFK"), "origin = 'JFK'"),
        (Compare("<>", "name", "O'Brien"), "name <> 'O''Brien'"),
        (Compare(">=", "f", math.nan), "f >= NaN"),
        (Compare("<", "f", -math.inf), "f < -Infinity"),
        (Compare("=", "b", True), "b = TRUE"),
        (Compare("=", "x", b"\x00\xff"), "x = X'00FF'"),
        (Compare("=", "s", "a\nb\x1b"), "s = 'a\\nb\\x1b'"),
        (Compare("=", "s", "x" * 100), "s = '" + "x" * 59 + "…'"),
        (Compare("=", "select me", 1), '"select me" = 1'),
        (In("carrier", ("AA", "UA")), "carrier IN ('AA', 'UA')"),
        (In("carrier", tuple("ABCDEFGHIJKL")), "carrier IN ('A', 'B', … 12 values)"),
        (Not(In("a", (1, None))), "a NOT IN (1, NULL)"),
        (IsNull("a"), "a IS NULL"),
        (Not(IsNull("a")), "a IS NOT NULL"),
        (StartsWith("s", "J"), "starts_with(s, 'J')"),
        (Not(StartsWith("s", "J")), "NOT (starts_with(s, 'J'))"),
        (And(A, Or(A, B)), "a = 1 AND (a = 1 OR b > 2.5)"),
        (Always(True), "TRUE"),
        (Or(), "FALSE"),
        (And(), "TRUE"),
    ],
)
def test_in_words(predicate, text):
    assert describe(predicate) == text


@pytest.mark.parametrize(
    ("predicate", "simple"),
    [
        (Not(Compare("<", "a", 1)), Compare(">=", "a", 1)),
        (Not(Not(A)), A),
        (Not(And(A, B)), Or(Compare("<>", "a", 1), Compare("<=", "b", 2.5))),
        (Not(Or(A, IsNull("b"))), And(Compare("<>", "a", 1), Not(IsNull("b")))),
        (And(A, And(B, And(A))), And(A, B)),
        (And(A, Always(True)), A),
        (And(A, Always(False)), Always(False)),
        (Or(A, Always(True)), Always(True)),
        (Or(), Always(False)),
        (Or(Compare("=", "a", 1), B, In("a", (2, 3))), Or(In("a", (1, 2, 3)), B)),
        (In("a", (1,)), Compare("=", "a", 1)),
        (In("a", ()), Always(False)),
        (Not(In("a", ())), Always(True)),
        (And(Not(IsNull("a")), A), A),
        (And(Not(IsNull("a")), B), And(Not(IsNull("a")), B)),
    ],
)
def test_simplify(predicate, simple):
    assert simplify(predicate) == simple


def test_a_comparison_with_null_is_never_true_nor_is_its_negation():
    assert simplify(Compare("=", "a", None)) == Always(False)
    assert simplify(Not(Compare("=", "a", None))) == Always(False)
    assert simplify(Not(In("a", (1, None)))) == Always(False)
    assert simplify(In("a", (1, None))) == Compare("=", "a", 1)


def test_values_that_python_takes_for_equal_stay_apart():
    merged = simplify(Or(Compare("=", "a", 1), Compare("=", "a", True), Compare("=", "a", 1.0)))
    assert isinstance(merged, In)
    assert [type(v) for v in merged.values] == [int, bool, float]


def test_two_opaque_parts_are_never_merged():
    first = Opaque(pc.field("a") + 1 > 2, frozenset("a"))
    second = Opaque(pc.field("a") + 1 > 3, frozenset("a"))
    assert simplify(And(first, second)).children == (first, second)
    assert simplify(And(first, second)).children[1].expression is second.expression


def test_parts_and_columns():
    assert conjuncts(And(A, And(B, IsNull("c")))) == (A, B, IsNull("c"))
    assert conjuncts(None) == ()
    assert conjunction([None, A, None]) == A
    assert conjunction([A, None, B]) == And(A, B)
    assert conjunction([None]) is None
    assert columns_of(Or(A, Not(In("c", (1,))), Opaque(None, frozenset({"x", "y"})))) == {"a", "c", "x", "y"}
    assert columns_of(None) == frozenset()

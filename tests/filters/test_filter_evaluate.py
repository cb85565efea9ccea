"""A predicate on a record batch, one rule a test."""

from __future__ import annotations

import math

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from aerospike_magic.errors import FilterError
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
    evaluate,
    filter_batch,
)

NAN = math.nan
BATCH = pa.record_batch(
    {
        "n": pa.array([1, 2, None, 2**63 - 1, 2**53 + 1]),
        "f": pa.array([1.0, NAN, None, math.inf, -0.0]),
        "s": pa.array(["a", "b\0c", None, "", "é"]),
        "b": pa.array([True, False, None, True, False]),
        "x": pa.array([b"a", b"", None, b"\xff", b"a\0"]),
        "d": pa.array([b"a" * 20, b"b" * 20, None, b"\xff" * 20, b"a" * 20], pa.binary(20)),
        "l": pa.array([[1], [], None, [None], [2]]),
    }
)


def rows(predicate):
    mask = evaluate(predicate, BATCH)
    assert mask.null_count == 0 and len(mask) == BATCH.num_rows
    return [i for i, keep in enumerate(mask.to_pylist()) if keep]


@pytest.mark.parametrize(
    ("predicate", "kept"),
    [
        (None, [0, 1, 2, 3, 4]),
        (Always(False), []),
        (Compare(">", "n", 1), [1, 3, 4]),
        (Compare(">=", "n", 1.5), [1, 3, 4]),
        (Compare("=", "n", float(2**53)), []),
        (Not(Compare("=", "n", 1)), [1, 3, 4]),
        (In("n", (1, 2, None)), [0, 1]),
        (Not(In("n", (1, 2))), [3, 4]),
        (Not(In("n", (1, None))), []),
        (In("n", ()), []),
        (Not(In("n", ())), [0, 1, 2, 3, 4]),
        (IsNull("n"), [2]),
        (Not(IsNull("l")), [0, 1, 3, 4]),
        (Compare("=", "b", True), [0, 3]),
        (Compare("<", "b", True), [1, 4]),
        (Compare(">", "s", "a"), [1, 4]),
        (Compare("=", "s", ""), [3]),
        (Compare("=", "s", "b\0c"), [1]),
        (StartsWith("s", ""), [0, 1, 3, 4]),
        (StartsWith("s", "b\0"), [1]),
        (Not(StartsWith("s", "a")), [1, 3, 4]),
        (Compare(">", "x", b"a"), [3, 4]),
        (Compare("=", "d", b"a" * 20), [0, 4]),
        (Compare(">", "d", b"b"), [1, 3]),
        (In("d", (b"b" * 20,)), [1]),
        (Or(IsNull("n"), Compare("=", "n", 1)), [0, 2]),
        (Not(Or(IsNull("n"), Compare("=", "n", 1))), [1, 3, 4]),
        (And(Compare(">", "n", 1), Compare("=", "b", False)), [1, 4]),
    ],
)
def test_rows(predicate, kept):
    assert rows(predicate) == kept


@pytest.mark.parametrize(
    ("predicate", "kept"),
    [
        (Compare("=", "f", NAN), [1]),
        (Compare("<>", "f", NAN), [0, 3, 4]),
        (Compare("<", "f", NAN), [0, 3, 4]),
        (Compare("<=", "f", NAN), [0, 1, 3, 4]),
        (Compare(">", "f", NAN), []),
        (Compare(">", "f", math.inf), [1]),
        (Compare(">=", "f", math.inf), [1, 3]),
        (Compare("<>", "f", 1), [1, 3, 4]),
        (Compare("<", "f", 2), [0, 4]),
        (Compare("=", "f", 0.0), [4]),
        (In("f", (0.0, NAN)), [1, 4]),
        (Not(In("f", (0.0, NAN))), [0, 3]),
    ],
)
def test_nan_equals_itself_and_is_greatest(predicate, kept):
    assert rows(predicate) == kept


def test_an_opaque_part_is_evaluated_by_arrow():
    doubled = Opaque(pc.field("n") == pc.field("n") * pc.scalar(1), frozenset("n"))
    assert rows(And(Compare("<", "n", 5), Opaque(pc.field("n") > 1, frozenset("n")))) == [1]
    assert rows(Not(Opaque(pc.field("n") > 1, frozenset("n")))) == [0]
    assert rows(doubled) == [0, 1, 3, 4]


def test_an_empty_batch_and_no_filter():
    empty = BATCH.slice(0, 0)
    assert len(evaluate(And(Compare("=", "n", 1), Always(True), IsNull("s")), empty)) == 0
    assert len(evaluate(Opaque(pc.field("n") > 1, frozenset("n")), empty)) == 0
    assert filter_batch(None, BATCH) is BATCH
    assert filter_batch(Compare("=", "n", 1), BATCH).num_rows == 1


@pytest.mark.parametrize(
    "predicate",
    [
        Compare("=", "n", "1"),
        Compare("=", "l", 1),
        StartsWith("n", "a"),
        Compare("=", "zz", 1),
        In("s", ("a", 1)),
    ],
)
def test_what_makes_no_sense_is_refused(predicate):
    with pytest.raises(FilterError):
        evaluate(predicate, BATCH)

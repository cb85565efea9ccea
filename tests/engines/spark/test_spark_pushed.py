"""What the jar tells of a push-down is read back as the predicate, limit and aggregates that Spark meant."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from aerospike_magic.engines.spark.aggregates import Aggregate, PartialAggregates
from aerospike_magic.engines.spark.pushed import Limit, Pushed
from aerospike_magic.errors import QueryError
from aerospike_magic.filters.predicate import Always, And, Compare, In, IsNull, Not, Or, Predicate, StartsWith


def read(*filters: dict[str, Any], **options: object) -> Pushed:
    given = {f"aerospike_magic.pushed.{name}": json.dumps(value) for name, value in options.items()}
    if filters:
        given["aerospike_magic.pushed.filters"] = json.dumps(filters)
    return Pushed.from_options(given | {"aerospike.set": "flights"})


def is_null(column: str) -> dict[str, Any]:
    return {"op": "is_null", "column": column}


def compare(op: str, column: str, *value: str) -> dict[str, Any]:
    return {"op": op, "column": column, "value": list(value) or None}


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (compare("=", "a", "long", "9007199254740993"), Compare("=", "a", 2**53 + 1)),
        (compare("<>", "d", "double", "-1.5E-300"), Compare("<>", "d", -1.5e-300)),
        (compare(">", "d", "double", "-Infinity"), Compare(">", "d", -math.inf)),
        (compare("<=", "b", "boolean", "true"), Compare("<=", "b", True)),
        (compare("=", "x", "binary", "AP8="), Compare("=", "x", b"\x00\xff")),
        (compare("=", "s", "string", 'é"\n'), Compare("=", "s", 'é"\n')),
        (compare("=", "s"), Compare("=", "s", None)),
        (compare("starts_with", "s", "string", "ab"), StartsWith("s", "ab")),
        (compare("starts_with", "s"), Compare("=", "s", None)),
        ({"op": "in", "column": "a", "values": [["long", "1"], None]}, In("a", (1, None))),
        (is_null("l"), IsNull("l")),
        ({"op": "always", "value": False}, Always(False)),
        (
            {"op": "or", "children": [is_null("a"), {"op": "not", "children": [compare("<", "a", "long", "1")]}]},
            Or(IsNull("a"), Not(Compare("<", "a", 1))),
        ),
    ],
)
def test_predicates(node: dict[str, Any], expected: Predicate) -> None:
    assert read(node).predicate == expected


def test_nan() -> None:
    found = read(compare("=", "d", "double", "NaN")).predicate
    assert isinstance(found, Compare)
    assert isinstance(found.value, float)
    assert math.isnan(found.value)


def test_filters_and_run_time_keys_all_hold() -> None:
    keys = {"op": "in", "column": "__key", "values": [["long", "1"], ["long", "2"]]}
    found = read(compare(">", "a", "long", "3"), runtime=[keys])
    assert found.predicate == And(Compare(">", "a", 3), In("__key", (1, 2)))


def test_not_null_that_a_comparison_implies_is_left_out() -> None:
    not_null = [{"op": "not", "children": [is_null(name)]} for name in ("a", "b", "c")]
    opposite = {"op": "not", "children": [compare("=", "b", "long", "2")]}
    found = read(*not_null, compare("=", "a", "long", "3"), opposite)
    assert found.predicate == And(Not(IsNull("c")), Compare("=", "a", 3), Not(Compare("=", "b", 2)))


def test_limit_and_aggregates() -> None:
    functions = [{"function": "count_all"}, {"function": "max", "column": "v"}]
    found = read(limit={"rows": 7, "whole": True}, aggregates={"by": ["g"], "functions": functions})
    assert found.limit == Limit(7, True)
    assert found.aggregates == PartialAggregates(("g",), (Aggregate("count_all"), Aggregate("max", "v")))


def test_nothing_pushed() -> None:
    assert Pushed.from_options({"aerospike.set": "flights"}) == Pushed()


@pytest.mark.parametrize(
    "options",
    [
        {"filters": [{"op": "regex", "column": "s", "value": ["string", "x"], "children": []}]},
        {"filters": [{"op": "="}]},
        {"filters": [compare("=", "a", "decimal", "1")]},
        {"limit": {"lines": 1}},
        {"aggregates": {"by": [], "functions": [{"function": "median", "column": "a"}]}},
    ],
)
def test_what_a_newer_jar_would_push_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(QueryError, match="what the jar pushed cannot be read") as caught:
        read(**options)
    assert "versions" in caught.value.hint

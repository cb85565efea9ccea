"""What goes to the server, byte for byte, and what stays."""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from aerospike_magic.errors import FilterError, SchemaError
from aerospike_magic.filters import (
    Always,
    And,
    Compare,
    CompiledFilter,
    In,
    IsNull,
    Not,
    Opaque,
    Or,
    StartsWith,
    compile_filter,
    describe,
)
from aerospike_magic.filters.leaf import MAX_IN
from aerospike_magic.schema.types import Kind, SetSchema, bin_column, metadata_columns

VECTORS = Path(__file__).parent.parent / "vectors" / "expressions.jsonl"
RECORDED = {row["name"]: row for row in map(json.loads, VECTORS.read_text(encoding="utf-8").splitlines())}

BINS = {
    "id": (Kind.INT64, pa.int64()),
    "n": (Kind.INT64, pa.int64()),
    "f": (Kind.DOUBLE, pa.float64()),
    "s": (Kind.STRING, pa.string()),
    "b": (Kind.BOOL, pa.bool_()),
    "x": (Kind.BINARY, pa.binary()),
    "g": (Kind.GEOJSON, pa.string()),
    "j": (Kind.JSON, pa.string()),
    "l": (Kind.LIST, pa.list_(pa.int64())),
    "m": (Kind.MAP, pa.map_(pa.string(), pa.int64())),
    "t": (Kind.STRUCT, pa.struct({"a": pa.int64()})),
}
SCHEMA = SetSchema("test", "c", (*metadata_columns(), *(bin_column(n, *k) for n, k in BINS.items())))


class Encoder:
    """Stands in for the official client: the compiled operations as text, and how often it was asked."""

    def __init__(self):
        self.calls = []

    def __call__(self, expression):
        self.calls.append(expression.compile())
        return repr(self.calls[-1]).encode()


def split(predicate):
    encoder = Encoder()
    compiled = compile_filter(predicate, SCHEMA, encoder)
    assert (compiled.expression is not None) == bool(encoder.calls)
    return compiled


@pytest.mark.parametrize(
    ("predicate", "name"),
    [
        (Compare("=", "n", 110), "n == 110"),
        (Compare("<>", "n", 110), "n != 110"),
        (Not(Compare("=", "n", 110)), "n != 110"),
        (Compare(">", "n", 100), "n > 100"),
        (Compare(">=", "n", 100), "n >= 100"),
        (Compare("<", "n", 100), "n < 100"),
        (Compare("<=", "n", 100), "n <= 100"),
        (Compare(">=", "n", 99.5), "n >= 100"),
        (Compare("<=", "n", 100.5), "n <= 100"),
        (Compare("=", "n", 2**63 - 1), "n == max"),
        (Compare("=", "n", -(2**63)), "n == min"),
        (Compare("=", "s", "name05"), "s == name05"),
        (Compare("<>", "s", "name05"), "s != name05"),
        (Compare(">", "s", "name30"), "s > name30"),
        (Compare("<=", "s", "name30"), "s <= name30"),
        (Compare("=", "s", ""), "s == empty"),
        (Compare("=", "b", True), "b == true"),
        (Compare("<>", "b", True), "b == false"),
        (Not(IsNull("n")), "type n int"),
        (Compare("=", "__ttl", -1), "ttl"),
        (In("n", (777, 100, -180, -190)), "in (or of eq)"),
        (And(Compare(">", "id", 3), Compare("<", "id", 9), Compare("<>", "id", 5)), "and 3"),
    ],
)
def test_the_bytes_are_the_recorded_ones(client, predicate, name):
    def encode(expression):
        return base64.b64decode(client.get_expression_base64(expression.compile()))

    compiled = compile_filter(predicate, SCHEMA, encode)
    assert compiled.residual is None
    assert base64.b64encode(compiled.expression).decode() == RECORDED[name]["filter"]


@pytest.mark.parametrize(
    "predicate",
    [
        Compare(">", "n", 2.5),
        Compare("<", "n", 1e300),
        Compare(">", "f", 2.5),
        Compare("=", "f", math.nan),
        In("f", (1.0, math.nan)),
        Not(In("f", (1.0, math.nan))),
        IsNull("n"),
        IsNull("f"),
        IsNull("b"),
        IsNull("x"),
        Not(IsNull("x")),
        Compare("<>", "__ttl", -1),
        Or(Compare("=", "n", 1), IsNull("f")),
        Always(False),
        Compare("=", "n", 2.5),
    ],
)
def test_pushed_and_nothing_to_verify(predicate):
    compiled = split(predicate)
    assert compiled.expression is not None
    assert compiled.residual is None
    assert compiled.columns == frozenset()


@pytest.mark.parametrize(
    "predicate",
    [
        Compare("<>", "s", "a"),
        Compare(">", "s", "a"),
        StartsWith("s", "a"),
        Not(StartsWith("s", "a")),
        Not(In("s", ("a", "b"))),
        Not(IsNull("s")),
        Not(IsNull("l")),
        Not(IsNull("j")),
    ],
)
def test_pushed_and_verified_where_bytes_may_not_fit(predicate):
    compiled = split(predicate)
    assert compiled.pushed is not None and compiled.residual is None
    assert compiled.verify == compiled.columns != frozenset()


def test_string_equality_needs_no_verification():
    # A constant is UTF-8, so bytes that are not never equal it.
    assert split(In("s", ("a", "b"))).verify == frozenset()
    assert split(Compare("=", "s", "é")).verify == frozenset()


def test_all_columns_of_the_pushed_part_are_read_when_it_may_have_to_be_applied_again():
    assert split(And(Compare(">", "s", "a"), Compare("=", "n", 1))).columns == {"s", "n"}


@pytest.mark.parametrize(
    "predicate",
    [
        IsNull("s"),
        IsNull("l"),
        IsNull("j"),
        IsNull("g"),
        Compare("=", "__generation", 1),
        Compare("=", "__digest", b"a" * 20),
        Compare(">", "__ttl", 100),
        Compare("=", "__key", "a"),
        IsNull("__key"),
        Opaque(pc.field("n") > 1, frozenset("n")),
        Or(Compare("=", "n", 1), IsNull("s")),
        Or(Compare("=", "n", 1), Opaque(pc.field("n") > 1, frozenset("n"))),
    ],
)
def test_residual_alone(predicate):
    compiled = split(predicate)
    assert compiled == CompiledFilter(residual=compiled.residual)
    assert compiled.columns


@pytest.mark.parametrize(
    "predicate",
    [
        Compare("=", "x", b"a"),
        In("x", (b"a", b"b")),
        Compare("=", "j", "1"),
        Compare("=", "g", "{}"),
        # The official client would end the string at the NUL.
        Compare("=", "s", "a\0b"),
        StartsWith("s", "a\0"),
        In("n", tuple(range(MAX_IN + 1))),
        Or(Compare("=", "x", b"a"), Compare("=", "n", 1)),
    ],
)
def test_a_superset_is_pushed_and_checked_again(predicate):
    compiled = split(predicate)
    assert compiled.expression is not None
    assert compiled.pushed is None
    assert compiled.residual is not None


def test_each_conjunct_goes_its_own_way():
    compiled = split(And(Compare(">", "n", 1), IsNull("s"), Not(Or(Compare("=", "f", 1), Compare("=", "j", "x")))))
    assert describe(compiled.pushed) == "n > 1 AND f <> 1"
    assert describe(compiled.residual) == "s IS NULL AND j <> 'x'"
    assert compiled.describe() == "n > 1 AND f <> 1 pushed; s IS NULL AND j <> 'x' checked after the scan"
    assert compiled.columns == {"s", "j"}


def test_no_filter():
    assert split(None) == CompiledFilter() == split(And())
    assert split(None).describe() == "no filter"


def test_an_expression_too_large_stays_here():
    values = tuple(f"{i:0>700}" for i in range(800))
    compiled = compile_filter(In("s", values), SCHEMA, Encoder())
    assert (
        compiled.expression is None and compiled.pushed is None and describe(compiled.residual).endswith("800 values)")
    )


def test_long_lists_are_searched_not_walked():
    [operations] = _operations(In("n", tuple(range(512))))
    # Each level halves the list: an OR of two ANDs; 512 values end in 64 runs of 8.
    assert sum(1 for op in operations if op[0] == 1) == 512
    assert len(operations) < 512 * 5


def _operations(predicate):
    encoder = Encoder()
    compile_filter(predicate, SCHEMA, encoder)
    return encoder.calls


@pytest.mark.parametrize(
    "predicate",
    [Compare("=", "n", "a"), Compare("=", "l", 1), StartsWith("n", "a"), Compare("=", "b", 1), Compare("=", "s", 1)],
)
def test_what_makes_no_sense_is_refused(predicate):
    with pytest.raises(FilterError):
        split(And(IsNull("s"), predicate))


def test_an_unknown_column():
    with pytest.raises(SchemaError, match="no bin 'nn'"):
        split(Compare("=", "nn", 1))

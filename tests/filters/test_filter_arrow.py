"""Expressions as pyarrow, DuckDB and polars write them."""

from __future__ import annotations

import functools
import math
import operator

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
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
    describe,
    evaluate,
    from_arrow_expression,
    simplify,
)

TABLE = pa.table(
    {
        "a": pa.array([1, 2, None, 3]),
        "f": pa.array([1.0, 2.5, None, -1.0]),
        "s": pa.array(["a", "ab", None, "B"]),
        "b": pa.array([True, False, None, True]),
        "x": pa.array([b"a", b"b", None, b""]),
        "l": pa.array([[1], [2], None, []]),
    }
)
F = pc.field
NULL = pc.scalar(pa.scalar(None, pa.bool_()))


def read(expression):
    return from_arrow_expression(expression, TABLE.schema)


@pytest.mark.parametrize(
    ("expression", "predicate"),
    [
        (F("a") > 5, Compare(">", "a", 5)),
        (pc.scalar(5) < F("a"), Compare(">", "a", 5)),
        (pc.scalar(5) >= F("a"), Compare("<=", "a", 5)),
        (F("a") > 2.5, Compare(">", "a", 2.5)),
        (F("x") != b"a\0b", Compare("<>", "x", b"a\0b")),
        (F("s") == "O'Brien\n", Compare("=", "s", "O'Brien\n")),
        (F("a") == pa.scalar(None, pa.int64()), Compare("=", "a", None)),
        (~(F("a") == 5) & (F("f") < 2.5), And(Not(Compare("=", "a", 5)), Compare("<", "f", 2.5))),
        (
            (F("a") == 5) | (F("a") == 6) | F("b"),
            Or(Compare("=", "a", 5), Compare("=", "a", 6), Compare("=", "b", True)),
        ),
        (F("l").is_null(), IsNull("l")),
        (F("a").is_valid(), Not(IsNull("a"))),
        (F("f").is_null(nan_is_null=True), Or(IsNull("f"), Compare("=", "f", math.nan))),
        (F("b"), Compare("=", "b", True)),
        (~F("b"), Not(Compare("=", "b", True))),
        (pc.scalar(True), Always(True)),
        (pc.starts_with(F("s"), "a%"), StartsWith("s", "a%")),
        (pc.match_like(F("s"), "a%"), StartsWith("s", "a")),
        (pc.match_like(F("s"), "a"), Compare("=", "s", "a")),
    ],
)
def test_read(expression, predicate):
    assert repr(read(expression)) == repr(predicate)


def test_arrows_own_isin_knows_no_null():
    assert read(F("a").isin([1, 2])) == And(In("a", (1, 2)), Not(IsNull("a")))
    assert simplify(read(F("a").isin([1, 2]))) == In("a", (1, 2))
    assert simplify(read(~F("a").isin([1, 2]))) == Or(Not(In("a", (1, 2))), IsNull("a"))
    assert read(F("a").isin([1, None])) == Or(In("a", (1,)), IsNull("a"))


def test_duckdbs_in_is_sqls():
    found = pc.if_else(F("a").is_valid(), F("a").isin([1, 2]), NULL)
    assert read(found) == In("a", (1, 2))
    assert simplify(read(~found)) == Not(In("a", (1, 2)))


@pytest.mark.parametrize(
    "expression",
    [
        F("a") + 1 > 2,
        F("a").cast(pa.float64()) > 2.5,
        F("a") == F("f"),
        pc.match_like(F("s"), "a_%"),
        pc.match_like(F("s"), "A%", ignore_case=True),
        pc.match_like(F("s"), "a\\%%"),
        pc.utf8_upper(F("s")) == "AB",
        pc.if_else(F("b"), F("a") > 1, F("a") > 2),
        pc.xor(F("a") > 1, F("b")),
    ],
)
def test_what_is_not_understood_is_left_to_arrow_and_the_rest_is_read(expression):
    predicate = read((F("a") >= 1) & expression)
    assert predicate.children[0] == Compare(">=", "a", 1)
    opaque = predicate.children[1]
    assert isinstance(opaque, Opaque)
    assert opaque.columns <= {"a", "f", "s", "b"} and opaque.columns
    batch = TABLE.combine_chunks().to_batches()[0]
    kept = TABLE.combine_chunks().filter(evaluate(predicate, batch))
    assert kept.equals(TABLE.filter((F("a") >= 1) & expression).combine_chunks())


def test_what_cannot_even_be_taken_apart_is_opaque_as_a_whole():
    predicate = read(F(0) > 1)
    assert isinstance(predicate, Opaque) and predicate.columns == set(TABLE.column_names)
    batch = TABLE.combine_chunks().to_batches()[0]
    assert evaluate(predicate, batch).to_pylist() == [False, True, False, True]


def test_long_chains():
    chain = functools.reduce(operator.or_, [F("a") == i for i in range(800)])
    assert simplify(read(chain)) == In("a", tuple(range(800)))


class Recorded(ds.Dataset):
    """A dataset that keeps the filter it is asked for."""

    def __init__(self):
        self.asked = []

    @property
    def schema(self):
        return TABLE.schema

    def scanner(self, columns=None, filter=None, **_):
        self.asked.append(filter)
        return ds.dataset(TABLE).scanner(columns=columns, filter=filter)


@pytest.mark.parametrize(
    ("where", "pushed"),
    [
        ("a > 1", "a > 1"),
        ("a IN (1, 2)", "a IN (1, 2)"),
        ("a NOT IN (1, 2)", "a NOT IN (1, 2)"),
        ("NOT (a = 1)", "a <> 1"),
        ("s IS NULL", "s IS NULL"),
        ("a IS NOT NULL", "a IS NOT NULL"),
        ("a BETWEEN 1 AND 2", "a >= 1 AND a <= 2"),
        ("s > 'a' OR a = 1", "s > 'a' OR a = 1"),
        ("x = 'a'::BLOB", "x = X'61'"),
        ("a IN (1, 2) OR a > 7", "a IN (1, 2) OR a > 7"),
    ],
)
def test_what_duckdb_pushes(where, pushed):
    dataset = Recorded()
    with duckdb.connect() as con:
        con.register("d", dataset)
        con.execute(f"SELECT f FROM d WHERE {where}").fetchall()
    assert describe(simplify(read(dataset.asked[0]))) == pushed


@pytest.mark.parametrize(
    ("where", "pushed"),
    [
        (pl.col("f") > 1.5, "f > 1.5"),
        (pl.col("f").is_nan(), "f = NaN"),
        (~pl.col("b"), "b <> TRUE"),
        (pl.col("a").is_in([1, 2]), "a IN (1, 2)"),
        ((pl.col("a") != 1) | (pl.col("s") == "a"), "a <> 1 OR s = 'a'"),
    ],
)
def test_what_polars_pushes(where, pushed):
    dataset = Recorded()
    pl.scan_pyarrow_dataset(dataset).filter(where).collect()
    assert describe(simplify(read(dataset.asked[-1]))) == pushed


def test_a_field_of_a_struct_leaves_the_rest_readable() -> None:
    schema = pa.schema([("a", pa.int64()), ("m", pa.struct([("x", pa.int64())])), ("z", pa.string())])
    predicate = from_arrow_expression((pc.field("a") == 1) & (pc.field("m", "x") < 5), schema)
    assert isinstance(predicate, And)
    equal, opaque = predicate.children
    assert equal == Compare("=", "a", 1)
    assert isinstance(opaque, Opaque)
    assert opaque.columns == {"m"}
    batch = pa.record_batch({"a": [1, 1, 1], "m": [{"x": 4}, {"x": 6}, None], "z": ["", "", ""]}, schema=schema)
    assert evaluate(predicate, batch).to_pylist() == [True, False, False]

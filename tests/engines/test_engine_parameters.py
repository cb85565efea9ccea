"""Values are bound, never pasted; SQL's own colons, strings and comments are left alone."""

from __future__ import annotations

import datetime as dt
import decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aerospike_magic.engines.lexer import SPARK, tokenize
from aerospike_magic.engines.parameters import bind_parameters, parameter_names
from aerospike_magic.errors import ParameterError


@pytest.mark.parametrize("form", [":x", "{{x}}", "{{ x }}", "$x"])
def test_every_form_becomes_a_bound_value(form):
    bound = bind_parameters(f"SELECT {form} + 1", {"x": 41})
    assert bound.text == "SELECT $x + 1"
    assert bound.analysis == "SELECT :x + 1"
    assert bound.values == {"x": 41}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT ':x'",
        "SELECT 'it''s :x'",
        'SELECT ":x"',
        "SELECT 1 -- :x {{x}}",
        "SELECT 1 /* :x /* :y */ :z */",
        "SELECT $$ :x $$",
        "SELECT $tag$ :x $$ $tag$",
        r"SELECT e'\' :x'",
        "SELECT 1::int",
        "SELECT a::x",
        "SELECT x[1:2], x[a:b], x[:b], x[a:], f(y)[a:b]",
        "SELECT {'k': v, 'l': w}",
        "SELECT {k: v, l: {m: n}}",
        "SELECT MAP {'k': v}, MAP {k: v}",
        "SELECT total: 42, other:x FROM t: demo.flights",
        "SELECT 'unfinished :x",
    ],
)
def test_what_is_not_a_parameter_stays(sql):
    bound = bind_parameters(sql, {})
    assert bound.text == sql
    assert bound.values == {}


def test_parameters_beside_sqls_own_colons():
    sql = "SELECT {'k': :v}, x[1:2], [:a, :b], a: :c, :d::int, MAP {:k: :v}, x[1 + :e:] FROM t LIMIT :n"
    assert parameter_names(sql) == ("v", "a", "b", "c", "d", "k", "e", "n")


def test_a_missing_parameter_names_near_ones_and_its_place():
    with pytest.raises(ParameterError) as raised:
        bind_parameters("SELECT *\nFROM t WHERE a = :orign", {"origin": 1, "_hidden": 2})
    assert raised.value.position == 26
    assert ":origin?" in raised.value.hint


@pytest.mark.parametrize(
    ("value", "bound_value"),
    [
        (None, None),
        (True, True),
        (2**53 + 1, 2**53 + 1),
        (1.5, 1.5),
        ("a'b", "a'b"),
        (b"\x00", b"\x00"),
        (bytearray(b"a"), b"a"),
        (dt.date(2013, 1, 1), dt.date(2013, 1, 1)),
        (decimal.Decimal("1.10"), decimal.Decimal("1.10")),
        (np.int32(5), 5),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (np.datetime64("2013-01-01T10:00", "ns"), dt.datetime(2013, 1, 1, 10)),
        (np.datetime64("NaT"), None),
        (pd.NA, None),
        (pd.NaT, None),
        (pd.Timestamp("2013-01-01 10:00"), dt.datetime(2013, 1, 1, 10)),
        (pa.scalar(5), 5),
        ((1, 2), [1, 2]),
        (range(3), [0, 1, 2]),
        (np.array([1, 2]), [1, 2]),
        (pd.Series([1, None], dtype="Int64"), [1, None]),
        (pd.Index(["a"]), ["a"]),
        (pl.Series([1, None]), [1, None]),
        (pa.array(["a", None]), ["a", None]),
        ({"a": np.int64(1)}, {"a": 1}),
    ],
)
def test_values_that_can_be_bound(value, bound_value):
    bound = bind_parameters("SELECT :x", {"x": value})
    assert bound.values == {"x": bound_value}
    assert type(bound.values["x"]) is type(bound_value)


@pytest.mark.parametrize("value", [object(), print, 2**200, {1: 2}, pd.DataFrame({"a": [1]})])
def test_values_that_cannot(value):
    with pytest.raises(ParameterError, match=":x is"):
        bind_parameters("SELECT :x", {"x": value})


def test_a_list_stands_for_its_elements_in_in():
    values = {"l": ["JFK", "EWR"], "one": 3}
    assert bind_parameters("a IN :l", values).text == "a IN ($l_1, $l_2)"
    assert bind_parameters("a IN (:l)", values).text == "a IN ($l_1, $l_2)"
    assert bind_parameters("a IN ('BOS', {{l}})", values).text == "a IN ('BOS', $l_1, $l_2)"
    assert bind_parameters("a NOT IN (:l) AND b = ANY(:l)", values).text == "a NOT IN ($l_1, $l_2) AND b = ANY($l)"
    assert bind_parameters("f(:l) IN (:one)", values).values == {"l": ["JFK", "EWR"], "one": 3}


def test_an_empty_list_is_an_empty_set():
    assert bind_parameters("a IN :l", {"l": []}).text == "a IN (SELECT NULL WHERE FALSE)"
    assert bind_parameters("a IN (:l)", {"l": []}).text == "a IN (SELECT NULL WHERE FALSE)"
    with pytest.raises(ParameterError, match="empty list"):
        bind_parameters("a IN (1, :l)", {"l": []})


def test_identifiers_only_by_a_quoting_form():
    values = {"c": 'a"b', "cs": ["x", "y z"], "t": "demo.fli.ghts", "n": 5, "empty": ""}
    assert bind_parameters("SELECT {{c!i}}", values).text == 'SELECT "a""b"'
    assert bind_parameters("SELECT {{cs!i}}", values).text == 'SELECT "x", "y z"'
    assert bind_parameters("FROM {{t!t}}", values).text == 'FROM "demo"."fli.ghts"'
    for wrong in ("{{n!i}}", "{{c!s}}", "{{empty!i}}", "{{a.b}}", "$1"):
        with pytest.raises(ParameterError):
            bind_parameters(f"SELECT {wrong}", values)


def test_names_that_differ_in_case_are_two_parameters():
    bound = bind_parameters("SELECT :a, :A, :a", {"a": 1, "A": 2})
    assert bound.text == "SELECT $a, $A_1, $a"
    assert bound.values == {"a": 1, "A_1": 2}


def test_places_map_back_to_the_original_text():
    sql = "SELECT {{long_name}}, a IN :l, wrong"
    bound = bind_parameters(sql, {"long_name": 1, "l": [1, 2, 3]})
    assert bound.original_position(bound.text.index("wrong")) == sql.index("wrong")
    assert bound.original_position(bound.text.index("$l_2")) == sql.index(":l")
    assert bound.original_position(0) == 0
    assert len(bound.analysis) == len(bound.text)


@given(st.text(alphabet="aA1 :$'\"{}[](),.;-/*\n\\eE", max_size=40))
@settings(max_examples=300)
def test_any_text_is_cut_into_tokens_that_cover_it(sql):
    at = 0
    for token in tokenize(sql):
        assert token.start >= at
        assert sql[token.start : token.end] == token.text
        at = token.end
    assert at <= len(sql)


@given(st.text(max_size=30))
@settings(max_examples=200)
def test_a_value_never_reaches_the_text(value):
    assert bind_parameters("SELECT * FROM t WHERE a = :v AND b IN (:v)", {"v": value}).text == (
        "SELECT * FROM t WHERE a = $v AND b IN ($v)"
    )


# -- Spark's way of writing --


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT `it's :no` FROM t WHERE a = :yes", ["yes"]),
        ("SELECT 'it\\'s :no' , :yes", ["yes"]),
        ('SELECT "a string, :no", :yes', ["yes"]),
        ("SELECT r'\\' , :yes", ["yes"]),
        ("SELECT /* :no /* :no */ :no */ :yes -- :no", ["yes"]),
        ("SELECT `a``b :no`, :yes", ["yes"]),
    ],
)
def test_spark_text(sql: str, names: list[str]) -> None:
    bound = bind_parameters(sql, dict.fromkeys(names, 7), SPARK)
    assert sorted(bound.values) == names
    assert bound.analysis == sql


def test_spark_identifiers() -> None:
    bound = bind_parameters("SELECT {{c!i}} FROM {{t!t}}", {"c": ["a`b", "c"], "t": "demo.flights"}, SPARK)
    assert bound.analysis == "SELECT `a``b`, `c` FROM `demo`.`flights`"

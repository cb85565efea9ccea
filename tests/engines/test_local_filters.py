"""Filters derived from the statement: what is implied, what is not, and the same rows with them and without."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
import sqlglot
from arrow_catalog import ArrowCatalog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aerospike_magic.engines.base import QueryOptions
from aerospike_magic.engines.local.engine import LocalEngine
from aerospike_magic.engines.local.filters import derive_filters
from aerospike_magic.filters.predicate import describe

BIG = 2**53
ROWS = pa.table(
    {
        "i": pa.array([None, 0, 1, -1, 5, BIG, BIG + 1, 2**63 - 1, -(2**63), 7, 2, None], pa.int64()),
        "d": pa.array(
            [0.0, None, -0.0, math.nan, math.inf, -math.inf, 0.1, float(BIG), 1.5, 2.0, -3.25, None], pa.float64()
        ),
        "s": pa.array(["", "a", None, "ab", "aB", "é", "é2", "a%", "a_b", "\\", "日本", "b"], pa.string()),
        "b": pa.array([True, False, None] * 4, pa.bool_()),
        "k": pa.array([0, 1, 2] * 4, pa.int64()),
    }
)
OTHER = pa.table(
    {
        "k": pa.array([0, 1, 1, 3, None], pa.int64()),
        "d": pa.array([None, 0.5, math.nan, 2.0, -1.0], pa.float64()),
        "t": pa.array(["a", "ab", None, "é", "b"], pa.string()),
    }
)


@pytest.fixture(scope="module")
def data_catalog():
    return ArrowCatalog({("demo", "r"): ROWS, ("demo", "o"): OTHER})


@pytest.fixture(scope="module")
def data_engine(data_catalog):
    return LocalEngine(catalog=data_catalog)


def derived(catalog, sql, values=None):
    def resolve(parts):
        found = [pair for pair in catalog.tables if pair[-len(parts) :] == parts]
        return catalog.schema(*found[0]) if found else None

    found = derive_filters(sqlglot.parse_one(sql, dialect="duckdb"), resolve, values or {})
    return {name: describe(predicate) for name, predicate in found.items()}


@pytest.mark.parametrize(
    ("where", "implied"),
    [
        ("d > 1.5", "d > 1.5"),
        ("1.5 < d", "d > 1.5"),
        ("(d > -1)", "d > -1.0"),
        ("NOT d > 1", "d <= 1.0"),
        ("d BETWEEN 1 AND 2.5", "d >= 1.0 AND d <= 2.5"),
        ("d NOT BETWEEN 1 AND 2", "d < 1.0 OR d > 2.0"),
        ("d IN (1, 2.5)", "d IN (1.0, 2.5)"),
        ("d NOT IN (1, 2)", "d NOT IN (1.0, 2.0)"),
        ("d IS NULL", "d IS NULL"),
        ("d IS NOT NULL", "d IS NOT NULL"),
        ("b", "b = TRUE"),
        ("NOT b", "b = FALSE"),
        ("b IS TRUE", "b = TRUE"),
        ("s LIKE 'ab%'", "starts_with(s, 'ab')"),
        ("s LIKE 'ab_c%'", "starts_with(s, 'ab')"),
        ("s LIKE 'ab'", "s = 'ab'"),
        ("s LIKE '%x'", "s IS NOT NULL"),
        ("s LIKE 'a\\%'", "starts_with(s, 'a')"),
        ("s NOT LIKE 'ab%'", "NOT (starts_with(s, 'ab'))"),
        ("starts_with(s, 'ab')", "starts_with(s, 'ab')"),
        ("s ^@ 'ab'", "starts_with(s, 'ab')"),
        ("S = 'a' AND \"D\" > 1", "s = 'a' AND d > 1.0"),
        ("d > 1 OR s = 'a'", "d > 1.0 OR s = 'a'"),
        ("d > 1 AND length(s) > 2", "d > 1.0"),
        ("NOT (d > 1 OR b)", "d <= 1.0 AND b = FALSE"),
        ("r.d > 1", "d > 1.0"),
        ("demo.r.d > 1", "d > 1.0"),
        ("d > :p AND s IN (:q)", "d > 2.5 AND s = 'x'"),
        ("d = 1 AND (d > 0 OR random() > 0.5)", "d = 1.0"),
        # nothing may be derived
        ("d > 1 OR length(s) > 2", None),
        ("d + 1 > 2", None),
        ("d > i", None),
        ("i = '5'", None),
        ("s = 5", None),
        ("s ILIKE 'a%'", None),
        ("s LIKE 'a%' ESCAPE 'b'", None),
        ("s NOT LIKE 'a_%'", None),
        ("s = 'a' COLLATE nocase", None),
        ("d = NULL", None),
        ("d IN (1, NULL)", None),
        ("d IN (SELECT 1)", None),
        ("b = 1", None),
        ("i > 9007199254740993.5", None),
        ("d = 9007199254740993", None),
        ("d = 0.1000000000000000055511151231257827", None),
        ("i = 99999999999999999999", None),
        ("b IS NOT TRUE", None),
        ("d > 1::float", None),
        ("nothing > 1", None),
        ("other.d > 1", None),
    ],
)
def test_what_a_condition_implies(data_catalog, where, implied):
    found = derived(data_catalog, f"SELECT 1 FROM demo.r WHERE {where}", {"p": 2.5, "q": "x"})
    assert found == ({"demo.r": implied} if implied else {})


@pytest.mark.parametrize(
    ("sql", "r", "o"),
    [
        ("FROM demo.r x JOIN demo.o y ON x.k = y.k AND y.d > 1 WHERE x.d > 2", "d > 2.0", "d > 1.0"),
        ("FROM demo.r x, demo.o y WHERE x.d > 2 AND t = 'a'", "d > 2.0", "t = 'a'"),
        ("FROM demo.r x JOIN demo.o y ON true WHERE d > 2", None, None),
        ("FROM demo.r x JOIN demo.o y USING (k) WHERE k > 2", None, None),
        (
            "FROM demo.r x LEFT JOIN demo.o y ON x.k = y.k AND y.d > 1 AND x.d > 1 WHERE x.d IS NULL",
            "d IS NULL",
            "d > 1.0",
        ),
        ("FROM demo.r x LEFT JOIN demo.o y ON true WHERE y.d IS NULL", None, None),
        ("FROM demo.r x LEFT JOIN demo.o y ON true WHERE y.d > 1", None, "d > 1.0"),
        ("FROM demo.r x RIGHT JOIN demo.o y ON x.d > 5 WHERE x.s IS NULL AND y.d > 1", None, "d > 1.0"),
        ("FROM demo.r x FULL JOIN demo.o y ON true WHERE x.d > 1 AND y.d IS NULL", "d > 1.0", None),
        ("FROM demo.r x SEMI JOIN demo.o y ON x.k = y.k AND y.d > 1 WHERE x.d > 2", "d > 2.0", "d > 1.0"),
        ("FROM demo.r x ANTI JOIN demo.o y ON x.k = y.k AND y.d > 1 AND x.d > 1", None, "d > 1.0"),
        ("FROM demo.r x ASOF JOIN demo.o y ON x.k >= y.k WHERE x.d > 2 AND y.d > 1", None, None),
        ("FROM demo.r x POSITIONAL JOIN demo.o y WHERE x.d > 2", None, None),
        ("FROM demo.r x NATURAL JOIN demo.o y WHERE x.d > 2", None, None),
        ("FROM demo.r WHERE d > 2 UNION ALL SELECT * FROM demo.r WHERE d < 1", "d > 2.0 OR d < 1.0", None),
        ("FROM demo.r WHERE d > 2 UNION ALL SELECT * FROM demo.r", None, None),
        ("FROM demo.r a JOIN demo.r b ON a.k = b.k WHERE a.d > 2 AND b.s = 'x'", "d > 2.0 OR s = 'x'", None),
        ("FROM demo.o WHERE d > 1 AND k IN (SELECT k FROM demo.r WHERE d > 2)", "d > 2.0", "d > 1.0"),
        ("FROM demo.o WHERE EXISTS (SELECT 1 FROM demo.r WHERE t = 'x' AND r.d > 2)", "d > 2.0", None),
        ("FROM (SELECT * FROM demo.r WHERE d > 2) q WHERE q.d < 1", "d > 2.0", None),
        ("FROM (FROM demo.r) q WHERE q.d < 1", None, None),
        ("FROM demo.r AS x(a, b, c, d, e) WHERE d > 2", None, None),
        ("FROM demo.r TABLESAMPLE 10% WHERE d > 2", None, None),
        ("FROM demo.r WHERE d > 2 USING SAMPLE 10%", None, None),
        ("FROM query_table('demo.r'), demo.r WHERE r.d > 2", None, None),
        ("FROM demo.r GROUP BY k HAVING k > 2", None, None),
        ("FROM demo.r QUALIFY row_number() OVER () = 1", None, None),
    ],
)
def test_what_a_statement_implies_for_its_tables(data_catalog, sql, r, o):
    expected = {name: text for name, text in (("demo.r", r), ("demo.o", o)) if text}
    assert derived(data_catalog, "SELECT 1 " + sql) == expected


def test_ctes_hide_sets_of_the_same_name(data_catalog):
    assert derived(data_catalog, "WITH r AS (SELECT 1 AS d) SELECT * FROM r WHERE d > 2") == {}
    assert derived(data_catalog, "WITH r AS (SELECT * FROM r WHERE d > 1) SELECT * FROM r WHERE d > 2") == {
        "demo.r": "d > 1.0"
    }
    assert derived(data_catalog, "WITH q AS (SELECT * FROM demo.r WHERE d > 1) SELECT * FROM q, demo.r") == {}


def test_an_alias_of_the_select_list_is_not_taken_for_a_column(data_catalog):
    assert derived(data_catalog, "SELECT k + 1 AS d FROM demo.r WHERE d > 2") == {}


# ------------------------------------------------------------------- the same rows, with and without

numbers = st.sampled_from(
    ["0", "-0.0", "1", "1.5", "-3.25", "0.1", "2", "1e0", "7.0", str(BIG), str(BIG + 1), "'nan'::double"]
)
texts = st.sampled_from(["''", "'a'", "'ab'", "'é'", "'a%'", "'%b'", "'a_b'", "'日%'", "'\\'"])
operators = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])


def leaves(tables):
    number = st.tuples(st.sampled_from([f"{t}.{c}" for t in tables for c in NUMBERS[t]]), operators, numbers).map(
        " ".join
    )
    swapped = st.tuples(numbers, operators, st.sampled_from([f"{t}.{NUMBERS[t][0]}" for t in tables])).map(" ".join)
    text = st.tuples(
        st.sampled_from([f"{t}.{TEXTS[t]}" for t in tables]),
        st.sampled_from(["=", "<>", "<", ">=", "LIKE", "NOT LIKE", "^@"]),
        texts,
    ).map(" ".join)
    null = st.tuples(
        st.sampled_from([f"{t}.{c}" for t in tables for c in (*NUMBERS[t], TEXTS[t])]),
        st.sampled_from(["IS NULL", "IS NOT NULL"]),
    ).map(" ".join)
    between = st.tuples(st.sampled_from([f"{t}.d" for t in tables]), numbers, numbers).map(
        lambda p: f"{p[0]} BETWEEN {p[1]} AND {p[2]}"
    )
    within = st.tuples(
        st.sampled_from([f"{t}.{c}" for t in tables for c in NUMBERS[t]]),
        st.sampled_from(["IN", "NOT IN"]),
        st.lists(numbers, min_size=1, max_size=3),
    ).map(lambda p: f"{p[0]} {p[1]} ({', '.join(p[2])})")
    other = st.sampled_from(["length(x.s) > 1", "x.b", "x.b IS TRUE", "x.i + 1 > 2"])
    return st.one_of(number, swapped, text, null, between, within, other)


NUMBERS = {"x": ("d", "i"), "y": ("d", "k")}
TEXTS = {"x": "s", "y": "t"}


def conditions(tables):
    return st.recursive(
        leaves(tables),
        lambda inner: st.one_of(
            inner.map(lambda c: f"NOT ({c})"),
            st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        ),
        max_leaves=4,
    )


joins = st.sampled_from(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"])


@st.composite
def statements(draw):
    shape = draw(st.sampled_from(["one", "join", "union", "exists", "cte"]))
    one = draw(conditions(["x"]))
    if shape == "one":
        return f"SELECT x.* FROM demo.r x WHERE {one}"
    both = draw(conditions(["x", "y"]))
    if shape == "join":
        join = draw(joins)
        seen = ["x"] if join in ("SEMI JOIN", "ANTI JOIN") else ["x", "y"]
        where = draw(conditions(seen))
        return f"SELECT * FROM demo.r x {join} demo.o y ON x.k = y.k AND {both} WHERE {where}"
    other = draw(conditions(["x"]))
    if shape == "union":
        return f"SELECT x.i FROM demo.r x WHERE {one} UNION ALL SELECT x.i FROM demo.r x WHERE {other}"
    if shape == "exists":
        return f"SELECT * FROM demo.r x WHERE {one} AND EXISTS (SELECT 1 FROM demo.o y WHERE y.k = x.k AND {both})"
    return (
        f"WITH q AS (SELECT * FROM demo.r x WHERE {one}) SELECT * FROM q x LEFT JOIN demo.o y ON {both} WHERE {other}"
    )


@given(statements())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_same_rows_with_derived_filters_and_without(data_engine, sql):
    pushed = sorted(map(repr, read(data_engine, sql, True)))
    plain = sorted(map(repr, read(data_engine, sql, False)))
    assert pushed == plain


@pytest.mark.parametrize("where", ["i IN (1e0, 9007199254740992)", "i BETWEEN 1e0 AND 9007199254740992"])
def test_one_double_makes_integers_compare_as_doubles(data_engine, where):
    sql = f"SELECT i FROM demo.r x WHERE {where}"
    assert sorted(read(data_engine, sql, True)) == sorted(read(data_engine, sql, False))
    assert (9007199254740993,) in read(data_engine, sql, True)


def read(engine, sql, push_down):
    with engine.query(sql, options=QueryOptions(push_down=push_down)) as result:
        table = result.to_arrow()
    return list(zip(*[column.to_pylist() for column in table.columns], strict=True)) if table.num_columns else []

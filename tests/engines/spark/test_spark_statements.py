"""What a statement for Spark is, and its text with views in place of sets. No Spark is needed."""

from __future__ import annotations

import pytest

from aerospike_magic.engines.lexer import SPARK
from aerospike_magic.engines.parameters import bind_parameters
from aerospike_magic.engines.spark.statements import read_statement, rewrite
from aerospike_magic.errors import QueryError, ReadOnlyError


def statement(sql, **parameters):
    return read_statement(bind_parameters(sql, parameters, SPARK))


def rewritten(sql, **parameters):
    """The text with a view v0, v1 … for every table that is named."""
    read = statement(sql, **parameters)
    return rewrite(read, {reference: f"v{i}" for i, reference in enumerate(read.references)}, {})


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SELECT * FROM demo.flights", "SELECT * FROM `v0` AS `flights`"),
        ("SELECT * FROM demo.flights f", "SELECT * FROM `v0` f"),
        ("SELECT * FROM demo.flights AS f WHERE f.x = 1", "SELECT * FROM `v0` AS f WHERE f.x = 1"),
        ("SELECT * FROM demo.`fl-x` WHERE a > 1", "SELECT * FROM `v0` AS `fl-x` WHERE a > 1"),
        ("FROM demo.flights |> WHERE x > 1", "FROM `v0` AS `flights` |> WHERE x > 1"),
        ("TABLE demo.flights", "TABLE `v0`"),
        ("DESCRIBE demo.flights", "DESCRIBE `v0`"),
        ("EXPLAIN SELECT * FROM demo.flights", "EXPLAIN SELECT * FROM `v0` AS `flights`"),
        (
            "SELECT * FROM demo.a TABLESAMPLE (10 PERCENT) REPEATABLE (3) WHERE x = 1",
            "SELECT * FROM `v0` TABLESAMPLE (10 PERCENT) REPEATABLE (3) AS `a` WHERE x = 1",
        ),
        (
            "SELECT demo.a.x, demo.b.* FROM demo.a JOIN demo.b USING (k)",
            "SELECT a.x, b.* FROM `v0` AS `a` JOIN `v1` AS `b` USING (k)",
        ),
        (
            "WITH a AS (SELECT * FROM demo.a) SELECT * FROM a, demo.a x WHERE x.s = 'demo.a' -- demo.a",
            "WITH a AS (SELECT * FROM `v0` AS `a`) SELECT * FROM a, `v1` x WHERE x.s = 'demo.a'",
        ),
        (
            "SELECT * FROM demo.a WHERE k IN (SELECT k FROM demo.b) UNION ALL SELECT * FROM demo.a",
            "SELECT * FROM `v0` AS `a` WHERE k IN (SELECT k FROM `v1` AS `b`) UNION ALL SELECT * FROM `v2` AS `a`",
        ),
        ("SELECT `a`.`b` FROM demo.c;", "SELECT `a`.`b` FROM `v0` AS `c`"),
    ],
)
def test_views_stand_for_tables(sql, text):
    assert rewritten(sql).text == text


def test_places_lead_back_to_what_was_written():
    sql = "SELECT demo.a.x FROM demo.a JOIN demo.b b ON b.k = :key WHERE nope = {{long_name}}"
    made = rewritten(sql, key=1, long_name="x")
    for word in ("FROM", "JOIN", "nope", "WHERE"):
        assert made.original_position(made.text.index(word)) == sql.index(word)
    assert made.original_position(made.text.index("`v0`")) == sql.index("demo.a JOIN")


def test_a_name_that_only_sqlglot_cannot_read_is_still_a_table():
    read = statement("EXPLAIN EXTENDED SELECT a.b FROM demo.flights, demo.planes p JOIN demo.airports")
    assert [reference.name.parts for reference in read.references] == [
        ("demo", "flights"),
        ("demo", "planes"),
        ("demo", "airports"),
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO demo.a SELECT 1",
        "WITH x AS (SELECT 1) INSERT INTO demo.a SELECT * FROM x",
        "FROM demo.a INSERT OVERWRITE demo.b SELECT *",
        "DROP TABLE x",
        "CREATE TABLE x AS SELECT 1",
        "SET spark.sql.x = 1",
        "CACHE TABLE x",
        "delete from demo.a",
        "BEGIN SELECT 1 END",
    ],
)
def test_only_statements_that_read_pass(sql):
    with pytest.raises(ReadOnlyError) as raised:
        statement(sql)
    assert raised.value.sql == sql
    assert raised.value.position is not None


@pytest.mark.parametrize(
    ("sql", "words", "position"),
    [("SELEC 1", "did you mean SELECT", 0), ("", "write a SELECT", 0), ("SELECT 1; SELECT 2", "its own cell", 10)],
)
def test_what_is_no_statement(sql, words, position):
    with pytest.raises(QueryError, match=words) as raised:
        statement(sql)
    assert raised.value.position == position


def test_a_string_may_say_insert_into():
    assert statement("SELECT 'INSERT INTO x', \"DELETE FROM y\" FROM demo.a").references

"""INSERT INTO … SELECT: what is found, what is left for the engine, and where errors point."""

from __future__ import annotations

import pytest

from aerospike_magic.engines.insert import split_insert
from aerospike_magic.engines.lexer import DUCKDB, SPARK, tokenize
from aerospike_magic.errors import QueryError


@pytest.mark.parametrize(
    ("sql", "target", "columns", "rest"),
    [
        ("INSERT INTO test.a SELECT 1 AS x", "test.a", None, "SELECT 1 AS x"),
        ("insert into a select 1", "a", None, "select 1"),
        ("INSERT INTO test.a (x, y) SELECT 1, 2", "test.a", ("x", "y"), "SELECT 1, 2"),
        ("INSERT INTO test.a(__key,y) VALUES (1, 2);", "test.a", ("__key", "y"), "VALUES (1, 2);"),
        ('INSERT INTO "my ns"."a.b" ("x ""y""") FROM t', "my ns.a.b", ('x "y"',), "FROM t"),
        ("INSERT INTO test.a (SELECT 1)", "test.a", None, "(SELECT 1)"),
        ("INSERT INTO test.a ((SELECT 1) UNION SELECT 2)", "test.a", None, "((SELECT 1) UNION SELECT 2)"),
        ("INSERT INTO test.a BY NAME SELECT 1 AS x", "test.a", None, "SELECT 1 AS x"),
        (
            "INSERT INTO test.a WITH q AS (SELECT 1) SELECT * FROM q",
            "test.a",
            None,
            "WITH q AS (SELECT 1) SELECT * FROM q",
        ),
        (
            "-- INSERT INTO no\nINSERT /* INTO */ INTO test.a\nSELECT 'INSERT INTO b'",
            "test.a",
            None,
            "SELECT 'INSERT INTO b'",
        ),
    ],
)
def test_what_is_found(sql, target, columns, rest):
    insert = split_insert(sql)
    assert (insert.target, insert.columns) == (target, columns)
    assert insert.sql.strip().endswith(rest)
    assert len(insert.sql) == len(sql)
    assert insert.sql.count("\n") == sql.count("\n")
    assert insert.sql.index(rest) == sql.index(rest)
    assert sql[insert.target_start :].replace('"', "").startswith(target[:2])
    assert sql[insert.start :].upper().startswith("INSERT")


def test_queries_named_before():
    insert = split_insert("WITH q AS (SELECT 1 AS x) INSERT INTO test.a SELECT * FROM q")
    assert insert.sql == "WITH q AS (SELECT 1 AS x)                    SELECT * FROM q"


def test_spark_writes_names_its_own_way():
    insert = split_insert('INSERT INTO TABLE `test`.`a` (`x``y`) SELECT "a (INSERT INTO b) \\" c"', SPARK)
    assert (insert.target, insert.columns) == ("test.a", ("x`y",))
    assert [token.kind for token in tokenize(insert.sql, SPARK)] == ["word", "string"]


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "SELECT 1",
        "SELECT 'INSERT INTO a SELECT 1'",
        "WITH q AS (INSERT INTO x VALUES (1) RETURNING *) SELECT * FROM q",
        "WITH insert AS (SELECT 1) SELECT * FROM insert",
        "EXPLAIN INSERT INTO a SELECT 1",
        "FROM insert",
    ],
)
def test_what_is_none(sql):
    assert split_insert(sql, DUCKDB) is None


@pytest.mark.parametrize(
    ("sql", "text", "at"),
    [
        ("INSERT SELECT 1", "INTO is missing", "SELECT"),
        ("INSERT OVERWRITE a SELECT 1", "INSERT OVERWRITE is not known", "OVERWRITE"),
        ("INSERT OR REPLACE INTO a SELECT 1", "INSERT OR is not known", "OR"),
        ("INSERT INTO 5 SELECT 1", "the name of a set is missing", "5"),
        ("INSERT INTO a. SELECT 1", "a query is missing", "1"),
        ("INSERT INTO a.b.c SELECT 1", "a.b.c is not the name of a set", "c"),
        ("INSERT INTO a", "a query is missing", ""),
        ("INSERT INTO a DEFAULT VALUES", "a query is missing", "DEFAULT"),
        ("INSERT INTO a (x, x) SELECT 1", "column x is named twice", "x)"),
        ("INSERT INTO a (x, ) SELECT 1", "the name of a column is missing", ") SELECT"),
        ("INSERT INTO a (x y) SELECT 1", "list of columns is not closed", "y)"),
    ],
)
def test_what_is_not_understood_is_told_with_its_place(sql, text, at):
    with pytest.raises(QueryError, match=text) as caught:
        split_insert(sql)
    assert caught.value.position == (sql.rindex(at) if at else len(sql))


def test_whether_the_rows_come_from_the_set_itself():
    assert split_insert("INSERT INTO test.a SELECT * FROM test.A").reads_target
    assert split_insert("WITH q AS (FROM a) INSERT INTO test.a FROM q").reads_target
    assert not split_insert("INSERT INTO test.a (x) SELECT 1 FROM test.b").reads_target

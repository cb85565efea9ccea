"""Statements as they are sent: what runs, which tables they name, values as literals, and the way back."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

import pyarrow as pa
import pytest

from aerospike_magic.engines.lexer import TRINO, tokenize
from aerospike_magic.engines.parameters import bind_parameters
from aerospike_magic.engines.trino import flavor
from aerospike_magic.engines.trino.client import RunningStatement
from aerospike_magic.engines.trino.columns import to_arrow
from aerospike_magic.engines.trino.endpoint import TrinoServer
from aerospike_magic.engines.trino.exact import json_as
from aerospike_magic.engines.trino.literals import literal
from aerospike_magic.engines.trino.stars import listed_stars
from aerospike_magic.engines.trino.statements import read_statement, rewrite
from aerospike_magic.engines.trino.tables import Needs, source_of
from aerospike_magic.engines.trino.types import parse_type
from aerospike_magic.errors import ParameterError, QueryError, ReadOnlyError
from aerospike_magic.schema.type_text import Kind
from aerospike_magic.schema.types import SetSchema, bin_column, metadata_columns


def read(sql, parameters=None):
    return read_statement(bind_parameters(sql, parameters, TRINO), TRINO)


def tables(sql):
    return [reference.name.parts for reference in read(sql).references]


def schema(**bins):
    kinds = {pa.int64(): Kind.INT64, pa.string(): Kind.STRING, pa.binary(): Kind.BINARY, pa.float64(): Kind.DOUBLE}
    columns = [bin_column(name, kinds.get(dtype, Kind.LIST), dtype) for name, dtype in bins.items()]
    key, *rest = metadata_columns()
    return SetSchema("test", "trips", (key, *columns, *rest), has_keys=False)


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("SELECT * FROM test.a", [("test", "a")]),
        ("SELECT * FROM a x, test.b AS y WHERE x.n = y.n", [("a",), ("test", "b")]),
        ("WITH a AS (SELECT 1 AS n) SELECT * FROM a JOIN test.a USING (n)", [("test", "a")]),
        ("SELECT * FROM memory.default.t CROSS JOIN UNNEST(tags) AS u (tag)", [("memory", "default", "t")]),
        ("SELECT (SELECT max(n) FROM test.b) FROM test.a", [("test", "b"), ("test", "a")]),
        ("SELECT * FROM TABLE(sequence(1, 10))", []),
        ("TABLE test.a", [("test", "a")]),
        ("DESCRIBE test.a", [("test", "a")]),
        ("SHOW COLUMNS FROM test.a", [("test", "a")]),
        ("SHOW TABLES FROM memory.default", []),
        ("SHOW CATALOGS", []),
        ("EXPLAIN (TYPE IO, FORMAT JSON) SELECT * FROM test.a", [("test", "a")]),
        ("EXPLAIN ANALYZE VERBOSE SELECT * FROM test.a", [("test", "a")]),
        ('SELECT "FROM test.x" FROM test."a b" -- FROM test.c', [("test", "a b")]),
        ("VALUES 1, 2", []),
    ],
)
def test_tables(sql, wanted):
    assert sorted(tables(sql)) == sorted(wanted)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM test.a",
        "INSERT INTO memory.default.t SELECT 1",
        "CREATE TABLE memory.default.t AS SELECT 1",
        "EXPLAIN ANALYZE DELETE FROM memory.default.t",
        "explain analyze verbose create table t as select 1",
        "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
        "SET SESSION query_max_run_time = '1h'",
        "USE memory.default",
        "CALL system.runtime.kill_query('x')",
        "START TRANSACTION",
        "EXECUTE IMMEDIATE 'DROP TABLE t'",
        "PREPARE p FROM SELECT 1",
        "/* hi */ DROP TABLE t",
    ],
)
def test_only_what_reads_runs(sql):
    with pytest.raises(ReadOnlyError) as raised:
        read(sql)
    assert raised.value.position is not None


@pytest.mark.parametrize("sql", ["SELEC 1", "", ";", "SELECT 1; SELECT 2", "-- nothing", "FROM test.a SELECT n"])
def test_what_is_no_statement(sql):
    with pytest.raises(QueryError):
        read(sql)


def test_comments_do_not_nest_and_strings_have_no_escapes():
    assert [token.text for token in tokenize("/* a /* b */ SELECT E'\\' -- c", TRINO)] == ["SELECT", "E", "'\\'"]


def test_rewriting_leads_back():
    sql = "SELECT test.trips.n, :x\nFROM test.trips WHERE bogus = :y"
    statement = read(sql, {"x": "O'Hara", "y": [1]})
    (reference,) = statement.references
    new = rewrite(statement, {reference: '(SELECT "n" FROM q)'}, {}, {"x": "'O''Hara'", "y": "ARRAY[1]"})
    assert new.text == "SELECT trips.n, 'O''Hara'\nFROM (SELECT \"n\" FROM q) AS \"trips\" WHERE bogus = ARRAY[1]"
    assert new.original_position(new.text.index("bogus")) == sql.index("bogus")
    assert new.original_position(new.text.index("O''")) == sql.index(":x")
    assert new.original_position(new.text.index("(SELECT") + 5) == sql.index("test.trips WHERE")


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("SELECT * FROM test.a t", "SELECT * FROM Q t"),
        ("SELECT * FROM test.a AS t", "SELECT * FROM Q AS t"),
        ('SELECT * FROM test.a "T"', 'SELECT * FROM Q "T"'),
        ("SELECT * FROM test.a WHERE 1=1", 'SELECT * FROM Q AS "a" WHERE 1=1'),
        ("SELECT * FROM test.a LEFT JOIN x.y.z ON 1=1", 'SELECT * FROM Q AS "a" LEFT JOIN x.y.z ON 1=1'),
        (
            "SELECT * FROM test.a TABLESAMPLE BERNOULLI (10)",
            'SELECT * FROM Q AS "a" TABLESAMPLE BERNOULLI (10)',
        ),
        ("DESCRIBE test.a", "DESCRIBE Q"),
    ],
)
def test_aliases(sql, wanted):
    statement = read(sql)
    tables = {r: "Q" for r in statement.references if r.name.parts == ("test", "a")}
    assert rewrite(statement, tables, {}, {}).text == wanted


def test_a_table_query_becomes_the_subquery():
    statement = read("TABLE test.a")
    assert rewrite(statement, {statement.references[0]: "(SELECT x)"}, {}, {}).text == "(SELECT x)"
    assert rewrite(statement, {statement.references[0]: "t"}, {}, {}).text == "TABLE t"


def test_a_set_is_its_table_where_no_column_needs_more():
    plain = schema(n=pa.int64(), tag=pa.string())
    assert source_of("t", plain, Needs({"n"}, takes_all=False), TRINO) == ("t", False)
    assert source_of("t", plain, Needs((), takes_all=True), TRINO) == ("t", False)
    mixed = schema(n=pa.int64(), Tag=pa.string(), raw=pa.binary(), ints=pa.list_(pa.int64()))
    assert source_of("t", mixed, Needs({"n"}, takes_all=False), TRINO) == ("t", False)
    assert source_of("t", mixed, Needs({"n", "tag"}, takes_all=False), TRINO) == ("t", False)
    found, is_subquery = source_of("t", mixed, Needs({"raw"}, takes_all=False), TRINO)
    assert (found, is_subquery) == ('(SELECT from_hex("raw") AS "raw" FROM t)', True)
    found, _ = source_of("t", mixed, Needs((), takes_all=True), TRINO)
    assert '"tag" AS "Tag"' in found and 'TRY(CAST("ints" AS array(bigint))) AS "ints"' in found
    found, _ = source_of("t", mixed, Needs({"ints"}, takes_all=False, is_strict=True), TRINO)
    assert found == '(SELECT CAST("ints" AS array(bigint)) AS "ints" FROM t)'


def test_json_is_cast_where_a_cast_finds_all():
    assert json_as("j", pa.list_(pa.list_(pa.int64())), TRINO) == "CAST(j AS array(array(bigint)))"
    assert json_as("j", pa.list_(pa.float64()), TRINO).startswith("COALESCE(TRY(CAST(j AS array(double))), transform(")
    assert "from_base64" in json_as("j", pa.list_(pa.binary()), TRINO)
    assert "CAST(ROW(" in json_as("j", pa.struct([("Up", pa.int64())]), TRINO)
    assert """'$["it''s \\"x\\""]'""" in json_as("j", pa.struct([('it\'s "x"', pa.int64()), ("B", pa.int64())]), TRINO)


def test_stars_are_listed_where_metadata_is_named():
    schemas = {("test", "a"): schema(n=pa.int64(), X=pa.string()), ("test", "b"): schema(n=pa.int64(), y=pa.int64())}

    def stars(sql):
        return list(listed_stars(sql, read(sql).tree, lambda parts: schemas.get(parts), TRINO).values())

    assert stars("SELECT *, __ttl FROM test.a") == ['"a"."n" AS "n", "a"."X" AS "X"']
    assert stars("SELECT t.* FROM test.a t") == ['"n" AS "n", "t"."X" AS "X"']
    assert stars("SELECT * FROM test.a JOIN test.b USING (n)") == ['"n", "a"."X" AS "X", "b"."y" AS "y"']
    assert stars("SELECT * FROM test.a, memory.default.t") == []
    assert stars("SELECT count(*) FROM test.a") == []


TEXTS = [
    (None, "NULL"),
    (True, "TRUE"),
    (5, "5"),
    (-5, "(-5)"),
    (2**40, "1099511627776"),
    (-(2**63), "BIGINT '-9223372036854775808'"),
    (2**63, "DECIMAL '9223372036854775808'"),
    (1.5, "DOUBLE '1.5'"),
    (float("nan"), "DOUBLE 'NaN'"),
    (float("-inf"), "DOUBLE '-Infinity'"),
    ("O'Hara \\ -- x", "'O''Hara \\ -- x'"),
    (b"\x00\xff", "X'00FF'"),
    (dt.date(1, 2, 3), "DATE '0001-02-03'"),
    (dt.datetime(2020, 1, 2, 3, 4, 5), "TIMESTAMP '2020-01-02 03:04:05'"),
    (dt.datetime(2020, 1, 2, 3, 4, 5, 6), "TIMESTAMP '2020-01-02 03:04:05.000006'"),
    (
        dt.datetime(2020, 1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        "TIMESTAMP '2020-01-02 01:00:00 UTC'",
    ),
    (dt.time(1, 2, 3), "TIME '01:02:03'"),
    (dt.timedelta(days=-1, seconds=1), "INTERVAL -'0 23:59:59.000' DAY TO SECOND"),
    (Decimal("1E+5"), "DECIMAL '100000'"),
    (Decimal("-0.50"), "DECIMAL '-0.50'"),
    (uuid.UUID(int=5), "UUID '00000000-0000-0000-0000-000000000005'"),
    ([1, None], "ARRAY[1, NULL]"),
    ([], "ARRAY[]"),
    ({"A b": "x", 'q"': None}, 'CAST(ROW(\'x\', NULL) AS ROW("A b" varchar, "q""" varchar))'),
]


@pytest.mark.parametrize(("value", "text"), TEXTS, ids=lambda each: repr(each)[:30])
def test_literals(value, text):
    assert literal("x", value, flavor.TRINO) == text


@pytest.mark.parametrize(
    ("value", "of"),
    [
        (Decimal("NaN"), flavor.TRINO),
        (Decimal("1" * 39), flavor.TRINO),
        (dt.timedelta(microseconds=1), flavor.TRINO),
        (dt.datetime(2020, 1, 1, 0, 0, 0, 1), flavor.PRESTO),
        (dt.time(1, tzinfo=dt.UTC), flavor.TRINO),
        ("\ud800", flavor.TRINO),
        ({}, flavor.TRINO),
    ],
    ids=repr,
)
def test_values_without_a_literal_are_refused(value, of):
    with pytest.raises(ParameterError, match=":x is"):
        literal("x", value, of)


def test_every_literal_is_what_it_says(trino_server):
    running = RunningStatement(
        TrinoServer(trino_server.server.host, trino_server.server.port),
        "SELECT " + ", ".join(text for _, text in TEXTS),
    )
    while (page := running.next_page(0.1)) is None:
        assert not running.has_ended
    for values, column, (wanted, _) in zip(page, running.columns, TEXTS, strict=True):
        (found,) = to_arrow(values, parse_type(column.type)).to_pylist()
        if isinstance(wanted, uuid.UUID):
            wanted = str(wanted)
        assert found == wanted or (found != found and wanted != wanted), column

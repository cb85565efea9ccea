"""DuckDB over sets: names, metadata columns, what is asked of a scan, reads only, errors, stopping."""

from __future__ import annotations

import threading
import time

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from arrow_catalog import airports, flights

from aerospike_magic.engines.base import QueryOptions
from aerospike_magic.errors import (
    ParameterError,
    QueryError,
    ReadOnlyError,
    ResultTooLarge,
    ScanCancelled,
    ScanError,
    ScanTimeout,
    UnknownNameError,
)
from aerospike_magic.filters.predicate import describe

# ------------------------------------------------------------------------------------------ names


def test_any_sql_over_several_sets(rows):
    sql = """
        WITH f AS (SELECT origin, count(*) AS n FROM demo.flights GROUP BY 1)
        SELECT a.name, n, rank() OVER (ORDER BY a.name) FROM f JOIN demo.airports a ON a.faa = f.origin ORDER BY 1
    """
    assert rows(sql) == [("Kennedy", 250, 1), ("La Guardia", 250, 2), ("Newark", 250, 3)]


@pytest.mark.parametrize("table", ["temp.x", '"temp".x', "main.x", '"we""ird"."a-b.c"', "DEMO.Airports", "airports"])
def test_names_that_need_care(rows, table):
    assert len(rows(f"SELECT * FROM {table}")) == 4


def test_a_bare_name_in_two_namespaces_is_ambiguous(rows):
    with pytest.raises(UnknownNameError, match="2 namespaces") as raised:
        rows("FROM flights")
    assert "demo.flights or test.flights" in raised.value.hint
    assert raised.value.position == 5


def test_a_local_frame_wins_over_a_set_and_a_cte_over_both(rows):
    frames = {"airports": pd.DataFrame({"faa": ["XXX"]})}
    assert rows("SELECT faa FROM airports", frames=frames) == [("XXX",)]
    assert len(rows("SELECT faa FROM demo.airports", frames=frames)) == 4
    assert rows("WITH airports AS (SELECT 1) FROM airports", frames=frames) == [(1,)]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_local_frames_beside_sets(rows, make):
    frames = {"mine": make({"code": ["JFK", "XXX"]})}
    sql = "SELECT name FROM mine LEFT JOIN demo.airports ON faa = code ORDER BY code"
    assert rows(sql, frames=frames) == [("Kennedy",), (None,)]


def test_python_variables_are_not_read_behind_our_back(rows):
    hidden = pd.DataFrame({"a": [1]})
    with pytest.raises(UnknownNameError):
        rows("FROM hidden")
    assert len(hidden) == 1


def test_show_tables_lists_the_sets(rows):
    assert ("demo", "flights") in rows("SHOW TABLES")
    assert rows("SHOW TABLES FROM test;") == [("test", "flights")]


def test_describe_and_summarize(rows):
    assert [row[:2] for row in rows("DESCRIBE demo.airports")] == [("faa", "VARCHAR"), ("name", "VARCHAR")]
    assert len(rows("SUMMARIZE demo.airports")) == 2


def test_bins_that_differ_in_case_are_two_columns(rows, catalog):
    catalog.tables["demo", "cases"] = pa.table({"name": ["x"], "Name": ["y"]})
    assert rows("SELECT * FROM demo.cases WHERE name = 'x' AND Name_1 = 'y'") == [("x", "y")]


def test_sets_that_differ_in_case_are_refused_in_one_statement(rows, catalog):
    catalog.tables["demo", "FLIGHTS"] = airports()
    assert len(rows("SELECT * FROM demo.FLIGHTS")) == 4
    with pytest.raises(QueryError, match="differ only in case"):
        rows("SELECT count(*) FROM demo.flights, demo.FLIGHTS")


# ------------------------------------------------------------------------------- metadata columns


def test_star_has_the_key_first_and_other_metadata_only_when_named(engine):
    with engine.query("SELECT * FROM demo.flights LIMIT 1") as result:
        assert result.schema.names == ["__key", "origin", "delay", "number", "late"]
        result.head(1)
    with engine.query("SELECT * FROM demo.airports") as result:
        assert result.schema.names == ["faa", "name"]
    with engine.query("SELECT __ttl, __generation FROM demo.flights LIMIT 1") as result:
        assert result.to_arrow().to_pylist() == [{"__ttl": -1, "__generation": 1}]


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT * FROM demo.airports WHERE __ttl IS NULL", ["faa", "name"]),
        ("SELECT *, __ttl FROM demo.airports", ["faa", "name", "__ttl"]),
        ("SELECT __ttl, a.* FROM demo.airports a JOIN demo.airports b USING (faa)", None),
        ("SELECT *, a.__ttl FROM demo.airports a JOIN demo.airports b ON true", ["faa", "name"] * 2 + ["__ttl"]),
        ("SELECT 2 * 3 AS six, a.*, __ttl FROM demo.airports a", ["six", "faa", "name", "__ttl"]),
        ("SELECT * EXCLUDE (faa), __ttl FROM demo.airports", ["name", "__ttl", "__ttl"]),
        ("WITH q AS (SELECT __ttl, faa FROM demo.airports) SELECT * FROM q", ["__ttl", "faa"]),
        ("WITH q AS (SELECT *, __ttl AS t FROM demo.airports) SELECT * FROM q", ["faa", "name", "t"]),
        ("FROM demo.airports WHERE __ttl IS NULL", ["faa", "name", "__ttl"]),
    ],
)
def test_a_star_has_no_metadata_that_is_only_named_elsewhere(engine, catalog, sql, names):
    catalog.tables["demo", "airports"] = airports().append_column("__ttl", pa.nulls(4, pa.int64()))
    if names is None:
        with pytest.raises(QueryError, match="__ttl"):
            engine.query(sql)
        return
    with engine.query(sql) as result:
        assert result.schema.names == names


# -------------------------------------------------------------------------- what a scan is asked


def test_count_asks_for_no_column(rows, catalog):
    assert rows("SELECT count(*) FROM demo.flights WHERE number < 10") == [(10,)]
    (plan,) = catalog.plans
    assert plan.columns == ()
    assert describe(plan.predicate) == "number < 10"


def test_only_the_named_columns_are_read(rows, catalog):
    rows("SELECT origin FROM demo.flights")
    assert catalog.plans[0].columns == ("origin",)


def test_limit_stops_the_scan(rows, catalog):
    assert len(rows("SELECT * FROM demo.flights LIMIT 5")) == 5
    assert catalog.scans[0].batches_given <= 2


def test_the_limit_option_stops_the_scan_and_knows_order_by(rows, catalog):
    assert len(rows("SELECT * FROM demo.flights; -- all", limit=5)) == 5
    assert catalog.scans[0].batches_given <= 2
    assert rows("SELECT number FROM demo.flights ORDER BY number DESC", limit=2) == [(999,), (998,)]


def test_the_limit_option_keeps_repeated_names(engine):
    with engine.query("SELECT 1 AS a, 2 AS a FROM demo.airports", options=QueryOptions(limit=2)) as result:
        table = result.to_arrow()
    assert (table.column_names, table.num_rows) == (["a", "a"], 2)


def test_head_stops_the_scan_and_closes(engine, catalog):
    catalog.tables["demo", "flights"] = flights(50_000)
    result = engine.query("SELECT * FROM demo.flights", options=QueryOptions(batch_rows=1000))
    assert result.head(7).num_rows == 7
    assert catalog.scans[0].batches_given < 200
    assert [scan.state for scan in result.progress] == ["done"]


def test_filters_duckdb_does_not_push_are_pushed(rows, catalog):
    rows("SELECT count(*) FROM demo.flights WHERE delay > 20.5 AND origin LIKE 'J%' AND late")
    assert describe(catalog.plans[0].predicate) == "delay > 20.5 AND starts_with(origin, 'J') AND late = TRUE"


def test_without_push_down_every_row_is_read(rows, catalog):
    sql = "SELECT count(*) FROM demo.flights WHERE number < 10"
    assert rows(sql, push_down=False) == [(10,)]
    assert catalog.plans[0].predicate is None


# ------------------------------------------------------------------------------------- parameters


def test_parameters(rows):
    assert rows(
        "SELECT count(*) FROM demo.flights WHERE origin IN (:l) AND number < {{n}}", {"l": ["JFK"], "n": 8}
    ) == [(2,)]
    assert rows("SELECT count(*) FROM demo.airports WHERE faa NOT IN :l", {"l": []}) == [(4,)]
    assert rows("SELECT {{c!i}} FROM {{t!t}} LIMIT 1", {"c": "faa", "t": "demo.airports"}) == [("JFK",)]
    assert len(rows("SELECT * FROM demo.flights LIMIT :n", {"n": 3})) == 3
    assert rows("SELECT count(*) FROM demo.flights WHERE number = ANY(:l)", {"l": [1, 2]}) == [(2,)]
    assert rows("SELECT :a, :b::int, ':c'", {"a": None, "b": "5"}) == [(None, 5, ":c")]
    with pytest.raises(ParameterError):
        rows("SELECT :missing", {})


def test_a_hostile_value_is_only_a_value(rows):
    assert rows("SELECT count(*) FROM demo.airports WHERE faa = :v", {"v": "' OR 1=1 --"}) == [(0,)]


# ------------------------------------------------------------------------------------- only reads


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE x AS SELECT 1",
        "INSERT INTO x VALUES (1)",
        "UPDATE x SET a = 1",
        "DELETE FROM x",
        "DROP VIEW demo.flights",
        "COPY demo.flights TO 'x.csv'",
        "ATTACH 'x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 1",
        "RESET threads",
        "PRAGMA version",
        "CALL pragma_version()",
        "USE demo",
        "BEGIN",
        "CHECKPOINT",
        "EXPORT DATABASE 'x'",
        "PREPARE q AS SELECT 1",
        "MERGE INTO x USING y ON true WHEN MATCHED THEN DELETE",
        "WITH q AS (INSERT INTO x VALUES (1) RETURNING *) SELECT * FROM q",
        "EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1",
        "EXPLAIN (FORMAT json) INSERT INTO x VALUES (1)",
    ],
)
def test_statements_that_do_not_read_are_refused(rows, sql):
    with pytest.raises(ReadOnlyError) as raised:
        rows(sql)
    assert raised.value.position is not None


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('pyproject.toml')",
        "SELECT * FROM 'pyproject.toml'",
        "SELECT * FROM read_text('*')",
        "SELECT * FROM glob('*')",
        "SELECT * FROM duckdb_extensions() WHERE install_extension('x')",
    ],
)
def test_files_and_extensions_are_out_of_reach(rows, sql):
    with pytest.raises(QueryError):
        rows(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "(SELECT 1)",
        "VALUES (1)",
        "FROM demo.airports",
        "TABLE demo.airports",
        "PIVOT demo.flights ON origin USING count(*) GROUP BY late",
        "FROM (PIVOT demo.flights ON origin USING count(*) GROUP BY late)",
        "UNPIVOT (SELECT 1 AS a, 2 AS b) ON a, b",
        "EXPLAIN SELECT * FROM demo.airports",
        "EXPLAIN ANALYZE FROM demo.airports",
        'SELECT \'insert into x\', "delete" FROM (SELECT 1 AS "delete");;',
    ],
)
def test_statements_that_read_run(rows, sql):
    assert rows(sql)


def test_one_statement_at_a_time(rows):
    with pytest.raises(QueryError, match="one statement") as raised:
        rows("SELECT 1; SELECT 2")
    assert raised.value.position == 10
    with pytest.raises(QueryError, match="no statement"):
        rows(" -- nothing")


# ----------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("sql", "kind", "message", "hint", "at"),
    [
        ("selec 1", QueryError, "syntax error", "", "selec"),
        ("SELECT origin,\n  CASE WHEN 1 THN 2 END\nFROM demo.flights", QueryError, "syntax error", "", "THN"),
        ("SELECT orgin FROM demo.flights", UnknownNameError, "no column orgin", "origin?", "orgin"),
        ("SELECT f.orgin FROM demo.flights f", UnknownNameError, "no column orgin in f", "origin?", "orgin"),
        ("SELECT 1 FROM dmo.flights", UnknownNameError, "no namespace dmo", "demo?", "dmo"),
        ("SELECT 1 FROM demo.flihgts", UnknownNameError, "has no set flihgts", "demo.flights?", "demo.fli"),
        ("SELECT 1 FROM airprots", UnknownNameError, "no set", "demo.airports?", "airprots"),
        ("SELECT nofun(1)", QueryError, "no function nofun", "", "nofun"),
        ("SELECT cout(1)", QueryError, "no function cout", "count?", "cout"),
        ("SELECT 'é日本', 1 thn 2 FROM demo.flights", QueryError, "syntax error", "", "2"),
        ("SELECT " + "1, " * 200 + "2 3 FROM demo.flights", QueryError, "syntax error", "", "3"),
        ("SELECT {{p}}, origin::int FROM demo.flights", QueryError, "Could not convert", "", "::int"),
    ],
)
def test_errors_are_one_line_with_place_and_near_matches(rows, sql, kind, message, hint, at):
    with pytest.raises(QueryError) as raised:
        rows(sql, {"p": 1})
    error = raised.value
    assert type(error) is kind
    assert message in error.message
    assert "\n" not in error.message
    assert hint in error.hint
    assert error.sql == sql
    assert sql[error.position :].startswith(at)


def test_an_error_inside_the_scan_arrives_as_it_was(rows, catalog):
    catalog.error, catalog.fail_after = ScanError("node lost", partition=7), 3
    with pytest.raises(ScanError) as raised:
        rows("SELECT sum(number) FROM demo.flights")
    assert raised.value is catalog.error


# --------------------------------------------------------------------------------------- stopping


def test_cancel_stops_within_a_second(engine, catalog):
    catalog.pause_s = 0.2
    result = engine.query("SELECT sum(number) FROM demo.flights")
    threading.Timer(0.3, result.cancel).start()
    started = time.monotonic()
    with pytest.raises(ScanCancelled):
        result.to_arrow()
    assert time.monotonic() - started < 1.3
    assert catalog.scans[0].batches_given < 9
    assert [scan.state for scan in result.progress] == ["cancelled"]


def test_cancel_stops_work_inside_duckdb(engine):
    result = engine.query("SELECT sum(a.range * b.range) FROM range(100000) a, range(1000000) b")
    threading.Timer(0.2, result.cancel).start()
    started = time.monotonic()
    with pytest.raises(ScanCancelled):
        result.to_arrow()
    assert time.monotonic() - started < 1.2


def test_an_interrupt_cancels(engine, catalog, monkeypatch):
    catalog.pause_s = 0.2
    result = engine.query("SELECT sum(number) FROM demo.flights")

    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(result._execution, "wait_ready", interrupt)
    with pytest.raises(KeyboardInterrupt):
        list(result.batches())
    assert not result._execution._thread.is_alive()


def test_the_timeout(engine, catalog):
    catalog.pause_s = 0.2
    with (
        pytest.raises(ScanTimeout),
        engine.query("SELECT sum(number) FROM demo.flights", options=QueryOptions(timeout_s=0.3)) as result,
    ):
        result.to_arrow()


def test_close_and_forget_leave_no_thread(engine, catalog):
    catalog.pause_s = 0.02
    before = threading.active_count()
    engine.query("SELECT * FROM demo.flights").close()
    result = engine.query("SELECT * FROM demo.flights")
    next(result.batches())
    del result
    deadline = time.monotonic() + 3
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert threading.active_count() <= before


def test_two_queries_at_once_do_not_disturb_each_other(engine, catalog):
    catalog.pause_s = 0.01
    one = engine.query("SELECT count(*) AS n FROM demo.flights")
    two = engine.query("SELECT count(*) AS n FROM demo.flights WHERE origin = 'JFK'")
    one_more = engine.query("SELECT * FROM demo.flights")
    one_more.cancel()
    assert two.to_arrow().to_pylist() == [{"n": 250}]
    assert one.to_arrow().to_pylist() == [{"n": 1000}]
    one_more.close()


def test_progress_is_told(engine):
    told = []
    with engine.query(
        "SELECT count(*) FROM demo.flights, demo.airports", options=QueryOptions(on_progress=told.append)
    ) as result:
        result.to_arrow()
        assert {scan.set_name for scan in result.progress} == {"flights", "airports"}
    assert told
    assert result.elapsed_s > 0


# --------------------------------------------------------------------------------------- explain


def test_explain_says_what_is_asked_and_reads_nothing(engine, catalog):
    sql = """SELECT a.name, avg(delay) FROM demo.flights f JOIN demo.airports a ON a.faa = f.origin
             WHERE delay > 20.5 AND f.number < 100 GROUP BY 1"""
    explanation = engine.explain(sql)
    by_table = {scan.table: scan for scan in explanation.scans}
    assert set(by_table) == {"demo.flights", "demo.airports"}
    assert by_table["demo.flights"].pushed == "delay > 20.5 AND number < 100"
    assert set(by_table["demo.flights"].columns) == {"origin", "delay"}
    assert "demo.flights: partition scan" in explanation.text()
    assert explanation.plan
    assert catalog.scans == []


def test_explain_of_a_pivot_and_of_nothing(engine):
    assert engine.explain("PIVOT demo.flights ON origin USING count(*)").scans
    assert engine.explain("SELECT 1").text() == "No set is read."


# ------------------------------------------------------------------------------------- the result


def test_results_lose_nothing(engine):
    sql = "SELECT * FROM (VALUES (9007199254740993, true, 'a', 1.5), (NULL, NULL, NULL, NULL)) t(i, b, s, d)"
    frame = engine.query(sql).to_pandas()
    assert [str(kind) for kind in frame.dtypes] == ["Int64", "boolean", "str", "object"]
    assert frame["i"][0] == 9007199254740993
    assert frame["i"][1] is pd.NA
    assert engine.query(sql).to_polars()["i"].to_list() == [9007199254740993, None]
    assert engine.query(sql).to_duckdb().fetchall()[0][0] == 9007199254740993


def test_sums_of_integers_are_integers(engine):
    frame = engine.query("SELECT sum(number) AS s, 1 AS a, 2 AS a FROM demo.flights").to_pandas()
    assert str(frame["s"].dtype) == "int64"
    assert list(frame.columns) == ["s", "a", "a"]


def test_a_result_that_does_not_fit_is_refused_before_and_while_it_is_read(engine, catalog):
    with pytest.raises(ResultTooLarge, match="would take about"):
        engine.query("SELECT * FROM demo.flights", options=QueryOptions(memory_limit=1000)).to_arrow()
    with pytest.raises(ResultTooLarge, match="have arrived"):
        engine.query("SELECT * FROM demo.flights WHERE number >= 0", options=QueryOptions(memory_limit=1000)).to_arrow()
    assert engine.query("SELECT * FROM demo.flights", options=QueryOptions(memory_limit=0)).to_arrow().num_rows == 1000


def test_an_empty_result_has_its_columns(engine):
    table = engine.query("SELECT origin, delay FROM demo.flights WHERE number < 0").to_arrow()
    assert table.num_rows == 0
    assert table.schema.names == ["origin", "delay"]
    assert list(engine.query("SELECT origin FROM demo.flights WHERE number < 0").to_pandas().columns) == ["origin"]

"""The engine on a real Trino and a real Presto: what the contract of all engines does not ask."""

from __future__ import annotations

import threading
import time

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from aerospike_magic.connection import connect
from aerospike_magic.engines.base import QueryOptions
from aerospike_magic.engines.trino.endpoint import TrinoServer
from aerospike_magic.engines.trino.engine import TrinoEngine
from aerospike_magic.engines.trino.flavor import FLAVORS
from aerospike_magic.errors import (
    ParameterError,
    QueryError,
    ScanCancelled,
    ScanError,
    ScanTimeout,
    UnknownNameError,
)

KINDS = [pytest.param(kind, marks=pytest.mark.trino(kind)) for kind in ("trino", "presto")]


@pytest.fixture(params=KINDS)
def running(request):
    return request.getfixturevalue(f"{request.param}_server")


def server_of(running, **given):
    kind = running.server.kind
    return TrinoServer(running.server.host, running.server.port, flavor=FLAVORS[kind], **given)


@pytest.fixture
def engine(running):
    made = TrinoEngine(running.connection, server_of(running), running.service)
    yield made
    made.close()


def rows(engine, sql, parameters=None, frames=None, **options):
    with engine.query(sql, parameters, QueryOptions(**options), frames=frames) as result:
        return [tuple(row.values()) for row in result.to_arrow().to_pylist()]


def states(engine):
    return dict(map(tuple, engine.ask("SELECT query, state FROM system.runtime.queries")))


def test_other_catalogs_pass_and_join(engine):
    sql = """SELECT n.name, count(*) FROM demo.flights f JOIN tpch.tiny.nation n ON n.nationkey = f.month
             WHERE f.origin = 'JFK' AND n.name = :name GROUP BY n.name"""
    ((name, count),) = rows(engine, sql, {"name": "BRAZIL"})
    assert (name, count) == ("BRAZIL", 8_421)
    assert rows(engine, "SELECT count(*) FROM tpch.tiny.region") == [(5,)]


def test_names(engine):
    assert rows(engine, "SELECT count(*) FROM airports") == [(1_458,)]
    assert rows(engine, "SELECT count(*) FROM aerospike.demo.airports") == [(1_458,)]
    assert rows(engine, "SELECT demo.airports.faa FROM demo.airports WHERE airports.faa = 'JFK'") == [("JFK",)]
    assert rows(engine, "TABLE demo.airlines", limit=1)[0][0] is not None
    assert ("demo", "flights") in rows(engine, "SHOW TABLES")
    assert any(row[0] == "faa" for row in rows(engine, "DESCRIBE demo.airports"))
    assert ("demo",) in rows(engine, "SHOW SCHEMAS")


@pytest.mark.parametrize(
    ("sql", "kind", "words", "at"),
    [
        ("SELECT bogus FROM demo.airports", UnknownNameError, "no column bogus in demo.airports", "bogus"),
        ("SELECT nam FROM demo.airports", UnknownNameError, "no column nam", "nam"),
        ("SELECT 'é😀', a.bogus FROM demo.airports a", UnknownNameError, "no column bogus", "a.bogus"),
        ("SELECT *\nFROM demo.airports,\n  tpch.tiny.nope", UnknownNameError, "nope", "tpch"),
        ("SELECT * FROM nocat.a.b", UnknownNameError, "nocat", "nocat"),
        ("SELECT * FROM nospace.a", UnknownNameError, "no namespace nospace", "nospace"),
        ("SELECT * FROM airport", UnknownNameError, "no set", "airport"),
        ("SELECT foo(1)", QueryError, "no function foo", "foo"),
        ("SELECT name FROM demo.airports GRUP BY 1", QueryError, "mismatched input", "BY"),
        ("SELECT 'a' + 1", QueryError, "annot", "+"),
    ],
)
def test_errors_have_their_place(engine, sql, kind, words, at):
    with pytest.raises(kind, match=words) as raised:
        rows(engine, sql)
    error = raised.value
    assert error.sql == sql
    place = sql.index(at)
    # Presto marks an operator at its left side, and a table that is not there not at all.
    assert error.position in ((place,) if at != "+" else (place, sql.index("'a'")))
    assert "\n" not in error.message and "io.trino" not in error.message and "com.facebook" not in error.message


def test_an_error_while_it_runs(engine):
    with pytest.raises(QueryError, match=r"(?i)by zero") as raised:
        rows(engine, "SELECT 1 / (day - day) FROM demo.flights")
    assert "Exception" in raised.value.details
    assert "trace" in raised.value.hint


def test_parameters_are_values_and_nothing_else(engine):
    evil = "x' OR '1'='1' -- \\' /*"
    assert rows(engine, "SELECT :v, count(*) FROM demo.airlines WHERE name = :v", {"v": evil}) == [(evil, 0)]
    assert rows(engine, "SELECT count(*) FROM demo.airlines WHERE carrier IN :many", {"many": ["AA", "B6", "'"]}) == [
        (2,)
    ]
    assert rows(engine, "SELECT count(*) FROM demo.airlines WHERE carrier IN :many", {"many": []}) == [(0,)]
    assert rows(engine, "SELECT carrier FROM demo.airlines ORDER BY 1 LIMIT :n", {"n": 1}) == [("9E",)]
    with pytest.raises(ParameterError, match=":big is"):
        rows(engine, "SELECT :big", {"big": pd.Timedelta(1, "us").to_pytimedelta()})


def test_frames_keep_their_types(engine):
    digits = "ms" if engine.name == "presto" else "us"
    table = pa.table(
        {
            "i8": pa.array([1, None], pa.int8()),
            "u32": pa.array([2**32 - 1, 0], pa.uint32()),
            "u64": pa.array([2**64 - 1, None], pa.uint64()),
            "f": pa.array([1.5, float("nan")], pa.float32()),
            "money": pa.array(["1.50", None], pa.string()).cast(pa.decimal128(9, 2)),
            "raw": pa.array([b"\x00\xff", None]),
            "at": pa.array([1_600_000_000_123, None], pa.timestamp("ms")).cast(pa.timestamp(digits)),
            "zoned": pa.array([1_600_000_000_123, None], pa.timestamp("ms", "Europe/Berlin")),
            "day": pa.array([18_262, None], pa.int32()).cast(pa.date32()),
            "ints": pa.array([[1, None], None], pa.list_(pa.int32())),
            "place": pa.array([{"City": "Bonn", "n": 1}, None]),
            "Word": pa.array(["x", None]).dictionary_encode(),
        }
    )
    with engine.query("SELECT * FROM t ORDER BY u32 DESC", frames={"t": table}) as result:
        found = result.to_arrow()
    assert found.column_names == table.column_names
    wanted = {"u32": pa.int64(), "u64": pa.decimal128(20, 0), "zoned": pa.timestamp("us", "UTC"), "i8": pa.int8()}
    for name, kind in wanted.items():
        assert found.schema.field(name).type == kind
    for name in set(table.column_names) - {"f", "u64"}:
        assert found[name].to_pylist() == table[name].to_pylist(), name
    assert str(found["f"].to_pylist()) == "[1.5, nan]"
    assert int(found["u64"][0].as_py()) == 2**64 - 1


def test_frames_of_every_kind_and_again(engine):
    frames = {"p": pd.DataFrame({"n": [1, 2]}), "q": pl.DataFrame({"n": [2, 3]})}
    sql = "SELECT n FROM p JOIN q USING (n) WHERE n IN (SELECT n FROM p)"
    assert rows(engine, sql, frames=frames) == [(2,)]
    assert rows(engine, sql, frames=frames) == [(2,)]
    assert engine.service.list_tables("aerospike_frames") == []
    with pytest.raises(QueryError, match="cannot be read by"):
        rows(engine, "SELECT * FROM t", frames={"t": pd.DataFrame({"x": pd.to_timedelta([1], "s")})})


def test_frames_need_a_gateway_here(running):
    engine = TrinoEngine(running.connection, server_of(running))
    with pytest.raises(QueryError, match="cannot reach the notebook") as raised:
        rows(engine, "SELECT * FROM t", frames={"t": pd.DataFrame({"n": [1]})})
    assert "start" in raised.value.hint
    engine.close()


def test_a_users_own_cluster_tells_progress_where_it_can(running):
    engine = TrinoEngine(running.connection, server_of(running))
    with engine.query("SELECT count(*) FROM demo.airports") as result:
        assert result.to_arrow()[0].to_pylist() == [1_458]
        assert [scan.state for scan in result.progress] == ["done"]
    engine.close()


def test_a_catalog_that_is_not_there_or_not_ours(running):
    engine = TrinoEngine(running.connection, server_of(running, catalog="nowhere"))
    with pytest.raises(QueryError, match="no catalog nowhere") as raised:
        rows(engine, "SELECT * FROM demo.airports")
    assert "--catalog" in raised.value.hint
    assert rows(engine, "SELECT 1") == [(1,)]
    engine.close()
    # `memory` stands for a catalog of another connector; it has no such table.
    engine = TrinoEngine(running.connection, server_of(running, catalog="memory"))
    assert not engine.catalog_is_ours()
    with pytest.raises(UnknownNameError):
        rows(engine, "SELECT * FROM demo.airports")
    engine.close()


def test_a_cancel_reaches_the_server(engine):
    sql = "SELECT count(*) FROM tpch.sf100.lineitem WHERE comment LIKE '%cancel me%'"
    result = engine.query(sql)
    while "running" not in result.activity:
        time.sleep(0.02)
    started = time.monotonic()
    threading.Timer(0.1, result.cancel).start()
    with pytest.raises(ScanCancelled):
        result.to_arrow()
    assert time.monotonic() - started < 2.0
    deadline = time.monotonic() + 10
    while states(engine).get(sql) != "FAILED" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert states(engine)[sql] == "FAILED"


def test_closing_early_and_forgetting_reach_the_server(engine):
    closed, forgotten = (f"SELECT count(*) FROM tpch.sf100.lineitem WHERE comment LIKE '%{n}%'" for n in "ab")
    engine.query(closed).close()
    result = engine.query(forgotten)
    del result
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        known = states(engine)
        if all(known.get(sql, "FAILED") == "FAILED" for sql in (closed, forgotten)):
            break
        time.sleep(0.2)
    assert {known.get(sql, "FAILED") for sql in (closed, forgotten)} == {"FAILED"}


def test_a_query_killed_on_the_server(engine):
    result = engine.query("SELECT count(*) FROM tpch.sf100.lineitem WHERE comment LIKE '%kill me%'")
    while not result._run.statement.id:
        time.sleep(0.02)
    with engine.server.open_session() as session:
        session.delete(f"{engine.server.url}/v1/query/{result._run.statement.id}", timeout=10)
    with pytest.raises(ScanCancelled, match="was stopped on"):
        result.to_arrow()


def test_a_time_limit(engine):
    started = time.monotonic()
    with pytest.raises(ScanTimeout):
        rows(engine, "SELECT count(*) FROM tpch.sf100.lineitem", timeout_s=0.5)
    assert time.monotonic() - started < 5


def test_activity_never_goes_backwards(engine):
    result = engine.query("SELECT count(*) FROM tpch.sf1.lineitem l JOIN tpch.sf1.orders o USING (orderkey)")
    seen = []
    while not result._run.statement.has_ended:
        done = result._run._activity.words
        found = [int(word.replace(",", "")) for word in done.split() if word.replace(",", "").isdigit()]
        if "splits" in done:
            seen.append(found[:2])
        time.sleep(0.05)
    assert result.to_arrow()[0].to_pylist() == [6_001_215]
    assert seen == sorted(seen)
    assert result.activity == ""


def test_rows_stream(engine):
    result = engine.query("SELECT * FROM tpch.sf1.lineitem")
    batches = result.batches()  # one that is let go closes the result
    first = next(batches)
    assert first.num_rows > 0
    assert not result._run.statement.has_ended
    result.close()
    assert list(result.batches()) == []


def test_a_misfit_is_said_in_the_gateways_words(engine, running):
    with connect(f"{running.connection.nodes()[0].host}:{running.connection.nodes()[0].port}") as other:
        wrong = other.schema("demo.airlines").with_types({"name": "int64"})
    right = running.connection.schema("demo.airlines")
    running.connection.set_schema(wrong)
    try:
        with pytest.raises(ScanError, match="name") as raised:
            rows(engine, "SELECT name FROM demo.airlines", on_mismatch="error")
        assert "Thrift" not in raised.value.message
    finally:
        running.connection.set_schema(right)


def test_explain_reads_nothing(engine):
    explanation = engine.explain("SELECT name FROM demo.airports WHERE __key IN ('JFK', 'LGA')")
    (scan,) = explanation.scans
    assert scan.table == "demo.airports"
    assert "JFK" in scan.text()
    assert set(scan.columns) <= {"name", "__key"} and "name" in scan.columns
    assert "demo" in explanation.plan and "progress" not in explanation.plan
    assert engine.explain("SELECT * FROM tpch.tiny.nation").scans == ()
    with pytest.raises(UnknownNameError):
        engine.explain("SELECT bogus FROM demo.airports")


def test_results_without_rows_have_their_types(engine):
    with engine.query("SELECT faa, lat FROM demo.airports WHERE faa = 'nowhere'") as result:
        table = result.to_arrow()
    assert (table.num_rows, table.schema.names) == (0, ["faa", "lat"])
    assert table.schema.types == [pa.string(), pa.float64()]

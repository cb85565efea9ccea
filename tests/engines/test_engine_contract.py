"""What every engine does, over a server: the same queries, the same answers, the same errors.

A new engine joins by an entry in `ENGINES`; what it cannot do is marked there with its reason.
"""

from __future__ import annotations

import threading
import time

import pandas as pd
import pyarrow as pa
import pytest

from aerospike_magic.connection import connect
from aerospike_magic.engines.base import QueryOptions
from aerospike_magic.engines.differences import DIFFERENCES
from aerospike_magic.errors import (
    ParameterError,
    QueryError,
    ReadOnlyError,
    ResultTooLarge,
    ScanCancelled,
    UnknownNameError,
)

ENGINES = ("local", "spark", "trino", "presto")
MARKS = {name: pytest.mark.trino(name) for name in ("trino", "presto")}
N_TRIPS = 20_000
SETS = {"eng_trips": N_TRIPS, "eng_shops": 4}


# How an engine writes what SQL leaves open: a name that is a keyword, the length of bytes, a list's second element.
NAME = {"local": '"{}"', "spark": "`{}`", "trino": '"{}"', "presto": '"{}"'}
OCTETS = {"local": "octet_length", "spark": "octet_length", "trino": "length", "presto": "length"}
SECOND = {"local": "2", "spark": "1", "trino": "2", "presto": "2"}


def make_engine(name, connection, request):
    if name == "local":
        from aerospike_magic.engines.local.engine import LocalEngine

        return LocalEngine(connection)
    if name in ("trino", "presto"):
        from aerospike_magic.engines.trino.endpoint import TrinoServer
        from aerospike_magic.engines.trino.engine import TrinoEngine
        from aerospike_magic.engines.trino.flavor import FLAVORS

        running = request.getfixturevalue(f"{name}_server")
        server = TrinoServer(running.server.host, running.server.port, flavor=FLAVORS[name])
        return TrinoEngine(connection, server, running.service)
    spark = request.getfixturevalue("spark")
    request.getfixturevalue("class_loader")
    from aerospike_magic.engines.spark.engine import SparkEngine

    return SparkEngine(connection, spark)


def trip(i):
    bins = {"n": i, "shop": i % 5, "fare": i / 4, "tag": f"tag{i % 100:02}", "paid": i % 2 == 0}
    if i % 10 == 0:
        del bins["fare"]
    return bins


@pytest.fixture(scope="module")
def loaded(server, client):
    """Two sets in namespace test, written by the official client."""
    for i in range(N_TRIPS):
        client.put(("test", "eng_trips", i), trip(i), policy={"key": 1})
    for i, name in enumerate(["Ada", "Bo", "Cy", "Di"]):
        client.put(("test", "eng_shops", i), {"id": i, "name": name, "at": {"x": i, "y": -i}, "days": [i, i + 1]})
    yield server
    for name in SETS:
        client.truncate("test", name, 0)


@pytest.fixture(scope="module")
def connected(loaded):
    with connect(loaded.address) as connection:
        yield connection


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, ())) for name in ENGINES])
def engine(request, connected):
    made = make_engine(request.param, connected, request)
    yield made
    made.close()


def rows(engine, sql, parameters=None, **options):
    with engine.query(sql, parameters, QueryOptions(**options)) as result:
        table = result.to_arrow()
    return [tuple(row.values()) for row in table.to_pylist()]


def test_every_record_arrives_once(engine):
    with engine.query("SELECT * FROM test.eng_trips") as result:
        assert result.schema.names[0] == "__key"
        table = result.to_arrow()
    assert sorted(table["n"].to_pylist()) == list(range(N_TRIPS))
    assert table["fare"].null_count == N_TRIPS // 10


@pytest.mark.parametrize(
    ("where", "keep"),
    [
        ("n < 100", lambda b: b["n"] < 100),
        ("fare > 4999.5", lambda b: b.get("fare", 0) > 4999.5),
        ("fare IS NULL AND n > 19900", lambda b: "fare" not in b and b["n"] > 19900),
        ("tag LIKE 'tag4%'", lambda b: b["tag"].startswith("tag4")),
        ("paid AND shop IN (1, 2)", lambda b: b["paid"] and b["shop"] in (1, 2)),
        ("NOT paid AND fare BETWEEN 10 AND 12.5", lambda b: not b["paid"] and 10 <= b.get("fare", 0) <= 12.5),
        ("tag = 'tag07' OR n = 3", lambda b: b["tag"] == "tag07" or b["n"] == 3),
    ],
)
def test_filters(engine, where, keep):
    wanted = [i for i in range(N_TRIPS) if keep(trip(i))]
    assert rows(engine, f"SELECT n FROM test.eng_trips WHERE {where} ORDER BY n") == [(i,) for i in wanted]
    assert rows(engine, f"SELECT count(*) FROM test.eng_trips WHERE {where}") == [(len(wanted),)]


def test_filters_are_pushed(engine):
    with engine.query("SELECT n FROM test.eng_trips WHERE fare > 4999.5 AND tag LIKE 'tag9%'") as result:
        found = result.to_arrow().num_rows
        (scan,) = result.progress
    assert scan.records == found
    assert "fare > 4999.5" in scan.pushed


def test_joins_and_windows(engine):
    sql = """SELECT s.name, count(*) AS n, rank() OVER (ORDER BY s.name DESC) AS place
             FROM test.eng_trips t JOIN test.eng_shops s ON s.id = t.shop GROUP BY s.name ORDER BY s.name"""
    assert rows(engine, sql) == [(name, 4000, 4 - i) for i, name in enumerate(["Ada", "Bo", "Cy", "Di"])]


def test_filters_inside_lists_and_structs(engine):
    at, second = NAME[engine.name].format("at"), SECOND[engine.name]
    sql = f"SELECT name, {at}.y FROM test.eng_shops WHERE {at}.x >= 2 AND days[{second}] < 4"
    assert rows(engine, sql) == [("Cy", -2)]


def test_keys_and_metadata(engine):
    octets = f"{OCTETS[engine.name]}(__digest)"
    sql = f"SELECT n, __generation, __ttl IS NOT NULL, {octets} FROM test.eng_trips WHERE __key = 77"
    assert rows(engine, sql) == [(77, 1, True, 20)]


def test_count_moves_no_bins(engine):
    with engine.query("SELECT count(*) FROM test.eng_trips") as result:
        assert result.to_arrow()[0].to_pylist() == [N_TRIPS]
        assert result.progress[0].columns == ()
        assert result.progress[0].state == "done"


def test_a_column_without_a_name_is_called_as_the_table_of_differences_says(engine):
    (name,) = engine.query("SELECT count(*) FROM test.eng_shops").to_arrow().column_names
    assert f"`{name}`" == DIFFERENCES["unnamed"].on(engine.name)


def test_limit_and_head_stop_the_scan(engine):
    assert len(rows(engine, "SELECT * FROM test.eng_trips", limit=10)) == 10
    result = engine.query("SELECT * FROM test.eng_trips")
    assert result.head(20).num_rows == 20
    assert result.head(20).num_rows == 0


def test_parameters(engine):
    values = {"tags": ["tag01", "tag02"], "low": 19_900}
    sql = "SELECT count(*) FROM test.eng_trips WHERE tag IN (:tags) AND n >= {{low}}"
    assert rows(engine, sql, values) == [(2,)]
    with pytest.raises(ParameterError, match=":tagz"):
        engine.query("SELECT * FROM test.eng_trips WHERE tag IN :tagz", values)


def test_local_frames_beside_sets(engine):
    frames = {"wanted": pd.DataFrame({"n": [5, 6, -1]})}
    sql = "SELECT t.tag FROM test.eng_trips t JOIN wanted USING (n) ORDER BY 1"
    with engine.query(sql, frames=frames) as result:
        assert result.to_arrow().to_pylist() == [{"tag": "tag05"}, {"tag": "tag06"}]


@pytest.mark.parametrize(
    ("sql", "kind", "hint"),
    [
        ("SELECT * FROM test.eng_tripz", UnknownNameError, "eng_trips"),
        ("SELECT * FROM tst.eng_trips", UnknownNameError, "test"),
        ("SELECT far FROM test.eng_trips", UnknownNameError, "fare"),
        ("DELETE FROM test.eng_trips", ReadOnlyError, ""),
        ("SELEC 1", QueryError, ""),
    ],
)
def test_errors(engine, sql, kind, hint):
    with pytest.raises(kind) as raised:
        rows(engine, sql)
    assert hint in raised.value.hint
    assert raised.value.sql == sql
    assert raised.value.position is not None


def test_cancel(engine):
    # Aerospike counts the limit for each node, and lets a first burst through.
    result = engine.query("SELECT * FROM test.eng_trips", options=QueryOptions(records_per_second=1000))
    threading.Timer(0.4, result.cancel).start()
    started = time.monotonic()
    with pytest.raises(ScanCancelled):
        result.to_arrow()
    assert time.monotonic() - started < 1.6
    assert [scan.state for scan in result.progress] == ["cancelled"]


def test_a_result_that_does_not_fit(engine):
    with pytest.raises(ResultTooLarge):
        rows(engine, "SELECT * FROM test.eng_trips", memory_limit=10_000)


def test_progress(engine):
    told = []
    rows(engine, "SELECT sum(n) FROM test.eng_trips", on_progress=told.append)
    assert told[-1][0].state == "done"
    assert told[-1][0].fraction == 1.0
    assert told[-1][0].records == N_TRIPS


def test_explain(engine):
    sql = """SELECT s.name, avg(fare) FROM test.eng_trips t JOIN test.eng_shops s ON s.id = t.shop
             WHERE fare > 1.5 GROUP BY 1"""
    explanation = engine.explain(sql)
    scans = {scan.table: scan for scan in explanation.scans}
    assert set(scans) == {"test.eng_trips", "test.eng_shops"}
    assert "fare > 1.5" in scans["test.eng_trips"].pushed
    assert set(scans["test.eng_trips"].columns) == {"shop", "fare"}
    assert scans["test.eng_trips"].objects == N_TRIPS
    assert explanation.text()


def test_every_kind_of_table(engine):
    sql = "SELECT n, tag FROM test.eng_trips WHERE n < 3 ORDER BY n"
    assert engine.query(sql).to_pandas()["tag"].tolist() == ["tag00", "tag01", "tag02"]
    assert engine.query(sql).to_polars()["n"].to_list() == [0, 1, 2]
    assert engine.query(sql).to_duckdb().fetchall()[0] == (0, "tag00")
    assert isinstance(engine.query(sql).to_arrow(), pa.Table)


def test_queries_at_the_same_time(engine):
    results = [engine.query(f"SELECT count(*) FROM test.eng_trips WHERE shop = {i}") for i in range(4)]
    assert [result.to_arrow()[0].to_pylist() for result in results] == [[4000]] * 4

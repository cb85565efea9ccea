"""What the Spark engine does beyond the contract of all engines, in a real Spark."""

from __future__ import annotations

import threading
import time

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from aerospike_magic.connection import connect
from aerospike_magic.engines.base import QueryOptions
from aerospike_magic.errors import (
    ConfigError,
    MismatchError,
    QueryError,
    ScanCancelled,
    ScanTimeout,
    UnknownNameError,
)

N = 3_000


@pytest.fixture(scope="module")
def loaded(server, client):
    for i in range(N):
        client.put(("test", "spk_n", i), {"n": i, "s": f"s{i % 7}", "when": i * 1_000}, policy={"key": 1})
    for i in range(40):
        client.put(("test", "spk_mixed", i), {"v": i if i % 4 else f"text {i}"}, policy={"key": 1})
    client.put(("test", "spk-odd", 1), {"a b": 1, "select": 2}, policy={"key": 1})
    yield server
    for name in ("spk_n", "spk_mixed", "spk-odd", "spk_copy"):
        client.truncate("test", name, 0)


@pytest.fixture(scope="module")
def connected(loaded):
    with connect(loaded.address) as connection:
        connection.set_schema(connection.schema("test.spk_mixed").with_types({"v": "int64"}))
        yield connection


@pytest.fixture
def engine(spark, connected, class_loader):
    from aerospike_magic.engines.spark.engine import SparkEngine

    made = SparkEngine(connected, spark)
    yield made
    made.close()
    left = [table.name for table in spark.catalog.listTables() if table.name.startswith("__aerosql")]
    assert left == [], "a query leaves no view behind"


def rows(engine, sql, parameters=None, frames=None, **options):
    with engine.query(sql, parameters, QueryOptions(**options), frames=frames) as result:
        table = result.to_arrow()
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


@pytest.mark.parametrize("push_down", [True, False])
@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        (
            "SELECT a.n, b.n FROM test.spk_n a JOIN test.spk_n b ON a.n = b.n + 1 WHERE a.n < 3 AND b.n > 0",
            [(2, 1)],
        ),
        ("WITH x AS (SELECT * FROM test.spk_n) SELECT (SELECT count(*) FROM x), (SELECT min(n) FROM x)", [(N, 0)]),
        (
            "SELECT n FROM test.spk_n WHERE n = 1 UNION ALL SELECT n FROM test.spk_n WHERE n = 2 ORDER BY 1",
            [(1,), (2,)],
        ),
        ("SELECT test.spk_n.n FROM test.spk_n WHERE spk_n.n = 5", [(5,)]),
        ("SELECT n FROM test.spk_n TABLESAMPLE (100 PERCENT) WHERE n = 5", [(5,)]),
        ("SELECT `a b`, `select` FROM test.`spk-odd`", [(1, 2)]),
        ("SELECT s, count(*) c FROM spk_n GROUP BY s HAVING c > 428 ORDER BY s", [(f"s{i}", 429) for i in range(4)]),
        ("FROM test.spk_n |> WHERE n > 2998 |> SELECT n", [(2999,)]),
    ],
)
def test_each_reference_is_a_scan_of_its_own(engine, sql, wanted, push_down):
    assert rows(engine, sql, push_down=push_down) == wanted


def test_a_join_reads_only_the_records_whose_keys_the_other_side_has(engine):
    few = "(SELECT CAST(n % 7 AS BIGINT) AS k FROM test.spk_n GROUP BY 1 HAVING max(n) < 2997)"
    sql = f"SELECT /*+ broadcast(few) */ b.n FROM test.spk_n b JOIN {few} few ON b.__key = few.k ORDER BY 1"
    with engine.query(sql) as result:
        assert result.to_arrow()["n"].to_pylist() == [0, 4, 5, 6]
    read = {scan.access: scan.scanned for scan in result.progress}
    assert read == {"partition scan": N, "key look-up": 4}
    assert result.notes == ()


def test_a_thread_of_the_users_can_use_the_session_that_another_has_got_ready(engine, spark, loaded):
    from aerospike_magic.engines.spark.session import use_session_here

    found = []

    def use():
        use_session_here(spark)
        options = {"aerospike.seedhost": loaded.address}
        frame = spark.read.format("aerospike").options(**options).load("test.spk_n").filter("n < 3").select("n", "s")
        found.append("pushed: filters" in frame._jdf.queryExecution().toString())
        written = frame.write.format("aerospike").options(**options, **{"aerospike.updateByKey": "n"})
        written.mode("append").save("test.spk_copy")
        found.append(spark.read.format("aerospike").options(**options).load("test.spk_copy").count())

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert found == [True, 3]


def test_order_is_kept_over_many_batches(engine):
    ordered = rows(engine, "SELECT n FROM test.spk_n ORDER BY n DESC")
    assert ordered == [(n,) for n in reversed(range(N))]


def test_metadata_is_there_when_it_is_named_and_not_in_the_star(engine):
    (plain,) = rows(engine, "SELECT * FROM test.spk_n WHERE n = 7")
    (more,) = rows(engine, "SELECT *, __generation FROM test.spk_n WHERE n = 7 AND __ttl IS NOT NULL")
    assert more == (*plain, 1)


def test_frames_of_every_kind_and_of_spark_itself(engine, spark):
    table = pa.table({"n": pa.array([5, 6], pa.uint32()), "t": pa.array(["a", "b"]).dictionary_encode()})
    for frame in (table, table.to_pandas(), pl.from_arrow(table), pl.from_arrow(table).lazy(), table.to_batches()[0]):
        sql = "SELECT s, t FROM test.spk_n JOIN f USING (n) ORDER BY n"
        assert rows(engine, sql, frames={"f": frame}) == [("s5", "a"), ("s6", "b")]
    assert rows(engine, "SELECT count(*) FROM f", frames={"f": spark.range(3)}) == [(3,)]
    with pytest.raises(QueryError, match="f cannot be read by Spark"):
        rows(engine, "SELECT * FROM f", frames={"f": pd.DataFrame({"x": [object()]})})


def test_views_of_the_session_are_tables_too(engine, spark):
    spark.range(3).createOrReplaceTempView("mine")
    assert rows(engine, "SELECT count(*) FROM mine") == [(3,)]
    assert rows(engine, "SELECT n FROM mine JOIN test.spk_n ON id = n ORDER BY 1") == [(0,), (1,), (2,)]
    spark.catalog.dropTempView("mine")


def test_a_lazy_frame_runs_when_it_is_used_and_outlives_its_result(engine):
    with engine.query("SELECT n, s FROM test.spk_n WHERE n >= :low", {"low": 2_990}) as result:
        frame = result.to_spark()
    assert result.to_arrow().num_rows == 0
    assert result.progress == ()
    assert frame.count() == 10
    assert sorted(row.n for row in frame.filter("n < 2995").collect()) == [2990, 2991, 2992, 2993, 2994]


@pytest.mark.parametrize(
    "value", [3, 2.5, "x'y", True, None, b"\x00\xff", [1, 2], pd.Timestamp("2026-01-02 03:04:05"), 10**20]
)
def test_values_are_bound_and_never_pasted(engine, value):
    (found,) = rows(engine, "SELECT :v AS v", {"v": value})[0]
    if isinstance(value, pd.Timestamp):
        found = pd.Timestamp(found).tz_localize(None)
    assert found == value


def test_statements_about_the_sets(engine):
    assert ("test", "spk_n") in rows(engine, "SHOW TABLES")
    described = {row[0]: row[1] for row in rows(engine, "DESCRIBE test.spk_n")}
    assert described == {"__key": "bigint", "n": "bigint", "s": "string", "when": "bigint"}
    (plan,) = rows(engine, "EXPLAIN SELECT n FROM test.spk_n WHERE n > 3")[0]
    assert "n > 3" in plan


def test_explain_says_what_spark_pushed(engine):
    explanation = engine.explain("SELECT s FROM test.spk_n WHERE n > 2990 AND s LIKE 's1%' LIMIT 4")
    (scan,) = explanation.scans
    assert "n > 2990" in scan.pushed
    assert scan.estimated_rows == 4
    assert any("limit 4" in note for note in explanation.notes)
    assert "Physical Plan" in explanation.plan


def test_a_failure_is_one_plain_line_with_its_place_and_its_trace_aside(engine):
    sql = "SELECT n,\n       1 / (n - n) FROM test.spk_n"
    with pytest.raises(QueryError) as raised:
        rows(engine, sql)
    error = raised.value
    assert "Division by zero" in error.message
    assert "\n" not in str(error)
    assert "at org.apache" not in str(error)
    assert error.sql[error.position :].startswith("1 / (n - n)")
    assert "DIVIDE_BY_ZERO" in error.details


def test_an_error_of_a_task_is_ours_again(engine):
    with pytest.raises(MismatchError, match="bin v"):
        rows(engine, "SELECT v FROM test.spk_mixed WHERE __generation > 0", on_mismatch="error")


def test_what_did_not_fit_is_counted(engine):
    with engine.query("SELECT * FROM test.spk_mixed") as result:
        table = result.to_arrow()
    (scan,) = result.progress
    assert sum(mismatch.count for mismatch in scan.mismatches) == table["v"].null_count == 10


@pytest.mark.parametrize(
    ("sql", "message", "hint"),
    [
        ("SELECT * FROM spk_nn", "there is no set, and no local DataFrame, spk_nn", "test.spk_n"),
        ("SELECT whn FROM test.spk_n", "no column whn in test.spk_n", "when"),
        ("SELECT * FROM nowhere.spk_n", "no namespace nowhere", "namespaces"),
    ],
)
def test_names_that_are_not_there(engine, sql, message, hint):
    with pytest.raises(UnknownNameError, match=message) as raised:
        rows(engine, sql)
    assert hint in raised.value.hint


def test_a_stopped_query_lets_go_of_the_server_within_a_second(engine, connected):
    result = engine.query("SELECT * FROM test.spk_n", options=QueryOptions(records_per_second=50))
    failed = []

    def read():
        try:
            result.to_arrow()
        except ScanCancelled as error:
            failed.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    deadline = time.monotonic() + 20
    while not any(scan.records for scan in result.progress):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert "stage 1 of 1" in result.activity
    result.cancel()
    reader.join(1.5)
    assert failed
    assert [scan.state for scan in result.progress] == ["cancelled"]
    deadline = time.monotonic() + 1.5
    while _jobs(connected):
        assert time.monotonic() < deadline, "a scan still runs on the server"
        time.sleep(0.05)


def _jobs(connection):
    return [
        job for answer in connection.info("query-show").values() for job in answer.split(";") if "status=active" in job
    ]


def test_a_query_has_a_time_limit(engine):
    with pytest.raises(ScanTimeout, match="longer than 0.5 s"):
        rows(engine, "SELECT * FROM test.spk_n", records_per_second=50, timeout_s=0.5)


def test_what_was_cancelled_before_it_ran_never_runs(engine):
    result = engine.query("SELECT * FROM test.spk_n")
    result.cancel()
    with pytest.raises(ScanCancelled):
        result.to_arrow()


def test_a_session_elsewhere_is_told_nothing_it_was_not_asked_for(spark):
    from aerospike_magic.engines.spark.session import progress_hosts

    assert progress_hosts(spark) == ("127.0.0.1", "127.0.0.1")
    spark.conf.set("spark.aerospike_magic.progress.host", "10.1.2.3")
    try:
        assert progress_hosts(spark) == ("10.1.2.3", "10.1.2.3")
    finally:
        spark.conf.unset("spark.aerospike_magic.progress.host")


def test_without_java_the_error_says_what_to_install(monkeypatch, tmp_path):
    from aerospike_magic.engines.spark.session import start_session

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(ConfigError, match="Java") as raised:
        start_session()
    assert "JDK" in raised.value.hint

"""Writing DataFrames in a real Spark."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid

import pytest

pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'aerospike-magic[spark]'")

N = 2_000


@pytest.fixture
def table(client):
    name = f"sparkw{uuid.uuid4().hex[:8]}"
    yield f"test.{name}"
    client.truncate("test", name, 0)


@pytest.fixture
def write(server):
    """Write a DataFrame: `write(frame, "test.x", updateByKey="id")`."""

    def writer(frame, name, mode="append", **options):
        made = frame.write.format("aerospike").mode(mode).option("aerospike.seedhost", server.address)
        for option, value in options.items():
            made = made.option("aerospike." + option.replace("__", "."), value)
        made.save(name)

    return writer


def test_what_was_written_is_read(spark, read, write, table):
    frame = spark.range(N).selectExpr(
        "id",
        "concat('näme ', id) AS name",
        "id / 4 AS fare",
        "id % 2 = 0 AS even",
        "array(id, id + 1) AS tags",
        "named_struct('x', id, 'y', -id) AS place",
        "if(id % 10 = 0, cast(id AS int), NULL) AS seldom",
    )
    write(frame.repartition(3), table, updateByKey="id", sendKey="true")
    back = read(table, schema=frame.select("*", frame.id.alias("__key")).schema)
    rows = {row.id: row for row in back.collect()}
    assert len(rows) == N
    for wanted in frame.collect():
        row = rows[wanted.id].asDict(recursive=True)
        assert row.pop("__key") == wanted.id
        assert row == wanted.asDict(recursive=True)


def test_append_merges_bins_and_overwrite_replaces_records_one_by_one(spark, read, write, table):
    write(spark.range(10).selectExpr("id", "1 AS a", "1 AS b"), table, updateByKey="id")
    write(spark.range(3).selectExpr("id", "2 AS a"), table, updateByKey="id")
    write(spark.range(1).selectExpr("id", "3 AS a"), table, mode="overwrite", updateByKey="id")
    rows = {row.id: (row.a, row.b) for row in read(table, schema="id bigint, a int, b int").collect()}
    assert rows == {0: (3, None), 1: (2, 1), 2: (2, 1)} | dict.fromkeys(range(3, 10), (1, 1))


def test_a_set_read_and_written_elsewhere_keeps_keys_and_time_to_live(spark, read, write, table, client):
    write(spark.range(20).selectExpr("id", "id + 1000 AS __ttl"), table, updateByKey="id", sendKey="true")
    name = table.partition(".")[2] + "b"
    frame = read(table, metadata="true").repartition(2)
    write(frame, table, writeset=name, sendKey="true")
    try:
        rows = read(f"test.{name}", metadata="true").collect()
        assert sorted(row["__key"] for row in rows) == list(range(20))
        assert all(row["__key"] + 980 <= row["__ttl"] <= row["__key"] + 1000 for row in rows)
    finally:
        client.truncate("test", name, 0)


def test_rows_that_are_refused_fail_the_job_and_are_told(spark, read, write, table):
    frame = spark.range(100).selectExpr("if(id = 7, NULL, id) AS id", "if(id IN (8, 9), repeat('x', 2000000), '') AS t")
    with pytest.raises(Exception, match=r"3 of 100 rows .*the key is NULL \(1 row, .*\(2 rows, e.g. key 8\)"):
        write(frame.coalesce(1), table, updateByKey="id")
    assert read(table, schema="id bigint").count() == 97


@pytest.mark.parametrize(
    ("columns", "options", "text"),
    [
        ("id", {}, "nothing says which column is the key"),
        ("id", {"updateByKey": "nr"}, "no column 'nr'"),
        ("id, now() AS at", {"updateByKey": "id"}, "column at cannot be .* timestamp"),
        ("id", {"updateByKey": "id", "generationPolicy": "EXPECT_GEN_EQUAL"}, "no column '__generation' with the gen"),
        ("id", {"updateByKey": "id", "generationPolicy": "LATEST"}, "generationPolicy is 'LATEST'"),
        ("id", {"updateByKey": "id", "write.mode": "upsert"}, "write.mode is 'upsert'"),
        ("id", {"updateByKey": "id", "savemode": "append"}, "cannot be used here"),
    ],
)
def test_what_cannot_be_written_is_told_before(spark, write, table, columns, options, text):
    with pytest.raises(Exception, match=text):
        write(spark.range(3).selectExpr(*columns.split(", ")), table, **options)


def test_insert_into_a_view(spark, server, read, table):
    spark.sql(
        f"CREATE OR REPLACE TEMPORARY VIEW target (id BIGINT, n BIGINT) USING aerospike OPTIONS "
        f"(aerospike.seedhost '{server.address}', aerospike.set '{table}', aerospike.updateByKey 'id')"
    )
    spark.sql("INSERT INTO target SELECT id, id * 2 FROM range(5)")
    assert sorted(tuple(row) for row in spark.table("target").collect()) == [(i, i * 2) for i in range(5)]


def test_modes_and_generations(spark, read, write, table):
    def rows():
        return {row.id: (row.n, row["__generation"]) for row in read(table, schema=SCHEMA).collect()}

    first = spark.range(10).selectExpr("id", "1 AS n")
    write(first, table, updateByKey="id", write__mode="CREATE_ONLY")
    with pytest.raises(Exception, match=r"10 of 20 rows .*the record exists already"):
        write(
            spark.range(20).selectExpr("id", "2 AS n").coalesce(1), table, updateByKey="id", write__mode="create_only"
        )
    assert rows() == dict.fromkeys(range(10), (1, 1)) | dict.fromkeys(range(10, 20), (2, 1))
    with pytest.raises(Exception, match=r"5 of 10 rows .*there is no such record"):
        write(
            spark.range(15, 25).selectExpr("id", "3 AS n").coalesce(1),
            table,
            updateByKey="id",
            write__mode="update_only",
        )
    frame = read(table, schema=SCHEMA).selectExpr("id", "n + 10 AS n", "__generation - id % 2 AS __generation")
    with pytest.raises(Exception, match="the record has another generation than the row expects"):
        write(frame.coalesce(1), table, updateByKey="id", generationPolicy="EXPECT_GEN_EQUAL")
    assert {i: n for i, (n, _) in rows().items() if i < 4} == {0: 11, 1: 1, 2: 11, 3: 1}


SCHEMA = "id bigint, n int, __generation bigint"

# Three writes by a task that fails once, when some of its rows have been written.
FAILING = """
import sys, time
from pathlib import Path
from pyspark.sql import SparkSession

address, name, folder = sys.argv[1:]
spark = (
    SparkSession.builder.master("local[2,3]")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.execution.arrow.maxRecordsPerBatch", "50")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("OFF")

def failing_once(table, marker):
    def pieces(batches):
        from aerospike_magic import connect
        for batch in batches:
            yield batch
            time.sleep(0.3)
            if not marker.exists():
                with connect(address) as connection:
                    written = connection.count_objects("test", table)
                if written:
                    marker.write_text(str(written))
                    raise ValueError("the task fails")
    return pieces

for option, value in (("updateByKey", "id"), ("generationPolicy", "EXPECT_GEN_EQUAL"), ("write.mode", "create_only")):
    table = name + value[:2]
    columns = ("id", "id * 2 AS n", "0L AS __generation", "repeat('x', 4000) AS filler")
    frame = spark.range(600).coalesce(1).selectExpr(*columns)
    frame = frame.mapInArrow(failing_once(table, Path(folder) / value), frame.schema)
    made = frame.write.format("aerospike").mode("append").option("aerospike.seedhost", address)
    made.option("aerospike.updateByKey", "id").option("aerospike." + option, value).save("test." + table)
spark.stop()
"""


@pytest.mark.slow
def test_a_task_that_is_run_again_writes_nothing_twice(spark, server, client, table, tmp_path):
    name = table.partition(".")[2]
    done = subprocess.run(
        [sys.executable, "-c", FAILING, server.address, name, str(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable},
        timeout=150,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    for how, generations in (("id", {1, 2}), ("EXPECT_GEN_EQUAL", {1}), ("create_only", {1})):
        assert 0 < int((tmp_path / how).read_text()) < 600
        records = client.query("test", name + how[:2]).results()
        assert {bins["id"]: bins["n"] for _, _, bins in records} == {i: 2 * i for i in range(600)}
        assert {meta["gen"] for _, meta, _ in records} == generations
        client.truncate("test", name + how[:2], 0)

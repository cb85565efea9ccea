"""Writing DataFrames in a real Spark."""

from __future__ import annotations

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
        ("id", {"updateByKey": "id", "generationPolicy": "EXPECT_GEN_EQUAL"}, "cannot be used here"),
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

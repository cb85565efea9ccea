"""Streams in a real Spark, with the jar and without: what arrives, once, over failures and restarts; what is put."""

from __future__ import annotations

import shutil
import uuid

import pytest

pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'aerospike-magic[spark]'")

from aerospike_magic.engines.spark.stream_reader import ReadMaxRows

N = 600
SCHEMA = "id bigint, v bigint"


@pytest.fixture
def table(client):
    name = f"stream{uuid.uuid4().hex[:8]}"
    yield name
    for suffix in ("", "b"):
        client.truncate("test", name + suffix, 0)


@pytest.fixture(params=["plain", "with the jar"])
def source(request):
    return "aerospike" if request.param == "plain" else request.getfixturevalue("planner")


@pytest.fixture
def stream(spark, server, table, source):
    """Make a streaming DataFrame of the set."""

    def maker(schema=SCHEMA, **options):
        made = spark.readStream.format(source).option("aerospike.seedhost", server.address)
        made = made if schema is None else made.schema(schema)
        for option, value in {"stream.lag": "0", **options}.items():
            made = made.option("aerospike." + option.replace("__", "."), value)
        return made.load(f"test.{table}")

    return maker


@pytest.fixture
def checkpoint(tmp_path):
    return str(tmp_path / "checkpoint")


def put(client, table, ids, v):
    for i in ids:
        client.put(("test", table, i), {"id": i, "v": v})


def take(frame, checkpoint, dies_in=None):
    """Run the stream over what there is; returns its batches, number -> rows; `dies_in` is not committed."""
    batches = {}

    def keep(rows, number):
        batches[number] = sorted(tuple(row) for row in rows.collect())
        if number == dies_in:
            raise RuntimeError("the sink is gone")

    writer = frame.writeStream.foreachBatch(keep).option("checkpointLocation", checkpoint)
    query = writer.trigger(availableNow=True).start()
    try:
        query.awaitTermination()
    except Exception as error:
        assert dies_in is not None and "the sink is gone" in str(error), error
    finally:
        query.stop()
    return batches


def rows_of(batches):
    return sorted(row for rows in batches.values() for row in rows)


def test_all_and_then_what_has_changed(client, table, stream, checkpoint):
    put(client, table, range(N), 0)
    assert rows_of(take(stream(), checkpoint)) == [(i, 0) for i in range(N)]
    put(client, table, range(20), 1)
    client.remove(("test", table, 500))
    assert rows_of(take(stream(), checkpoint)) == [(i, 1) for i in range(20)]
    assert rows_of(take(stream(), checkpoint)) == []


def test_a_query_that_dies_between_reading_and_commit_goes_on_exactly(client, table, stream, checkpoint):
    put(client, table, range(N), 0)
    options = {"stream.maxRecords": "250"} if ReadMaxRows is not None else {}
    dying = 1 if options else 0
    tried = take(stream(**options), checkpoint, dies_in=dying)
    assert list(tried) == list(range(dying + 1))
    lost = tried.pop(dying)
    put(client, table, range(0, N, 3), 1)  # some of the batch that died, of the one before it, and of those to come
    again = take(stream(**options), checkpoint)
    assert next(iter(again)) == dying
    assert again[dying] == [row for row in lost if row[0] % 3]  # the others are in a later batch, as they are now
    states = rows_of(tried) + rows_of(again)
    assert len(set(states)) == len(states)
    assert dict(sorted(states)) == {i: int(i % 3 == 0) for i in range(N)}
    assert sorted(i for i, v in states if v == 1) == list(range(0, N, 3))


def test_columns_of_the_schema_that_is_inferred_arrive_as_in_a_batch_read(spark, server, client, table, source, stream):
    for i in range(50):
        bins = {"id": i, "tags": [i, i + 1], "place": {"x": i, "y": -i}, "half": i / 2, "raw": bytes([i])}
        client.put(("test", table, i), bins if i % 5 else {"id": i}, policy={"key": 1})
    read = spark.read.format(source).option("aerospike.seedhost", server.address).option("aerospike.metadata", "true")
    wanted = {row["__key"]: row for row in read.load(f"test.{table}").collect()}
    writer = stream(None, metadata="true").writeStream.format("memory").queryName(table)
    query = writer.trigger(availableNow=True).start()
    query.awaitTermination()
    found = spark.table(table).collect()
    assert len(found) == 50
    for row in found:
        assert row == wanted[row["__key"]]


def sink(frame, server, source, name, checkpoint, **options):
    writer = frame.writeStream.format(source).option("aerospike.seedhost", server.address)
    for option, value in options.items():
        writer = writer.option("aerospike." + option.replace("__", "."), value)
    return writer.option("checkpointLocation", checkpoint).trigger(availableNow=True), name


def run(writer_and_name):
    writer, name = writer_and_name
    query = writer.start(f"test.{name}")
    try:
        query.awaitTermination()
    finally:
        query.stop()


def records(spark, server, name, schema):
    read = spark.read.format("aerospike").schema(schema).option("aerospike.seedhost", server.address)
    rows = [tuple(row) for row in read.load(f"test.{name}").collect()]
    assert len({row[0] for row in rows}) == len(rows)
    return sorted(rows)


def test_a_batch_that_runs_again_writes_the_same(spark, server, client, table, source, stream, checkpoint):
    put(client, table, range(N), 1)
    frame = stream(partition__count="3").selectExpr("id", "v * 10 AS w", "array(id) AS ids", "if(id = 3, NULL, 7) AS x")
    into = {"updateByKey": "id", "sendKey": "true"}
    run(sink(frame, server, source, table + "b", checkpoint, **into))
    schema = "__key bigint, id bigint, w bigint, ids array<bigint>, x int"
    wanted = sorted((i, i, 10, [i], None if i == 3 else 7) for i in range(N))
    assert records(spark, server, table + "b", schema) == wanted
    # As if Spark had died after the last batch's rows were written, and before it noted so.
    shutil.rmtree(f"{checkpoint}/commits")
    client.put(("test", table, 5), {"id": 5, "v": 2})
    run(sink(frame, server, source, table + "b", checkpoint, **into))
    wanted[5] = (5, 5, 20, [5], 7)
    assert records(spark, server, table + "b", schema) == wanted


def test_aggregates_are_kept_up_to_date_by_key(spark, server, client, table, source, stream, tmp_path):
    put(client, table, range(N), 1)
    counts = stream().selectExpr("id % 4 AS g", "v").groupBy("g").sum("v").withColumnRenamed("sum(v)", "total")
    # Without the jar, Spark lets no Python sink take the mode `update`.
    modes = ["complete"] if source == "aerospike" else ["complete", "update"]
    for mode in modes:
        writer, _ = sink(counts, server, source, "", str(tmp_path / mode), updateByKey="g")
        run((writer.outputMode(mode), table + "b"))
        assert records(spark, server, table + "b", "g bigint, total bigint") == [(g, N // 4) for g in range(4)]
    put(client, table, range(0, 8, 4), 1)  # as changes they count again
    writer, _ = sink(counts, server, source, "", str(tmp_path / modes[-1]), updateByKey="g")
    run((writer.outputMode(modes[-1]), table + "b"))
    assert records(spark, server, table + "b", "g bigint, total bigint")[0] == (0, N // 4 + 2)


def test_rows_that_are_refused_fail_the_query(server, client, table, source, stream, checkpoint):
    put(client, table, range(10), 1)
    frame = stream().selectExpr("if(id = 4, NULL, id) AS id", "v")
    with pytest.raises(Exception, match="1 of 10 rows were not written .* the key is NULL"):
        run(sink(frame.coalesce(1), server, source, table + "b", checkpoint, updateByKey="id"))


def test_a_sink_without_a_key_is_told(server, client, table, source, stream, checkpoint):
    put(client, table, range(1), 1)
    with pytest.raises(Exception, match="nothing says which column is the key"):
        run(sink(stream(), server, source, table + "b", checkpoint))

"""Reading sets in a real Spark: every record, every value, whatever the types, columns and number of tasks."""

from __future__ import annotations

import contextlib
import time
import uuid

import pyarrow as pa
import pytest

from aerospike_magic.connection import connect
from aerospike_magic.dataset import AerospikeDataset

pyspark = pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'aerospike-magic[spark]'")

N = 1_000


def record(i):
    bins = {"id": i, "name": f"näme {i}", "half": i / 2, "even": i % 2 == 0, "raw": bytes([i % 256, 0])}
    bins |= {"tags": [i, i + 1], "place": {"x": i, "y": -i}, "counts": {f"k{i}": i, "all": 1}}
    if i % 3 == 0:
        del bins["half"], bins["tags"]
    if i % 10 == 0:
        bins["seldom"] = f"s{i}"
    if i % 7 == 0:
        bins["odd"] = [1, "two", {"three": 3.0}]
    return bins


@pytest.fixture(scope="module")
def table(server, client):
    """N records with bins of many types, keys stored."""
    name = f"spark{uuid.uuid4().hex[:8]}"
    for i in range(N):
        client.put(("test", name, i), record(i), policy={"key": 1})
    yield f"test.{name}"
    client.truncate("test", name, 0)


@pytest.fixture(scope="module")
def wanted(server, table):
    """The same set, read without Spark."""
    with connect(server.address) as connection:
        dataset = AerospikeDataset(connection, table, with_metadata=True)
        yield {row["__key"]: row for row in dataset.to_table().to_pylist()}


def rows_of(frame, key="__key"):
    """The rows as nested plain values, by key; each key once."""
    rows = frame.toArrow().to_pylist()
    by_key = {row[key]: row for row in rows}
    assert len(by_key) == len(rows)
    return by_key


def test_every_record_and_every_value(read, table, wanted):
    frame = read(table, metadata="true")
    rows = rows_of(frame)
    assert rows.keys() == wanted.keys() == set(range(N))
    for key, row in rows.items():
        assert row == wanted[key]


def test_the_schema_has_arrays_maps_and_structs(read, table):
    types = {f.name: f.dataType.simpleString() for f in read(table).schema.fields}
    assert types["tags"] == "array<bigint>"
    assert types["place"] == "struct<x:bigint,y:bigint>"
    assert types["counts"].startswith(("map<string,", "struct<"))
    assert (types["id"], types["name"], types["half"]) == ("bigint", "string", "double")
    assert (types["even"], types["raw"], types["odd"]) == ("boolean", "binary", "string")
    assert "__digest" not in types


@pytest.mark.parametrize("option", [("partition__count", n) for n in (1, 3, 7, 64)] + [("partition__factor", 3)])
def test_any_number_of_tasks_reads_every_record_once(read, table, wanted, option):
    name, value = option
    frame = read(table, **{name: str(value)})
    assert frame.rdd.getNumPartitions() == (8 if name == "partition__factor" else value)
    assert sorted(row["id"] for row in frame.select("id").toArrow().to_pylist()) == list(range(N))


def test_the_flights_are_the_same_as_without_spark(read, server):
    with connect(server.address) as connection:
        here = AerospikeDataset(connection, "demo.flights").to_table().sort_by("__key")
    there = read("demo.flights").toArrow().sort_by("__key")
    assert there.num_rows == 336_776
    assert there.cast(here.schema).equals(here)


def test_sql_over_a_view(spark, server, table):
    spark.sql(
        f"CREATE OR REPLACE TEMPORARY VIEW things USING aerospike "
        f"OPTIONS (aerospike.seedhost '{server.address}', aerospike.set '{table}')"
    )
    rows = spark.sql("SELECT even, count(*), sum(place.x), count(half) FROM things GROUP BY even ORDER BY even")
    halves = [sum(1 for i in range(N) if i % 3 and (i % 2 == 0) is even) for even in (False, True)]
    assert [tuple(row) for row in rows.collect()] == [
        (False, N // 2, sum(range(1, N, 2)), halves[0]),
        (True, N // 2, sum(range(0, N, 2)), halves[1]),
    ]


class TestASchemaOfTheUser:
    def test_chooses_columns_and_order(self, read, table, wanted):
        frame = read(table, schema="name string, __key bigint, __generation int, place struct<y: bigint>")
        assert frame.columns == ["name", "__key", "__generation", "place"]
        rows = rows_of(frame)
        assert len(rows) == N
        assert all(row["name"] == wanted[key]["name"] and row["__generation"] == 1 for key, row in rows.items())

    def test_narrower_numbers(self, read, table):
        frame = read(table, schema="id int, half float, __key smallint, tags array<int>")
        assert [f.dataType.simpleString() for f in frame.schema.fields] == ["int", "float", "smallint", "array<int>"]
        rows = rows_of(frame, "id")
        assert all(row["__key"] == i for i, row in rows.items())
        assert rows[1] == {"id": 1, "half": 0.5, "__key": 1, "tags": [1, 2]}

    def test_a_number_out_of_range_is_null(self, read, table):
        rows = read(table, schema="id bigint, __key tinyint").toArrow().to_pylist()
        assert all(row["__key"] == (row["id"] if row["id"] < 128 else None) for row in rows)

    def test_a_number_out_of_range_fails_where_it_must(self, read, table):
        with pytest.raises(Exception, match=r"872 values|values of column '__key' do not fit in int8"):
            read(table, schema="id bigint, __key tinyint", schema__flexible="false").toArrow()

    def test_a_bin_that_no_record_has_is_null(self, read, table):
        rows = read(table, schema="nothing string").toArrow().to_pylist()
        assert rows == [{"nothing": None}] * N

    def test_a_value_of_another_type_is_null_or_an_error(self, read, table):
        assert read(table, schema="name bigint").toArrow().to_pylist() == [{"name": None}] * N
        with pytest.raises(Exception, match="name"):
            read(table, schema="name bigint", schema__flexible="false").toArrow()

    def test_what_does_not_fit_is_counted(self, spark, read, table):
        from aerospike_magic.engines.spark.source import register

        source = register(spark, push_down=False)
        try:
            read(table, schema="id bigint, __key tinyint, name bigint", partition__count="4").toArrow()
            told = {m.bin: (m.count, m.kind) for m in source.mismatches()[table]}
        finally:
            register(spark, push_down=False)
        assert told == {"__key": (872, "type"), "name": (N, "type")}

    @pytest.mark.parametrize("words", ["timestamp", "date", "decimal(10, 2)", "array<date>"])
    def test_types_that_no_bin_has_are_refused_with_what_to_do(self, read, table, words):
        with pytest.raises(Exception, match=r"column id cannot be read as .* · read it as it is stored"):
            read(table, schema=f"id {words}").toArrow()


class TestOptions:
    def test_the_connectors_own_spelling(self, spark, server, table):
        namespace, _, name = table.partition(".")
        options = {
            "aerospike.seedHost": server.host,
            "aerospike.port": str(server.port),
            "aerospike.namespace": namespace,
            "aerospike.set": name,
            "aerospike.partition.factor": "2",
            "aerospike.keyPath": "/etc/aerospike/features.conf",
            "aerospike.log.level": "info",
        }
        frame = spark.read.format("aerospike").options(**options).load()
        assert (frame.count(), frame.rdd.getNumPartitions()) == (N, 4)

    def test_session_settings_by_register(self, spark, server, table):
        from aerospike_magic.engines.spark.source import register

        settings = {"aerospike.seed-nodes": server.address, "aerospike.read-set": table, "aerospike.namespace": ""}
        for name, value in settings.items():
            spark.conf.set(name, value)
        try:
            assert register(spark, push_down=False).cores == 2
            assert spark.read.format("aerospike").load().count() == N
            assert spark.read.format("aerospike").option("aerospike.sample.size", 3).load().count() == 3
        finally:
            for name in settings:
                spark.conf.unset(name)
            register(spark, push_down=False)

    def test_types_of_single_columns(self, read, table):
        row = read(table, schema__types="place=json; tags=json").where("id = 4").first()
        assert (row.place, row.tags) == ('{"x": 4, "y": -4}', "[4, 5]")

    def test_other_names_of_metadata_columns(self, read, table, wanted):
        frame = read(table, keyColumn="pk", digestColumn="dig", metadata="true")
        assert frame.columns[0] == "pk"
        assert {row.pk: bytes(row.dig) for row in frame.select("pk", "dig").collect()} == {
            key: row["__digest"] for key, row in wanted.items()
        }

    def test_a_saved_schema(self, read, server, table, tmp_path):
        with connect(server.address) as connection:
            path = connection.schema(table).with_types({"id": "string"}).save(tmp_path / "schema.toml")
        assert dict(read(table, schema__file=str(path)).dtypes)["id"] == "string"

    @pytest.mark.parametrize("size", [1, 37, 5_000])
    def test_a_sample_has_just_that_size(self, read, table, size):
        assert read(table, sample__size=str(size)).count() == min(size, N)

    def test_an_expression_filters_on_the_server(self, read, connection, table):
        import base64

        from aerospike_helpers import expressions as exp

        wire = connection.encode_expression(exp.LT(exp.IntBin("id"), 10))
        frame = read(table, pushdown__expressions=base64.b64encode(wire).decode())
        assert sorted(row.id for row in frame.select("id").collect()) == list(range(10))
        # Also where a record has none of the bins that are asked for.
        seldom = read(table, schema="seldom string", pushdown__expressions=base64.b64encode(wire).decode())
        assert sorted(str(row.seldom) for row in seldom.collect()) == ["None"] * 9 + ["s0"]

    def test_a_misspelt_option_is_told(self, read, table):
        with pytest.raises(Exception, match=r"no option aerospike.partition.fctor .* aerospike.partition.factor"):
            read(table, partition__fctor="3")

    def test_a_set_that_is_not_there_is_told(self, read):
        with pytest.raises(Exception, match=r"no set .*flihgts.* flights"):
            read("demo.flihgts")

    def test_no_password_in_plans_and_errors(self, read, table):
        frame = read(table, password="s3cr3t")
        plan = frame._jdf.queryExecution().toString() + frame._jdf.queryExecution().simpleString()
        assert "s3cr3t" not in plan
        with pytest.raises(Exception, match="no option") as refused:
            read(table, user="someone", password="s3cr3t", passwort="s3cr3t")
        assert "s3cr3t" not in str(refused.value)


def test_a_limit_reads_little_and_an_empty_set_has_no_rows(read, table, client):
    assert len(read("demo.flights", partition__count="4").limit(5).collect()) == 5
    client.put(("test", "spark_empty", 1), {"a": 1})
    frame = read("test.spark_empty")
    client.truncate("test", "spark_empty", 0)
    assert frame.count() == 0


def test_batches_are_of_exactly_the_types_spark_expects(read, table):
    from pyspark.sql.pandas.types import to_arrow_schema

    from aerospike_magic.engines.spark.types import to_give

    schema = read(table, metadata="true").schema
    assert to_arrow_schema(schema, timezone="UTC") == pa.schema([pa.field(f.name, to_give(f)) for f in schema.fields])


def test_a_cancelled_job_stops_its_readers(spark, read, connection):
    from pyspark import InheritableThread

    context = spark.sparkContext
    slow = read("demo.flights", recordspersecond="2000", partition__count="2")
    failed = []

    def run():
        context.setJobGroup("to cancel", "to cancel", interruptOnCancel=True)
        try:
            slow.count()
        except Exception as error:
            failed.append(str(error))

    thread = InheritableThread(target=run)
    thread.start()
    wait_until(lambda: running_queries(connection) >= 2 and context.statusTracker().getJobIdsForGroup("to cancel"))
    context.cancelJobGroup("to cancel")
    wait_until(lambda: running_queries(connection) == 0, 3.0)
    thread.join(3)
    assert not thread.is_alive()
    assert "JOB_CANCELLED" in failed[0]


def test_a_throttle_holds_for_all_tasks_together(spark, read, connection):
    from pyspark import InheritableThread

    slow = read("demo.flights", recordspersecond="2000", partition__count="4")
    context = spark.sparkContext
    asked = []

    def run():
        context.setJobGroup("throttled", "throttled", interruptOnCancel=True)
        with contextlib.suppress(Exception):  # it is cancelled
            slow.count()

    def two_tasks_ask():
        asked.append(rates_by_node(connection))
        return any(len(rates) == 2 for rates in asked[-1])

    thread = InheritableThread(target=run)
    thread.start()
    wait_until(two_tasks_ask)
    context.cancelJobGroup("throttled")
    thread.join(20)
    wait_until(lambda: running_queries(connection) == 0)
    rates = [sum(node) for answer in asked for node in answer if node]
    assert rates
    assert max(rates) <= 2000


def rates_by_node(connection):
    """Of each node, what its running queries may return a second."""
    answers = connection.info("query-show").values()
    jobs = [[job for job in answer.split(";") if "status=active" in job] for answer in answers]
    return [[int(job.partition(":rps=")[2].partition(":")[0]) for job in of_node] for of_node in jobs]


def running_queries(connection):
    answers = connection.info("query-show").values()
    return sum("status=active" in job for answer in answers for job in answer.split(";"))


def wait_until(is_true, timeout_s=20.0):
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.05)

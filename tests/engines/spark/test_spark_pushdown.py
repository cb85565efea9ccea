"""With the jar: the same rows as without it, on any mix of types, and what was pushed is in the plan."""

from __future__ import annotations

import base64
import random
import subprocess
import sys
import uuid

import pytest

from aerospike_magic.connection import connect

pyspark = pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'aerospike-magic[spark]'")

N = 2_000
DOUBLES = [1.5, 2, 0.0, -0.0, 3.25, float("nan"), float("inf"), float("-inf")]
MIXED = [1, "x", [1, 2], {"k": 1}, 2.5]


def records():
    chance = random.Random(1)
    for _ in range(N):
        bins = {
            "a": chance.randrange(10),
            "s": f"s{chance.randrange(30)}é",
            "d": chance.choice(DOUBLES),
            "b": chance.random() < 0.5,
            "m": chance.choice(MIXED),
            "x": bytes([chance.randrange(4)]),
            "l": [chance.randrange(3)],
        }
        yield {name: value for name, value in bins.items() if name == "b" or chance.random() > 0.1}


@pytest.fixture(scope="module")
def views(spark, server, client, planner):
    """The same set twice: `plain` without the jar, `pushed` with it."""
    name = f"push{uuid.uuid4().hex[:8]}"
    for i, bins in enumerate(records()):
        client.put(("test", name, i), bins, policy={"key": 1})
    for view, source in (("plain", "aerospike"), ("pushed", planner)):
        made = spark.read.format(source).option("aerospike.seedhost", server.address)
        made.option("aerospike.partition.count", "3").load(f"test.{name}").createOrReplaceTempView(view)
    spark.createDataFrame([(5, "y"), (77, "z"), (9_999, "none")], "k long, l string").createOrReplaceTempView("small")
    yield
    client.truncate("test", name, 0)


def plan_of(spark, statement):
    return spark.sql(statement)._jdf.queryExecution().executedPlan().toString()


CONDITIONS = [
    "a = 3 AND s LIKE 's1%'",
    "a > 2.5",
    "3 < a",
    "a IN (1, 2, 3, NULL)",
    "a NOT IN (1, 2)",
    "a IS NULL OR b",
    "NOT (a = 2)",
    "a <=> NULL",
    "NOT (a <=> 3)",
    "d > 1.6",
    "d >= 'NaN'",
    "d = 0",
    "d <> 0",
    "d IN (0.0, 2.0)",
    "s IS NULL AND x IS NOT NULL",
    "s >= 's2' AND s < 's3'",
    "s NOT LIKE 's1%'",
    "x = X'01' OR x > X'02'",
    "m = '1'",
    "m > '1'",
    "m IS NULL",
    "l[0] = 1",
    "l IS NOT NULL AND NOT b",
    "s LIKE 's1%' OR (a > 3 AND NOT b)",
    "s LIKE '%1é' AND a > 1",
    "__key = 17",
    "__key IN (1, 2, 3, 99999)",
    "__key > 1990",
    "a = 1 AND a = 2",
    "a + 1 = 3",
]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_same_rows(spark, views, condition):
    frames = [spark.sql(f"SELECT * FROM {view} WHERE {condition}").toArrow() for view in ("pushed", "plain")]
    pushed, plain = (sorted(map(repr, frame.to_pylist())) for frame in frames)
    assert pushed == plain
    assert spark.sql(f"SELECT count(*) FROM pushed WHERE {condition}").first()[0] == len(plain)


AGGREGATES = [
    "SELECT count(*) FROM {v}",
    "SELECT count(*), count(a), sum(a), min(s), max(a), min(m) FROM {v}",
    "SELECT count(*), sum(a), max(s) FROM {v} WHERE d > 100 AND s = 'nothing'",
    "SELECT s, count(*), sum(a) FROM {v} GROUP BY s",
    "SELECT b, count(m), avg(a) FROM {v} WHERE a > 2 GROUP BY b",
    "SELECT a, b, min(s) FROM {v} GROUP BY a, b HAVING count(*) > 80",
    "SELECT d, count(*) FROM {v} GROUP BY d",
    "SELECT m, count(*) FROM {v} GROUP BY m",
    "SELECT count(DISTINCT s), max(d), min(b) FROM {v}",
    "SELECT sum(d) IS NOT NULL, avg(a) FROM {v}",
]


@pytest.mark.parametrize("statement", AGGREGATES)
def test_same_aggregates(spark, views, statement):
    pushed, plain = (sorted(map(repr, spark.sql(statement.format(v=v)).collect())) for v in ("pushed", "plain"))
    assert pushed == plain


JOINS = [
    "SELECT x.__key, y.s FROM {v} x JOIN {v} y ON x.__key = y.__key WHERE x.a = 1 AND y.a <> 2",
    "WITH c AS (SELECT * FROM {v} WHERE a = 1) SELECT count(*) FROM c x JOIN c y ON x.__key = y.__key",
    "SELECT __key FROM {v} WHERE __key = 3 UNION ALL SELECT __key FROM {v} WHERE a = 0 UNION ALL SELECT a FROM {v}",
    "SELECT /*+ broadcast(small) */ v.* FROM {v} v JOIN small ON v.__key = small.k WHERE small.l > 'a'",
    "SELECT /*+ broadcast(small) */ v.__key FROM {v} v JOIN small ON v.__key = small.k WHERE small.l > 'y' UNION ALL "
    "SELECT /*+ broadcast(small) */ v.__key FROM {v} v JOIN small ON v.__key = small.k WHERE small.l < 'z' UNION ALL "
    "SELECT __key FROM {v}",
    "SELECT /*+ broadcast(g) */ v.__key, v.s FROM {v} v JOIN "
    "(SELECT a, count(*) AS n FROM {v} GROUP BY a HAVING count(*) > 180) g ON v.__key = g.a",
]


@pytest.mark.parametrize("statement", JOINS)
def test_same_joins(spark, views, statement):
    pushed, plain = (sorted(map(repr, spark.sql(statement.format(v=v)).collect())) for v in ("pushed", "plain"))
    assert pushed == plain


TOP = [
    "SELECT a, __key FROM {v} ORDER BY a, __key LIMIT 13",
    "SELECT a, __key FROM {v} ORDER BY a DESC, __key DESC LIMIT 400",
    "SELECT a, d, __key FROM {v} ORDER BY a DESC NULLS FIRST, d NULLS LAST, __key LIMIT 300",
    "SELECT d, __key FROM {v} ORDER BY d DESC, __key LIMIT 700",
    "SELECT d, __key FROM {v} ORDER BY d NULLS LAST, __key LIMIT 700",
    "SELECT d, __key FROM {v} WHERE d = 0 ORDER BY d, __key LIMIT 20",
    "SELECT s, b, __key FROM {v} ORDER BY s DESC, b, __key LIMIT 250",
    "SELECT s, __key FROM {v} WHERE a > 3 AND b ORDER BY s, __key LIMIT 9",
    "SELECT m, __key FROM {v} ORDER BY m DESC NULLS LAST, __key LIMIT 50",
    "SELECT __key FROM {v} WHERE s LIKE '%1é' ORDER BY __key LIMIT 5",
    "SELECT a + 1, __key FROM {v} ORDER BY a + 1, __key LIMIT 5",
    "SELECT upper(s) AS u, __key FROM {v} ORDER BY s, __key LIMIT 5",
    "SELECT s, count(*) FROM {v} GROUP BY s ORDER BY s LIMIT 4",
    "SELECT x, __key FROM {v} ORDER BY x, __key LIMIT 6",
    "SELECT a, __key FROM {v} ORDER BY a, __key LIMIT 5 OFFSET 7",
    "SELECT __key FROM (SELECT * FROM {v} ORDER BY __key DESC LIMIT 9) LIMIT 20",
    "SELECT __key FROM (SELECT * FROM {v} ORDER BY __key DESC LIMIT 9) WHERE a > 3",
    "SELECT * FROM (SELECT a, __key FROM {v} ORDER BY a DESC, __key LIMIT 9) ORDER BY __key LIMIT 3",
    "SELECT x.__key, y.__key FROM (SELECT __key FROM {v} ORDER BY __key LIMIT 3) x JOIN "
    "(SELECT __key FROM {v} ORDER BY __key LIMIT 30) y ON x.__key = y.__key - 1",
    "SELECT x.__key FROM (SELECT __key, a FROM {v} ORDER BY a, __key LIMIT 5) x "
    "JOIN (SELECT __key, a FROM {v} ORDER BY a DESC, __key LIMIT 5) y ON x.__key <> y.__key",
    "SELECT (SELECT max(a) FROM {v}), __key FROM {v} ORDER BY __key LIMIT 2",
    "(SELECT __key FROM {v} ORDER BY __key LIMIT 2) UNION ALL (SELECT __key FROM {v} ORDER BY __key DESC LIMIT 2)",
]


@pytest.mark.parametrize("statement", TOP)
def test_same_first_rows(spark, views, statement):
    pushed, plain = (list(map(repr, spark.sql(statement.format(v=v)).collect())) for v in ("pushed", "plain"))
    assert pushed == plain if "JOIN" not in statement else sorted(pushed) == sorted(plain)


def test_the_plan_says_which_first_rows_were_pushed(spark, views):
    plan = plan_of(spark, "SELECT a, s FROM pushed WHERE b ORDER BY a DESC, s LIMIT 5")
    assert "first 5 of each task by [a DESC NULLS LAST, s ASC NULLS FIRST]" in plan
    assert "TakeOrderedAndProject" in plan
    # Not where Spark sorts by something else, filters above, or asks for more than a task should hold.
    for statement in (
        "SELECT a FROM pushed ORDER BY a + 1 LIMIT 5",
        "SELECT x FROM pushed ORDER BY x LIMIT 5",
        "SELECT a FROM pushed WHERE s LIKE '%1' ORDER BY a LIMIT 5",
        "SELECT a FROM pushed ORDER BY a LIMIT 100001",
        "SELECT a FROM pushed ORDER BY a",
    ):
        assert "of each task" not in plan_of(spark, statement), statement


def test_the_plan_says_what_was_pushed(spark, views):
    plan = plan_of(spark, "SELECT s, count(*) FROM pushed WHERE a = 3 GROUP BY s")
    assert "filters [a IS NOT NULL, a = 3]" in plan
    assert "partial aggregates" in plan
    assert "Filter (" not in plan
    assert "pushed: limit 5" in plan_of(spark, "SELECT s FROM pushed LIMIT 5")
    assert "Filter (" in plan_of(spark, "SELECT s FROM plain WHERE a = 3")


def test_a_limit_is_exact(spark, views):
    assert spark.sql("SELECT * FROM pushed LIMIT 7").toArrow().num_rows == 7
    assert (
        spark.sql("SELECT * FROM pushed WHERE a = 3 LIMIT 100000").count() == spark.table("plain").filter("a=3").count()
    )
    assert spark.sql("SELECT * FROM pushed LIMIT 150000").count() == N
    assert spark.sql("SELECT * FROM pushed LIMIT 0").count() == 0


def test_join_keys_become_key_look_ups(spark, views):
    frame = spark.sql(
        "SELECT /*+ broadcast(small) */ v.s FROM pushed v JOIN small ON v.__key = small.k WHERE small.l > 'a'"
    )
    frame.collect()
    assert "RuntimeFilters: [dynamicpruning" in frame._jdf.queryExecution().executedPlan().toString()


def test_a_key_look_up_is_one_task(spark, views):
    assert spark.sql("SELECT * FROM pushed WHERE __key IN (1, 2)").rdd.getNumPartitions() == 1
    assert spark.sql("SELECT * FROM pushed").rdd.getNumPartitions() == 3


def test_a_sum_that_does_not_fit_is_an_error(spark, read, client, planner):
    name = f"sum{uuid.uuid4().hex[:8]}"
    for i in range(3):
        client.put(("test", name, i), {"v": 2**62})
    frame = read(f"test.{name}", source=planner, partition__count=1)
    with pytest.raises(Exception, match="does not fit a long"):
        frame.selectExpr("sum(v)").collect()
    assert frame.selectExpr("avg(v)").first()[0] == 2.0**62
    client.truncate("test", name, 0)


def test_push_down_can_be_turned_off(spark, read, views, server, planner):
    frame = read("demo.airlines", source=planner, pushdown__filters="false", pushdown__aggregates="no")
    frame.createOrReplaceTempView("unpushed")
    plan = plan_of(spark, "SELECT count(*) FROM unpushed WHERE carrier = 'AA'")
    assert "pushed" not in plan.replace("unpushed", "")
    assert spark.sql("SELECT count(*) FROM unpushed WHERE carrier = 'AA'").first()[0] == 1


def test_a_narrower_column_is_filtered_and_counted_by_spark(spark, read, planner, client):
    name = f"narrow{uuid.uuid4().hex[:8]}"
    for i in range(20):
        client.put(("test", name, i), {"n": i * 20, "l": [i * 20]})
    for source in ("aerospike", planner):
        frame = read(f"test.{name}", source=source, schema="n tinyint, l array<tinyint>")
        # 140 and more are NULL to Spark, and numbers to the server.
        assert frame.filter("n IS NULL").count() == 13
        assert frame.filter("n > 100").count() == 1
        assert frame.selectExpr("count(n)", "max(n)").first() == (7, 120)
    client.truncate("test", name, 0)


def test_writing_goes_through_the_jar_too(spark, read, server, planner, client):
    name = f"test.written{uuid.uuid4().hex[:8]}"
    written = spark.range(50).selectExpr("id", "id * 2 AS n").write.format(planner).mode("append")
    written.option("aerospike.seedhost", server.address).option("aerospike.updateByKey", "id").save(name)
    back = read(name, source=planner)
    assert sorted((row.id, row.n) for row in back.filter("n < 10").collect()) == [(i, 2 * i) for i in range(5)]
    client.truncate(*name.split("."), 0)


def test_only_what_is_needed_travels(spark, views):
    plan = plan_of(spark, "SELECT s FROM pushed WHERE a > 3")
    assert "[s#" in plan
    assert "m#" not in plan


def test_a_sample_is_taken_before_it_is_filtered(spark, read, server, planner):
    for source in ("aerospike", planner):
        frame = read("demo.flights", source=source, sample__size="1000")
        assert frame.count() == 1000
        assert 100 < frame.filter("origin = 'JFK'").count() < 900


def test_an_expression_of_the_users_own_and_a_key(spark, read, server, planner):
    from aerospike_helpers.expressions import base as exp

    with connect(server.address) as connection:
        expression = base64.b64encode(connection.encode_expression(exp.Eq(exp.StrBin("origin"), "JFK"))).decode()
    for source in ("aerospike", planner):
        frame = read("demo.flights", source=source, pushdown__expressions=expression)
        keys = [row[0] for row in frame.select("__key").limit(3).collect()]
        assert len(keys) == 3
        assert frame.filter(f"__key = {keys[0]!r}").count() == 1
        frame.createOrReplaceTempView("of_jfk")
        spark.createDataFrame([(key, "y") for key in keys], "k long, l string").createOrReplaceTempView("chosen")
        join = "SELECT /*+ broadcast(chosen) */ f.origin FROM of_jfk f JOIN chosen ON f.__key = k WHERE l > 'a'"
        assert [row.origin for row in spark.sql(join).collect()] == ["JFK"] * 3
        assert frame.filter("origin = 'EWR'").count() == 0


def test_no_secret_is_in_a_plan(spark, read, planner):
    frame = read("demo.airlines", source=planner, schema="carrier string", user="", password="geheim77")
    text = frame._jdf.queryExecution().toString()
    assert "geheim77" not in text


_PROGRAM = """
import os, sys
from pyspark.sql import SparkSession
spark = (SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
         .config("spark.jars", sys.argv[1]).config("aerospike.seedhost", sys.argv[2])
         .config("aerospike.namespace", "demo").getOrCreate())
spark.sparkContext.setLogLevel("OFF")
frame = spark.read.format("aerospike").load("airports").filter("faa = 'JFK'").select("name")
print("rows", [row.name for row in frame.collect()])
print("plan", "filters [faa IS NOT NULL, faa = 'JFK']" in frame._jdf.queryExecution().toString())
"""


def test_a_program_with_the_jar_finds_it_under_the_same_name(spark, server, jar):
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PROGRAM, str(jar), server.address],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "rows ['John F Kennedy Intl']" in ran.stdout, ran.stderr[-2000:]
    assert "plan True" in ran.stdout


_REGISTERING = """
import sys
from pyspark.sql import SparkSession
builder = SparkSession.builder
builder = builder.remote("local[2]") if sys.argv[2] == "connect" else builder.master("local[2]")
spark = builder.config("spark.ui.enabled", "false").config("aerospike.seedhost", sys.argv[1]).getOrCreate()
from aerospike_magic.engines.spark import register
for _ in range(2):
    source = register(spark)
frame = spark.read.format("aerospike").load("demo.airports").filter("faa = 'JFK'").select("name")
print("rows", [row.name for row in frame.collect()])
print("count", frame.count())
spark.read.format("aerospike").schema("name bigint").load("demo.airports").collect()
print("mismatches", source.mismatches())
frame.explain()
"""


@pytest.mark.parametrize("kind", ["classic", "connect"])
def test_register_brings_the_jar(server, spark, kind):
    if kind == "connect":
        pytest.importorskip("grpc", reason="Spark Connect needs grpcio: pip install 'pyspark[connect]'")
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _REGISTERING, server.address, kind],
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert "rows ['John F Kennedy Intl']\ncount 1" in ran.stdout, ran.stderr[-2000:]
    assert "filters [faa IS NOT NULL, faa = 'JFK']" in ran.stdout
    assert ("Mismatch(bin='name', count=1458" in ran.stdout) == (kind == "classic")

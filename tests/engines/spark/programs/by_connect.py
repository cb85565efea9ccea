"""A Spark Connect server, and a client that has no JVM: reading, push-down, writing, streams, errors."""

from __future__ import annotations

import contextlib
import io
import tempfile

from pyspark.sql import SparkSession
from session import connect_server, error_of, run, wait_for

from aerospike_magic.engines.spark import register


def main(address, table):
    found = {}
    with connect_server("local[2]") as url:
        # Two sessions of one server, which takes as long to start as all that follows.
        for kind in ("plain", "with the jar"):
            spark = SparkSession.builder.remote(url).create()
            try:
                found[kind] = talk(spark, address, table, table + kind[0], push_down=kind != "plain")
            finally:
                spark.stop()
    return found


def talk(spark, address, table, copy, push_down):
    spark.conf.set("aerospike.seedhost", address)
    if push_down:
        register(spark)
        register(spark)
    else:
        register(spark, push_down=False)

    def read():  # options and schemas stay with a reader
        return spark.read.format("aerospike")

    found = {"is_connect": type(spark).__module__.startswith("pyspark.sql.connect")}
    frame = read().option("aerospike.metadata", "true").load(table)
    found["rows"] = [row.asDict(True) for row in frame.drop("__digest").collect()]
    chosen = frame.filter("id IN (3, 5) OR name LIKE 'näme 77%'").select("id", "name")
    found["chosen"] = sorted(tuple(row) for row in chosen.collect())
    found["sums"] = sorted(tuple(row) for row in frame.groupBy("even").sum("id").collect())
    with contextlib.redirect_stdout(io.StringIO()) as plan:
        chosen.explain(True)
    found["plan"] = plan.getvalue()
    # Writing.
    written = spark.range(300).selectExpr("id", "concat('w', id) AS name", "array(id, id) AS ids")
    into = {"aerospike.updateByKey": "id"}
    written.write.format("aerospike").options(**into).mode("append").save(copy)
    schema = "id bigint, name string, ids array<bigint>"
    found["written"] = sorted(tuple(row) for row in read().schema(schema).load(copy).collect())
    # Streams: what there is, what has changed, nothing; the sink is a set.
    place = tempfile.mkdtemp()
    for changes in (0, 7, 0):
        if changes:
            spark.range(changes).selectExpr("id", "'changed' AS name").write.format("aerospike").options(**into).mode(
                "append"
            ).save(copy)
        stream = (
            spark.readStream.format("aerospike").schema("id bigint, name string").option("aerospike.stream.lag", "0")
        )
        changed = stream.load(copy).selectExpr("id", "upper(name) AS name")
        sink = changed.writeStream.format("aerospike").options(**into).option("checkpointLocation", place)
        query = sink.trigger(availableNow=True).start(copy + "s")
        wait_for(query)
        sink = read().schema("id bigint, name string, __generation bigint").load(copy + "s")
        found.setdefault("streamed", []).append(sorted(tuple(row) for row in sink.collect()))
    strict = read().option("aerospike.schema.flexible", "false").schema("name bigint")
    found["errors"] = [
        error_of(lambda: read().option("aerospike.seedhots", "x").load(table).schema),
        error_of(lambda: read().load("test.nosuchset").collect()),
        error_of(lambda: written.write.format("aerospike").mode("append").save(copy)),
        error_of(lambda: strict.load(table).collect()),
    ]
    return found


run(main)

"""TLS and a login, tasks that die half-way and run again; every way in which Spark could show a secret is taken."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from itertools import islice

from pyspark import TaskContext
from session import error_of, run, start, wait_for

from aerospike_magic.engines.spark import register
from aerospike_magic.engines.spark.reader import AerospikeReader
from aerospike_magic.engines.spark.source import AerospikeDataSource
from aerospike_magic.engines.spark.write import AerospikeWriter


def may_die(attempt):
    """The first attempt takes the whole Python worker with it, the second one fails."""
    if attempt == 0:
        os._exit(9)
    if attempt == 1:
        raise RuntimeError("half-way")


class DyingReader(AerospikeReader):
    def read(self, partition):
        for i, batch in enumerate(super().read(partition)):
            if i == 1:
                may_die(TaskContext.get().attemptNumber())
            yield batch


class DyingWriter(AerospikeWriter):
    def write(self, iterator):
        super().write(islice(iterator, 1))
        may_die(TaskContext.get().attemptNumber())
        return super().write(iterator)


class Dying(AerospikeDataSource):
    @classmethod
    def name(cls):
        return "dying"

    def reader(self, schema):
        found = super().reader(schema)
        found.__class__ = DyingReader
        return found

    def writer(self, schema, overwrite):
        found = super().writer(schema, overwrite)
        found.__class__ = DyingWriter
        return found


def main(address, table, cafile, user, password, wrong):
    spark = start("local[2,3]", spark__logConf="true", spark__sql__execution__arrow__maxRecordsPerBatch="50")
    spark.sparkContext.setLogLevel("INFO")
    options = {
        "aerospike.seedhost": address,
        "aerospike.user": user,
        "aerospike.tls.cafile": cafile,
        "aerospike.tls.name": "node.test",
        "aerospike.batch.rows": "50",
        "aerospike.partition.count": "3",
    }
    secret = {**options, "aerospike.password": password}
    spark.dataSource.register(Dying)
    found = {}
    read = spark.read.format("dying").options(**secret)
    frame = read.load(table)
    found["rows"] = [row.asDict(True) for row in frame.collect()]
    copy = spark.range(400).repartition(2).selectExpr("id", "id * 2 AS n")
    copy.write.format("dying").options(**secret, **{"aerospike.updateByKey": "id"}).mode("append").save(table + "w")
    plain = spark.read.format("aerospike").options(**secret)
    found["written"] = sorted(tuple(row) for row in plain.schema("id bigint, n bigint").load(table + "w").collect())
    # Every place where options could show.
    shown = [repr(frame), str(frame.schema), frame._jdf.queryExecution().toString()]
    for name, value in secret.items():
        spark.conf.set(name, value)
    source = register(spark)
    shown += [repr(source), repr(source({**secret, "path": table}))]
    listed = ", ".join(f"{name} '{value}'" for name, value in secret.items())
    spark.sql(f"CREATE TEMPORARY VIEW secured USING aerospike OPTIONS ({listed}, aerospike.set '{table}')")
    pushed = spark.sql("SELECT id FROM secured WHERE id < 9")
    found["pushed"] = sorted(row.id for row in pushed.collect())
    for query in ("EXPLAIN EXTENDED SELECT * FROM secured", "EXPLAIN FORMATTED SELECT * FROM secured WHERE id = 1",
                  "DESCRIBE EXTENDED secured", "SHOW VIEWS"):  # fmt: skip
        shown += [str(row) for row in spark.sql(query).collect()]
    with contextlib.redirect_stdout(io.StringIO()) as plans:
        pushed.explain("cost")
        pushed.explain("codegen")
    shown.append(plans.getvalue())
    stream = (
        spark.readStream.format("aerospike").schema("id bigint").options(**secret).option("aerospike.stream.lag", "0")
    )
    sink = stream.load(table).writeStream.format("aerospike").options(**secret, **{"aerospike.updateByKey": "id"})
    query = sink.option("checkpointLocation", place := tempfile.mkdtemp()).trigger(availableNow=True).start(table + "s")
    wait_for(query)
    shown += [str(query.lastProgress), query._jsq.explainInternal(True)]
    for folder, _, names in os.walk(place):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:  # noqa: PTH118, PTH123
                shown.append(file.read().decode("utf-8", "replace"))
    found["streamed"] = plain.schema("id bigint").load(table + "s").count()
    refused = {**options, "aerospike.password": wrong}
    found["errors"] = [
        error_of(lambda: spark.read.format("aerospike").options(**refused).load(table)),
        error_of(lambda: spark.read.format("aerospike").options(**secret).option("aerospike.nosuch", "x").load(table)),
        error_of(lambda: copy.write.format("aerospike").options(**refused).mode("append").save(table)),
    ]  # fmt: skip
    found["shown"] = shown
    spark.stop()
    return found


run(main)

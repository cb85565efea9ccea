"""Two executors, processes of their own; a node of the Aerospike cluster may go while they read."""

from __future__ import annotations

import os
from pathlib import Path

from pyspark.sql.types import LongType, StructField, StructType
from session import remove_work, run, start


def main(address, table, jar, sign):
    spark = start("local-cluster[2,1,1024]", spark__executor__memory="768m", spark__jars=jar)
    try:
        read = spark.read.format("aerospike").option("aerospike.seedhost", address)

        def beside_process(batches):
            import pyarrow as pa

            for batch in batches:
                Path(sign).touch()
                process = pa.array([os.getppid()] * batch.num_rows, pa.int64())
                yield pa.RecordBatch.from_arrays([*batch.columns, process], [*batch.schema.names, "process"])

        def rows(frame, **options):
            for option, value in options.items():
                frame = frame.option("aerospike." + option.replace("__", "."), value)
            loaded = frame.load(table)
            with_process = StructType([*loaded.schema, StructField("process", LongType())])
            return [row.asDict(True) for row in loaded.mapInArrow(beside_process, with_process).collect()]

        whole = rows(read.option("aerospike.metadata", "false"), partition__count="6")
        Path(sign).unlink()
        slow = rows(read, partition__count="6", recordspersecond="1500", batch__rows="200")
        pushed = read.load(table).filter("id % 2 = 0 AND id < 100 AND id > 3").select("id")
        return {
            "whole": whole,
            "slow": slow,
            "pushed": sorted(row.id for row in pushed.collect()),
            "plan": pushed._jdf.queryExecution().toString(),
            "count": read.load(table).count(),
        }
    finally:
        application = spark.sparkContext.applicationId
        spark.stop()
        remove_work(application)


run(main)

"""The engine of a cell in sessions of other kinds: a Connect server, executors of their own."""

from __future__ import annotations

import contextlib
import threading
import time

import pandas as pd
from session import connect_server, remove_work, run, start

from aerospike_magic.connection import connect
from aerospike_magic.engines.base import QueryOptions
from aerospike_magic.engines.spark.engine import SparkEngine
from aerospike_magic.errors import AerospikeMagicError, ScanCancelled


def main(address, table, kind):
    with connect(address) as connection, contextlib.ExitStack() as ends:
        spark = connect_session(ends) if kind == "connect" else cluster_session(ends)
        engine = SparkEngine(connection, spark)
        ends.callback(engine.close)
        return talk(engine, table)


def connect_session(ends):
    from pyspark.sql import SparkSession

    url = ends.enter_context(connect_server("local[2]"))
    spark = SparkSession.builder.remote(url).config("spark.connect.progress.reportInterval", "100ms").getOrCreate()
    ends.callback(spark.stop)
    return spark


def cluster_session(ends):
    spark = start("local-cluster[2,1,1024]")
    ends.callback(remove_work, spark.sparkContext.applicationId)
    ends.callback(spark.stop)
    return spark


def talk(engine, table):
    found = {"errors": []}
    with engine.query(f"SELECT * FROM {table}") as result:
        found["rows"] = result.to_arrow().to_pylist()
    found["whole"] = told(result)
    sql = f"SELECT t.id, mine.word FROM {table} t JOIN mine ON t.id = mine.id WHERE t.id < :high ORDER BY t.id"
    with engine.query(
        sql, {"high": 5}, frames={"mine": pd.DataFrame({"id": [1, 3, 7], "word": list("abc")})}
    ) as result:
        found["joined"] = result.to_arrow().to_pylist()
    lazy = engine.query(f"SELECT id FROM {table} WHERE id >= 190").to_spark()
    found["lazy"] = sorted(row.id for row in lazy.filter("id < 195").collect())
    explained = engine.explain(f"SELECT id FROM {table} WHERE id > 190")
    found["explained"] = [[scan.table, scan.pushed, list(scan.columns)] for scan in explained.scans]
    for wrong in (f"SELECT idd FROM {table}", f"SELECT * FROM {table}x", f"SELECT 1 / (id - id) FROM {table}"):
        try:
            engine.query(wrong).to_arrow()
        except AerospikeMagicError as error:
            found["errors"].append([type(error).__name__, str(error), getattr(error, "position", None)])
    found["stopped"] = stop_one(engine, table)
    found["views"] = [view.name for view in engine.spark.catalog.listTables()]
    return found


def stop_one(engine, table):
    """Stop a slow query once it has begun; returns how it ended, and what was told meanwhile."""
    result = engine.query(f"SELECT * FROM {table}", options=QueryOptions(records_per_second=10))
    told_words, stopped_at = set(), []

    def stop():
        deadline = time.monotonic() + 30
        while not (result.activity and told(result)["records"]) and time.monotonic() < deadline:
            time.sleep(0.05)
        told_words.add(result.activity)
        stopped_at.append(time.monotonic())
        result.cancel()

    stopper = threading.Thread(target=stop)
    stopper.start()
    try:
        result.to_arrow()
        ended = "it ended by itself"
    except ScanCancelled:
        ended = "cancelled"
    took_s = time.monotonic() - stopped_at[0]
    stopper.join()
    return {"ended": ended, "took_s": took_s, "activity": sorted(told_words), "state": told(result)["state"]}


def told(result):
    if not result.progress:
        return {"state": "", "records": 0}
    (scan,) = result.progress
    return {"state": scan.state, "records": scan.records, "fraction": scan.fraction, "nodes": len(scan.nodes)}


run(main)

"""A Spark session to measure in: `local[2]`, as a notebook would have it, with the set registered as temporary views.

`ours` goes through the jar, `plain` through the Python source alone.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CORES = 2
SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.memory": "3g",
    "spark.sql.shuffle.partitions": str(CORES),
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.python.unix.domain.socket.enabled": "true",
    "spark.driver.maxResultSize": "0",
}


def missing() -> str:
    """What is not there of what Spark needs, in words; "" where all is."""
    if importlib.util.find_spec("pyspark") is None:
        return "pyspark is not installed: pip install 'aerospike-magic[spark]'"
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        return "Spark needs Java 17 or newer, and there is none"
    return ""


@contextmanager
def session() -> Iterator[Any]:
    """Yield a session with the data source registered, jar and all; the JVM ends with it."""
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    warnings.simplefilter("ignore")  # pyspark's own, on importing and starting
    from pyspark.sql import SparkSession

    from aerospike_magic.engines.spark import register

    builder = SparkSession.builder.master(f"local[{CORES}]").appName("benchmark")
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    register(spark)
    try:
        yield spark
    finally:
        spark.stop()


def make_views(spark: Any, address: str, table: str, **options: str) -> None:
    """Make the views `ours` and `plain` of a set; `options` are the source's, with `__` for dots."""
    # Where the jar has the name, the Python source alone is found under one of its own.
    for view, source in (("ours", "aerospike"), ("plain", spark.conf.get("spark.aerospike_magic.source"))):
        made = spark.read.format(source).option("aerospike.seedhost", address)
        for name, value in options.items():
            made = made.option("aerospike." + name.replace("__", "."), value)
        made.load(table).createOrReplaceTempView(view)

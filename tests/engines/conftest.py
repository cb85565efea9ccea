"""An engine over Arrow tables, for what needs no server; a real Spark, `local[2]`, skipped without pyspark or Java."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from arrow_catalog import ArrowCatalog, airports, flights

from aerospike_magic.engines.local.engine import LocalEngine

SPARK_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.python.unix.domain.socket.enabled": "true",
    "spark.driver.memory": "1g",
    "spark.python.task.killTimeout": "200ms",
    "spark.sql.session.timeZone": "UTC",
}


@pytest.fixture(scope="session")
def spark():
    """A session that finds the data source by itself, as in a program that only has the package installed."""
    pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'aerospike-magic[spark]'")
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        pytest.skip("Spark needs Java 17 or newer, and there is none")
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as environment:
        warnings.simplefilter("ignore")  # pyspark's own, on importing and starting
        environment.setenv("PYSPARK_PYTHON", sys.executable)
        environment.setenv("PYSPARK_DRIVER_PYTHON", sys.executable)
        from pyspark.sql import SparkSession

        builder = SparkSession.builder.master("local[2]").appName("tests")
        for name, value in SPARK_SETTINGS.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("OFF")
        yield session
        session.stop()


@pytest.fixture
def class_loader(spark):
    """Java's loader of classes in this thread, as it was, once a test has handed the session a jar."""
    thread = spark._jvm.java.lang.Thread.currentThread()
    before = thread.getContextClassLoader()
    yield before
    thread.setContextClassLoader(before)


@pytest.fixture
def catalog():
    """Sets demo.flights (1,000 rows, 10 batches), demo.airports, test.flights and some oddly named ones."""
    return ArrowCatalog(
        {
            ("demo", "flights"): flights(),
            ("demo", "airports"): airports(),
            ("test", "flights"): flights(10),
            ("temp", "x"): airports(),
            ("main", "x"): airports(),
            ('we"ird', "a-b.c"): airports(),
        }
    )


@pytest.fixture
def engine(catalog):
    made = LocalEngine(catalog=catalog)
    yield made
    made.close()


@pytest.fixture
def rows(engine):
    """Run a statement and return its rows as tuples."""

    def run(sql, parameters=None, **options):
        from aerospike_magic.engines.base import QueryOptions

        frames = options.pop("frames", None)
        with engine.query(sql, parameters, QueryOptions(**options), frames=frames) as result:
            table = result.to_arrow()
        return [tuple(row.values()) for row in table.to_pylist()]

    return run

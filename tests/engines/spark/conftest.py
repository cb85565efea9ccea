"""The data source in a real Spark, on the server under test; `spark` is in the tests' own conftest."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def jar():
    """The jar that plans push-down."""
    from aerospike_magic.engines.spark import JAR

    return JAR


@pytest.fixture(scope="session")
def planner(spark):
    """The jar's class, which the session has under no name: `aerospike` is the plain source, see `spark`."""
    return "aerospikemagic.spark.AerospikeSource"


@pytest.fixture
def read(spark, server):
    """Make a DataFrame of a set: `read("test.x", schema="n int", partition__count=3)`."""

    def reader(name, schema=None, source="aerospike", **options):
        made = spark.read.format(source).option("aerospike.seedhost", server.address)
        if schema is not None:
            made = made.schema(schema)
        for option, value in options.items():
            made = made.option("aerospike." + option.replace("__", "."), value)
        return made.load(name)

    return reader


@pytest.fixture(scope="session")
def run_program():
    """Run a program of `programs/`, which has a Spark session of its own: `run_program("by_connect", table="test.x")`.

    Returns what it has found, and under "log" all else that it has printed.
    """
    pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'aerospike-magic[spark]'")
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        pytest.skip("Spark needs Java 17 or newer, and there is none")

    def runner(name, **arguments):
        program = Path(__file__).parent / "programs" / f"{name}.py"
        ran = subprocess.run(
            [sys.executable, "-W", "ignore", str(program), json.dumps(arguments)],
            capture_output=True,
            text=True,
            timeout=580,
            env=os.environ | {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable},
        )
        log, mark, found = ran.stdout.rpartition("FOUND ")
        assert mark, f"{ran.stdout[-2000:]}\n{ran.stderr[-6000:]}"
        return json.loads(found) | {"log": log + ran.stderr}

    return runner

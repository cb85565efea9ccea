"""The data source in a real Spark, on the server under test; `spark` is in the tests' own conftest."""

from __future__ import annotations

import zipfile

import pytest


@pytest.fixture(scope="session")
def jar():
    """The jar that plans push-down."""
    from aerospike_magic.engines.spark import JAR

    return JAR


@pytest.fixture(scope="session")
def planner(spark, jar, tmp_path_factory):
    """The jar's class, loaded under no name: `aerospike` stays the plain source in this session."""
    nameless = tmp_path_factory.mktemp("jar") / "nameless.jar"
    with zipfile.ZipFile(jar) as original, zipfile.ZipFile(nameless, "w") as copy:
        for name in original.namelist():
            if not name.startswith("META-INF/services/"):
                copy.writestr(name, original.read(name))
    spark.sql(f"ADD JAR '{nameless}'")
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

"""Fixtures for all rooms: a server to talk to, the official client, our own connection, a real Spark, Trino and Presto.

`AEROSPIKE_TEST_HOST=host:port` runs the tests against a real server instead. It needs the namespaces `test` and `demo`;
the flight data is written to `demo` once, by the official client, and stays there for the next run.

Tests on a real Trino or Presto, marked `trino`, run when it has been fetched already. `AEROSPIKE_MAGIC_TRINO=1` or
`--trino` fetches it before the first test, `AEROSPIKE_MAGIC_SKIP_TRINO=1` skips them.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import write_certificates
from under_test import EngineServer, TestServer

# A Java of a test lives for seconds, in which its optimizing compiler would take more time than it saves.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")

LONG = ("tests/engines/spark/test_spark_programs.py", "tests/engines/spark/", "tests/benchmarks/")
"""Where tests are that take minutes; those of a file named here have Sparks of their own."""

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
def server() -> Iterator[TestServer]:
    """A server with namespaces test and demo; the embedded one has the flight data in demo."""
    given = os.environ.get("AEROSPIKE_TEST_HOST")
    if given:
        host, _, port = given.rpartition(":")
        real = TestServer(host or given, int(port) if host else 3000, False)
        _write_flights(real)
        yield real
        return
    from aerospike_magic.devserver import DevServer

    with DevServer(namespaces=("test", "demo"), demo=True) as running:
        yield TestServer(running.host, running.port, True)


def _write_flights(real: TestServer) -> None:
    """Give a real server the flight data that it lacks, copied from an embedded one."""
    from aerospike_helpers.batch import records as batch
    from aerospike_helpers.operations import operations

    from aerospike_magic.connection import connect
    from aerospike_magic.dataset import AerospikeDataset
    from aerospike_magic.devserver import DevServer

    with connect(real.address) as target:
        present = {s.name: s.objects for s in target.sets("demo")}
        if present.get("flights") == 336_776 and present.get("weather") == 26_115:
            return
        with DevServer(namespaces=("demo",), demo=True) as embedded, connect(embedded.address) as source:
            for name in ("airlines", "airports", "planes", "weather", "flights"):
                for rows in AerospikeDataset(source, f"demo.{name}").to_batches():
                    for start in range(0, rows.num_rows, 1_000):
                        writes = [
                            batch.Write(
                                ("demo", name, row.pop("__key")),
                                [operations.write(bin, value) for bin, value in row.items() if value is not None],
                                policy={"key": 1},  # aerospike.POLICY_KEY_SEND
                            )
                            for row in rows.slice(start, 1_000).to_pylist()
                        ]
                        written = target.client.batch_write(batch.BatchRecords(writes))
                        assert all(record.result == 0 for record in written.batch_records)


@pytest.fixture(scope="session")
def client(server: TestServer) -> Iterator[Any]:
    """The official client, connected."""
    import aerospike

    connected = aerospike.client({"hosts": [(server.host, server.port)]}).connect()
    yield connected
    connected.close()


@pytest.fixture
def connection(server: TestServer) -> Iterator[Any]:
    """Our own connection, closed afterwards."""
    from aerospike_magic.connection import connect

    with connect(server.address) as connected:
        yield connected


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with certificates, see `write_certificates`."""
    pytest.importorskip("cryptography")
    folder = tmp_path_factory.mktemp("tls")
    write_certificates(folder)
    return folder


def _nameless_jar(folder: Path) -> Path:
    """A copy of the jar in which Spark finds no source by name, so that the plain one keeps the name `aerospike`."""
    from aerospike_magic.engines.spark import JAR

    nameless = folder / "nameless.jar"
    with zipfile.ZipFile(JAR) as original, zipfile.ZipFile(nameless, "w") as copy:
        for name in original.namelist():
            if not name.startswith("META-INF/services/"):
                copy.writestr(name, original.read(name))
    return nameless


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session that finds the data source by itself, as in a program that only has the package installed.

    The jar's classes are there from the start, under no name: were they handed over by `ADD JAR`, so would be
    whatever other tests add, in every later test.
    """
    pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'aerospike-magic[spark]'")
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        pytest.skip("Spark needs Java 17 or newer, and there is none")
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as environment:
        warnings.simplefilter("ignore")  # pyspark's own, on importing and starting
        environment.setenv("PYSPARK_PYTHON", sys.executable)
        environment.setenv("PYSPARK_DRIVER_PYTHON", sys.executable)
        from pyspark.sql import SparkSession

        builder = SparkSession.builder.master("local[2]").appName("tests")
        jar = _nameless_jar(tmp_path_factory.mktemp("jar"))
        for name, value in {**SPARK_SETTINGS, "spark.jars": str(jar)}.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("OFF")
        yield session
        session.stop()


@pytest.fixture
def class_loader(spark: Any) -> Iterator[Any]:
    """Java's loader of classes in this thread, as it was, once a test has handed the session a jar."""
    thread = spark._jvm.java.lang.Thread.currentThread()
    before = thread.getContextClassLoader()
    yield before
    thread.setContextClassLoader(before)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--trino", action="store_true", help="fetch Trino and Presto for the tests that need them")


def kinds_of(item: pytest.Item) -> set[str]:
    """Which engine servers a test needs."""
    kinds = {kind for kind in ("trino", "presto") if f"{kind}_server" in getattr(item, "fixturenames", ())}
    for mark in item.iter_markers("trino"):
        kinds |= set(mark.args)
    return kinds or ({"trino"} if item.get_closest_marker("trino") else set())


def is_fetching_wanted(config: pytest.Config) -> bool:
    return bool(config.getoption("--trino") or os.environ.get("AEROSPIKE_MAGIC_TRINO") == "1")


def pytest_itemcollected(item: pytest.Item) -> None:
    if kinds_of(item):
        item.add_marker("trino")
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(600))  # the first test waits for the server's start, too


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # Where two processes share the tests, what takes long must not be left for the end.
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))
    _skip_engines(config, items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep an engine's tests in one process, as it takes long to start, and those of a file, which share a server."""
    from xdist.scheduler import LoadScopeScheduling

    class ByEngine(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return ByEngine(config, log)


def group_of(nodeid: str) -> str:
    """What of the tests stays together."""
    path = nodeid.partition("::")[0]
    words = set(re.split(r"\W|_", nodeid))
    for engine in ("presto", "trino"):
        if engine in words:
            return engine
    return "spark" if "spark" in words and path not in LONG else path


def _skip_engines(config: pytest.Config, items: list[pytest.Item]) -> None:
    from aerospike_magic.engines.trino.server import find_server
    from aerospike_magic.engines.trino.server.releases import find_release

    for item in items:
        for kind in kinds_of(item):
            release = find_release(kind)
            title = f"{release.title} {release.version}"
            if os.environ.get("AEROSPIKE_MAGIC_SKIP_TRINO") == "1":
                item.add_marker(pytest.mark.skip(reason=f"AEROSPIKE_MAGIC_SKIP_TRINO=1: no test on {title}"))
            elif not is_fetching_wanted(config) and find_server(kind) is None:
                size = f"{release.download_bytes / 1e6:,.0f} MB"
                reason = f"{title} has not been fetched ({size}): make test-engines, or AEROSPIKE_MAGIC_TRINO=1"
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fetch what the tests need, where no test's time limit counts."""
    if session.config.option.collectonly or not is_fetching_wanted(session.config):
        return
    from aerospike_magic.engines.trino.server import fetch_server

    needed = {kind for item in session.items if item.get_closest_marker("skip") is None for kind in kinds_of(item)}
    for kind in sorted(needed):
        fetch_server(kind)


@pytest.fixture(scope="session")
def trino_server(server: TestServer) -> Iterator[EngineServer]:
    """A real Trino with the catalogs `aerospike`, `tpch` and `memory`."""
    yield from _engine_server("trino", server)


@pytest.fixture(scope="session")
def presto_server(server: TestServer) -> Iterator[EngineServer]:
    """A real Presto with the catalogs `aerospike`, `tpch` and `memory`."""
    yield from _engine_server("presto", server)


def _engine_server(kind: str, server: TestServer) -> Iterator[EngineServer]:
    from aerospike_magic.connection import connect
    from aerospike_magic.engines.trino.server import LocalServer
    from aerospike_magic.engines.trino.server.catalogs import read_properties
    from aerospike_magic.gateway.catalog_file import catalog_text
    from aerospike_magic.gateway.server import Gateway
    from aerospike_magic.gateway.service import AerospikeService

    with connect(server.address) as connection, AerospikeService(connection) as service, Gateway(service) as gateway:
        catalog = read_properties(catalog_text(kind, [gateway.address]))
        with LocalServer.start(kind, {"aerospike": catalog}, memory=1 << 30) as running:
            yield EngineServer(running, service, connection)

"""Fixtures for all rooms: a server to talk to, the official client, and our own connection.

`AEROSPIKE_TEST_HOST=host:port` runs the tests against a real server instead. It needs the namespaces `test` and `demo`;
the flight data is written to `demo` once, by the official client, and stays there for the next run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import write_certificates
from under_test import TestServer


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

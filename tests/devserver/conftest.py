"""The embedded server itself is under test here; beside it, to compare, the real one of `AEROSPIKE_TEST_HOST`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import aerospike
import pytest
from recorded import VECTORS, decode_value
from under_test import TestServer

from aerospike_magic.devserver import DevServer


@pytest.fixture(scope="session")
def server() -> Iterator[TestServer]:
    """The embedded server, with the flight data."""
    with DevServer(namespaces=("test", "demo"), demo=True) as running:
        yield TestServer(running.host, running.port, True)


@pytest.fixture(scope="session")
def client(server: TestServer) -> Iterator[Any]:
    """The official client, connected to it."""
    connected = aerospike.client({"hosts": [(server.host, server.port)]}).connect()
    yield connected
    connected.close()


@pytest.fixture(scope="session")
def real_server() -> TestServer:
    """A real server to compare with; without one the test is skipped."""
    host, _, port = os.environ.get("AEROSPIKE_TEST_HOST", "").rpartition(":")
    if not host:
        pytest.skip("needs a real server to compare with: AEROSPIKE_TEST_HOST=host:port")
    return TestServer(host, int(port), False)


@pytest.fixture(scope="session")
def real_client(real_server: TestServer) -> Iterator[Any]:
    """The official client, connected to the real server."""
    connected = aerospike.client({"hosts": [(real_server.host, real_server.port)]}).connect()
    yield connected
    connected.close()


@pytest.fixture(scope="session")
def dataset() -> list[dict[str, Any]]:
    """The records of set vecx, by id."""
    return [decode_value(record) for record in json.loads((VECTORS / "dataset.json").read_text())]


@pytest.fixture(scope="session")
def vecx(client: Any, dataset: list[dict[str, Any]]) -> str:
    """The data set in test.vecx; odd ids with their user key. Returns the set's name."""
    client.truncate("test", "vecx", 0)
    for record in dataset:
        sends_key = record["id"] % 2 == 1
        policy = {"key": aerospike.POLICY_KEY_SEND if sends_key else aerospike.POLICY_KEY_DIGEST}
        client.put(("test", "vecx", record["id"]), record, policy=policy)
    return "vecx"

"""Fixtures for all rooms: a server to talk to, the official client, and our own connection.

`AEROSPIKE_TEST_HOST=host:port` runs the tests against a real server instead; it needs the namespaces `test` and `demo`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class TestServer:
    """Where the server under test listens."""

    __test__ = False

    host: str
    port: int
    is_embedded: bool

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


@pytest.fixture(scope="session")
def server() -> Iterator[TestServer]:
    """A server with namespaces test and demo; the embedded one has the flight data in demo."""
    given = os.environ.get("AEROSPIKE_TEST_HOST")
    if given:
        host, _, port = given.rpartition(":")
        yield TestServer(host or given, int(port) if host else 3000, False)
        return
    from aerospike_magic.devserver import DevServer

    with DevServer(namespaces=("test", "demo"), demo=True) as running:
        yield TestServer(running.host, running.port, True)


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

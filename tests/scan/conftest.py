"""A cluster of three nodes for the scans' bad days, whole again after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cluster_scans import TABLE, N, scan_threads, wait_until

from aerospike_magic.connection import Connection, connect
from aerospike_magic.devserver import DevServer


@pytest.fixture(scope="package")
def cluster() -> Iterator[DevServer]:
    with DevServer(namespaces=("test",), synthetic=N, nodes=3) as running:
        yield running


@pytest.fixture(scope="package")
def cluster_connection(cluster: DevServer) -> Iterator[Connection]:
    """One connection for all tests, as in a notebook: it has to live through all of it."""
    with connect(f"{cluster.host}:{cluster.port}") as connected:
        connected.schema(TABLE)
        yield connected


@pytest.fixture
def joined(cluster: DevServer, cluster_connection: Connection) -> Iterator[Connection]:
    """The connection; afterwards all nodes are up, all partitions at home, and no thread of a scan is left."""
    yield cluster_connection
    cluster.control.heal()
    cluster.control.move(range(4096))
    cluster.control.release(range(4096))
    for i, node in enumerate(cluster.control.status()):
        if not node.is_up:
            cluster.control.start_node(i)
    wait_until(lambda: scan_threads() == [], 1.0)
    wait_until(
        lambda: len(cluster_connection.nodes()) == 3 and not len(cluster_connection.partition_map("test").missing)
    )

"""Writing while things go wrong: nodes that die, stall and come back, partitions that move, logins that expire, TLS."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest

from aerospike_magic.connection import Connection, connect
from aerospike_magic.devserver import DevServer
from aerospike_magic.errors import WriteCancelled, WriteError
from aerospike_magic.wire.result import ResultCode
from aerospike_magic.write import WriteOptions, Writer
from aerospike_magic.write.lane import LaneSettings

N = 20_000
PASSWORD = "s3cret-Passw0rd"
PATIENT = LaneSettings(rows_per_request=200, timeout_s=2.0, give_up_s=10.0)


@pytest.fixture(scope="module")
def cluster() -> Iterator[DevServer]:
    with DevServer(namespaces=("test",), nodes=3) as running:
        yield running


@pytest.fixture
def joined(cluster: DevServer) -> Iterator[Connection]:
    with connect(cluster.address) as connected:
        yield connected
    cluster.control.heal()
    cluster.control.move(range(4096))
    cluster.control.release(range(4096))
    for i, node in enumerate(cluster.control.status()):
        if not node.is_up:
            cluster.control.start_node(i)
    with connect(cluster.address) as connected:
        deadline = time.monotonic() + 10
        while len(connected.nodes()) < 3 or len(connected.partition_map("test").missing):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def write(joined: Connection, name: str, events: Any = (), settings: LaneSettings = PATIENT, **more: Any) -> Any:
    """Write N rows while events happen, each when a share of the rows has been written."""
    waiting = list(events)

    def tell(progress: Any) -> None:
        while waiting and progress.written >= waiting[0][0] * N:
            waiting.pop(0)[1]()

    how = WriteOptions("id", **more)
    writer = Writer(
        joined, "test", name, how, settings=settings, on_progress=tell, records_per_second=12_000 if events else 0
    )
    rows = pa.table({"id": range(N), "name": [f"item{i:06}" for i in range(N)]})
    try:
        return writer.write(rows.to_batches(2_000))
    finally:
        assert not waiting
        assert [t for t in threading.enumerate() if t.name.startswith("aerospike-write")] == []


def ids(joined: Connection, name: str) -> list[int]:
    return sorted(bins["id"] for _, _, bins in joined.client.query("test", name).results())


def test_all_nodes_get_their_rows(cluster: DevServer, joined: Connection) -> None:
    report = write(joined, "plain")
    assert (report.written, report.failures, report.retries) == (N, (), 0)
    assert ids(joined, "plain") == list(range(N))
    assert open_sockets(cluster) <= 6  # those of the official client


def open_sockets(cluster: DevServer) -> int:
    return sum(
        1 for c in psutil.Process().net_connections() if c.status == "ESTABLISHED" and c.raddr.port in cluster.ports
    )


def test_partitions_move(cluster: DevServer, joined: Connection) -> None:
    events = [(0.2, lambda: cluster.control.move(range(2048), 1)), (0.6, lambda: cluster.control.move(range(4096)))]
    report = write(joined, "moved", events)
    assert (report.written, report.failures) == (N, ())
    assert ids(joined, "moved") == list(range(N))


def test_a_node_dies_and_others_take_over(cluster: DevServer, joined: Connection) -> None:
    report = write(joined, "died", [(0.3, lambda: cluster.control.stop_node(1))])
    assert (report.written, report.failures) == (N, ())
    assert report.retries > 0
    assert ids(joined, "died") == list(range(N))


def test_connections_are_cut(cluster: DevServer, joined: Connection) -> None:
    report = write(joined, "cut", [(0.3, lambda: cluster.control.cut(0, 100, 5))], mode="create_only")
    assert (report.written, report.failures) == (N, ())
    assert report.retries > 0
    assert {meta["gen"] for _, meta, _ in joined.client.query("test", "cut").results()} == {1}


def test_a_node_is_silent_for_a_while(cluster: DevServer, joined: Connection) -> None:
    def freeze() -> None:
        cluster.control.freeze(2)
        threading.Timer(1.0, cluster.control.thaw, (2,)).start()

    settings = LaneSettings(rows_per_request=200, timeout_s=0.5, give_up_s=10.0)
    report = write(joined, "silent", [(0.3, freeze)], settings)
    assert (report.written, report.failures) == (N, ())


def test_partitions_without_an_owner_are_given_up_once_and_the_others_written(
    cluster: DevServer, joined: Connection
) -> None:
    cluster.control.withhold(range(0, 4096, 8))
    started = time.monotonic()
    settings = LaneSettings(rows_per_request=200, timeout_s=2.0, give_up_s=1.0)
    report = write(joined, "lost", settings=settings)
    assert time.monotonic() - started < 15
    assert report.written + report.failed == N
    assert 0.05 * N < report.failed < 0.25 * N
    assert report.uncertain == 0
    cluster.control.release(range(4096))
    assert len(ids(joined, "lost")) == report.written


def test_a_silent_node_does_not_hold_up_a_cancel(cluster: DevServer, joined: Connection) -> None:
    started = []

    def tell(progress: Any) -> None:
        if progress.written and not started:
            cluster.control.freeze(0)
            threading.Timer(0.5, writer.cancel).start()
            started.append(time.monotonic())

    how = WriteOptions("id")
    writer = Writer(joined, "test", "frozen", how, records_per_second=10_000, on_progress=tell)
    with pytest.raises(WriteCancelled) as caught:
        writer.write(pa.table({"id": range(N)}).to_batches())
    assert time.monotonic() - started[0] < 1.6
    report = caught.value.report
    # What was sent and not answered is neither written nor not.
    assert report.uncertain == report.failed > 0
    cluster.control.thaw(0)


def test_the_whole_cluster_dies(joined: Connection) -> None:
    settings = LaneSettings(rows_per_request=200, timeout_s=1.0, give_up_s=0.5)
    with DevServer(namespaces=("test",)) as server, connect(server.address) as connected:
        writer = Writer(
            connected,
            "test",
            "gone",
            WriteOptions("id"),
            settings=settings,
            records_per_second=10_000,
            on_progress=lambda p: server.stop() if p.written and server.pid else None,
        )
        started = time.monotonic()
        report = writer.write(pa.table({"id": range(N)}).to_batches(2_000))
        assert time.monotonic() - started < 15
    assert report.written + report.failed == N
    assert 0 < report.written < N
    assert "could not be reached" in report.reasons


@pytest.fixture(scope="module")
def secured(authority: Path) -> Iterator[DevServer]:
    with DevServer(
        namespaces=("test",),
        nodes=3,
        users={"ann": PASSWORD, "reader": (PASSWORD, "read")},
        tls_certfile=authority / "node.test.pem",
        tls_keyfile=authority / "node.test.key",
        tls_cafile=authority / "ca.pem",
    ) as running:
        yield running


def logged_in(secured: DevServer, authority: Path, user: str = "ann") -> Connection:
    return connect(
        secured.address,
        user=user,
        password=PASSWORD,
        tls_name="node.test",
        tls_cafile=str(authority / "ca.pem"),
        tls_certfile=str(authority / "ann.pem"),
        tls_keyfile=str(authority / "ann.key"),
    )


def test_with_tls_and_login_and_sessions_that_expire(secured: DevServer, authority: Path) -> None:
    with logged_in(secured, authority) as connection:
        report = write(connection, "secret", [(0.3, secured.control.expire_sessions)])
        assert (report.written, report.failures) == (N, ())
        assert ids(connection, "secret") == list(range(N))


def test_a_user_who_may_only_read(secured: DevServer, authority: Path) -> None:
    with logged_in(secured, authority, "reader") as connection:
        writer = Writer(connection, "test", "forbidden", WriteOptions("id"))
        try:
            report = writer.write(pa.table({"id": range(100)}).to_batches())
        except WriteError as error:
            report = error.report
            assert isinstance(error.__cause__, Exception)
            assert "roles do not allow" in str(error)
        else:
            assert report.failures[0].reason.startswith("the user's roles do not allow")
            assert ResultCode.ROLE_VIOLATION == 81
        assert report.written == 0

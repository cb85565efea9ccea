"""Nodes that go, partitions that move, many queries at once: every record once, or a plain error."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from served_reads import between, count, splits_of, where

from aerospike_magic.connection import Connection, connect
from aerospike_magic.devserver import DevServer
from aerospike_magic.errors import ConnectError
from aerospike_magic.gateway.messages import ServiceError, Split, TableName
from aerospike_magic.gateway.options import ServiceOptions
from aerospike_magic.gateway.service import AerospikeService

N = 60_000
COLUMNS = ["id", "name"]
SMALL = 30_000


def bench(**options: object) -> TableName:
    return TableName("test", "bench" + "".join(f"__{name}_{value}" for name, value in options.items()))


@pytest.fixture(scope="module")
def cluster() -> Iterator[DevServer]:
    with DevServer(namespaces=("test",), synthetic=N, nodes=3) as running:
        yield running


@pytest.fixture(scope="module")
def joined(cluster: DevServer) -> Iterator[Connection]:
    with connect(f"{cluster.host}:{cluster.port}") as connected:
        yield connected


@pytest.fixture
def service(cluster: DevServer, joined: Connection) -> Iterator[AerospikeService]:
    with AerospikeService(joined) as served:
        yield served
    wait_until(lambda: not any(t.name.startswith("aerospike-scan") for t in threading.enumerate()))
    cluster.control.heal()
    cluster.control.move(range(4096))
    cluster.control.release(range(4096))
    for i, node in enumerate(cluster.control.status()):
        if not node.is_up:
            cluster.control.start_node(i)
    wait_until(lambda: is_whole(joined))


def is_whole(joined: Connection) -> bool:
    try:
        return len(joined.nodes()) == 3 and not len(joined.partition_map("test").missing)
    except ConnectError:  # the client has not met a node again yet
        return False


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Reader:
    """Reads splits side by side, a page of each in turn, as an engine with few threads does."""

    def __init__(self, splits: list[Split], columns: list[str] = COLUMNS, max_bytes: int = SMALL) -> None:
        self._columns, self._max_bytes = columns, max_bytes
        self.tokens: dict[bytes, bytes | None] = {split.id: None for split in splits}
        self.rows: list[tuple[Any, ...]] = []
        self._lock = threading.Lock()

    def step(self, service: AerospikeService) -> bool:
        """A page of every split that is not at its end; whether there was one."""
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda split_id: self._page(service, split_id), list(self.tokens)))
        return bool(self.tokens)

    def _page(self, service: AerospikeService, split_id: bytes) -> None:
        page = service.rows(split_id, self._columns, self._max_bytes, self.tokens[split_id])
        with self._lock:
            self.rows += zip(*(column.to_pylist() for column in page.columns), strict=True)
            if page.next_token is None:
                del self.tokens[split_id]
            else:
                self.tokens[split_id] = page.next_token

    def check(self, n: int = N) -> None:
        assert sorted(self.rows) == [(i, f"item{i:06d}") for i in range(n)]


@pytest.mark.parametrize("n_splits", [1, 12])
def test_a_node_goes(cluster: DevServer, service: AerospikeService, n_splits: int) -> None:
    reader = Reader(splits_of(service, bench(splits=n_splits)))
    reader.step(service)
    cluster.control.stop_node(1)
    while reader.step(service):
        pass
    reader.check()


def test_a_node_goes_and_the_gateway_with_it(cluster: DevServer, service: AerospikeService) -> None:
    reader = Reader(splits_of(service, bench(splits=5)))
    reader.step(service)
    reader.step(service)
    cluster.control.stop_node(2)
    with connect(f"{cluster.host}:{cluster.ports[0]}") as other, AerospikeService(other) as restarted:
        reader.step(restarted)
        cluster.control.start_node(2)
        while reader.step(restarted):
            pass
    reader.check()


def test_partitions_move_all_the_time(cluster: DevServer, service: AerospikeService) -> None:
    reader = Reader(splits_of(service, bench(splits=8)))
    chance = random.Random(1)
    n_steps = 0
    while reader.step(service):
        n_steps += 1
        if n_steps < 20:
            cluster.control.move(chance.sample(range(4096), 300), chance.randrange(3))
    reader.check()


def test_a_filter_over_bins_that_few_records_have(cluster: DevServer, service: AerospikeService) -> None:
    constraint = where(id=between(1_000, 30_999))
    reader = Reader(splits_of(service, bench(splits=6), constraint))
    reader.step(service)
    cluster.control.stop_node(0)
    while reader.step(service):
        pass
    assert sorted(reader.rows) == [(i, f"item{i:06d}") for i in range(1_000, 31_000)]


def test_64_queries_at_once_are_bounded(cluster: DevServer, joined: Connection) -> None:
    options = ServiceOptions(max_scans=8, buffered_bytes=8 << 20, wait_s=120)
    with AerospikeService(joined, options) as service:
        readers = [Reader(splits_of(service, bench(splits=8)), ["id", "name"], 400_000) for _ in range(64)]
        most = 0

        def run(reader: Reader) -> None:
            nonlocal most
            while reader.tokens:
                for split_id in list(reader.tokens):
                    reader._page(service, split_id)
                    most = max(most, service.n_open_scans)

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(run, readers))
        for reader in readers:
            reader.check()
        assert most <= 8
    assert service.n_open_scans == 0


def test_no_node_is_left(cluster: DevServer, service: AerospikeService) -> None:
    # Slowly, or all of it would have been read before the nodes go.
    reader = Reader(splits_of(service, bench(splits=2, rps=10_000)))
    reader.step(service)
    for i in range(3):
        cluster.control.stop_node(i)
    started = time.monotonic()
    with pytest.raises(ServiceError) as caught:
        while reader.step(service):
            pass
    assert time.monotonic() - started < 60
    assert caught.value.retryable
    assert "Traceback" not in caught.value.message
    for i in range(3):
        cluster.control.start_node(i)
    wait_until(lambda: len(cluster.control.status()) == 3)
    with connect(f"{cluster.host}:{cluster.port}") as other, AerospikeService(other) as restarted:
        while reader.step(restarted):
            pass
        assert count(restarted, bench()) == N
    reader.check()

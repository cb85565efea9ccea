"""A notebook is told how far its scans are, and can end them; the gateway tells nobody else."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import pytest
from served_reads import LARGE, count, equal, pages_of, read, splits_of, where

from aerospike_magic.connection import Connection
from aerospike_magic.engines.progress import ProgressReceiver, QueryProgress
from aerospike_magic.gateway.messages import ServiceError, TableName
from aerospike_magic.gateway.options import ServiceOptions, TableOptions
from aerospike_magic.gateway.service import AerospikeService
from aerospike_magic.scan.teller import ProgressAddress

N_FLIGHTS = 336_776


@pytest.fixture
def receiver() -> Iterator[ProgressReceiver]:
    made = ProgressReceiver()
    yield made
    made.close()


@pytest.fixture
def query(receiver: ProgressReceiver, connection: Connection) -> QueryProgress:
    return receiver.open({"demo": connection.partition_map("demo")})


@pytest.fixture
def service(connection: Connection) -> Iterator[AerospikeService]:
    with AerospikeService(connection) as served:
        yield served


def flights(query: QueryProgress, **more: object) -> TableName:
    address = ProgressAddress.parse(query.address(0))
    return TableName("demo", "flights" + TableOptions(progress=address, **more).suffix())  # type: ignore[arg-type]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not arrive"
        time.sleep(0.01)


def test_plan_and_pages_are_told(service: AerospikeService, query: QueryProgress) -> None:
    assert len(read(service, flights(query), ["key__", "origin"], where(origin=equal("JFK")))) == 111_279
    wait_until(lambda: query.is_settled and bool(query.snapshots))
    (plan,) = query.explanations
    assert (plan.table, plan.pushed) == ("demo.flights", "origin = 'JFK'")
    assert ("splits", "5") in plan.details or any(label == "splits" for label, _ in plan.details)
    query.end("done")
    (progress,) = query.snapshots
    assert (progress.state, progress.fraction) == ("done", 1.0)
    assert (progress.returned, progress.scanned) == (111_279, N_FLIGHTS)


def test_counts_go_on_when_a_scan_is_opened_again(
    connection: Connection, service: AerospikeService, query: QueryProgress
) -> None:
    (split,) = splits_of(service, flights(query, splits=1))
    token, n_rows = None, 0
    for _ in range(6):
        with AerospikeService(connection) as another:
            page = another.rows(split.id, ["key__"], 400_000, token)
            n_rows, token = n_rows + page.n_rows, page.next_token
    n_rows += sum(page.num_rows for page in pages_of(service, split, ["key__"], LARGE, token))
    assert n_rows == N_FLIGHTS
    wait_until(lambda: query.is_settled and bool(query.snapshots))
    query.end("done")
    (progress,) = query.snapshots
    assert (progress.state, progress.fraction) == ("done", 1.0)
    assert progress.returned >= N_FLIGHTS


def test_the_notebook_can_end_a_scan(
    service: AerospikeService, receiver: ProgressReceiver, query: QueryProgress
) -> None:
    (split,) = splits_of(service, flights(query, splits=1, rps=2_000))
    token = service.rows(split.id, ["key__"], LARGE, None).next_token
    wait_until(lambda: bool(query.snapshots))
    receiver.cancel(query)
    started = time.monotonic()
    with pytest.raises(ServiceError, match="stopped in the notebook") as caught:
        while True:
            token = service.rows(split.id, ["key__"], LARGE, token).next_token
    assert not caught.value.retryable
    assert time.monotonic() - started < 10
    assert service.n_open_scans == 0


def test_a_look_up_is_told_too(service: AerospikeService, query: QueryProgress) -> None:
    table = flights(query)
    assert len(read(service, table, ["key__"], where(key__=equal(1, 2, 10**9)))) == 2
    wait_until(lambda: query.is_settled and bool(query.snapshots))
    assert query.explanations[0].access.startswith("look-up of 3 keys")
    assert query.snapshots[0].returned == 2


def test_a_notebook_that_is_gone_holds_nothing_up(service: AerospikeService) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        table = TableName(
            "demo", "flights" + TableOptions(progress=ProgressAddress("127.0.0.1", port, "t" * 16, 0)).suffix()
        )
        assert count(service, table) == N_FLIGHTS
    assert count(service, table) == N_FLIGHTS


def test_nobody_else_is_told(connection: Connection) -> None:
    elsewhere = ProgressAddress("192.0.2.1", 80, "t" * 16, 0)
    table = TableName("demo", "airlines" + TableOptions(progress=elsewhere).suffix())
    with AerospikeService(connection) as service:
        with pytest.raises(ServiceError, match="may not be told"):
            service.table_metadata(table)
        with pytest.raises(ServiceError, match="may not be told"):
            splits_of(service, table)
        # Nor for an id that another gateway made, which may.
        with AerospikeService(connection, ServiceOptions(tell_to=frozenset({"192.0.2.1"}))) as other:
            (split,) = splits_of(other, table)
        with pytest.raises(ServiceError, match="may not be told"):
            service.rows(split.id, ["key__"], LARGE, None)

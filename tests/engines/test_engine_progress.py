"""What tasks tell and how it is put together again, over real sockets. No Spark is needed."""

from __future__ import annotations

import json
import socket
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from aerospike_magic.engines.progress import ProgressReceiver
from aerospike_magic.errors import ConfigError, ScanCancelled
from aerospike_magic.scan import Mismatch, plan_scan
from aerospike_magic.scan.progress import NodeProgress, PartitionState, ScanProgress
from aerospike_magic.scan.tasks import split
from aerospike_magic.scan.teller import ProgressAddress, TaskTeller, tell_plan


@pytest.fixture
def receiver():
    made = ProgressReceiver()
    yield made
    made.close()
    assert not any(thread.name == "aerospike-magic-progress" for thread in threading.enumerate())


@pytest.fixture
def plan(connection):
    return plan_scan(connection, connection.schema("demo.airlines"))


@pytest.fixture
def query(receiver, connection):
    return receiver.open({"demo": connection.partition_map("demo")})


def snapshot(share, done=1.0, records=10, state="running"):
    """How a task's own scan stands when the given part of its partitions is done."""
    states = np.zeros(4096, np.uint8)
    mine = np.array(share.partitions)
    states[mine] = PartitionState.WAITING
    states[mine[: round(done * len(mine))]] = PartitionState.DONE
    node = NodeProgress("BB1", "x:1", len(mine), 0, records, 100)
    return ScanProgress(
        namespace="demo",
        set_name="airlines",
        state=state,
        partitions=states.tobytes(),
        owners=bytes(4096),
        nodes=(node,),
        scanned=records,
        records=records,
        returned=records,
        n_bytes=100,
        elapsed_s=0.1,
        records_per_s=1.0,
        eta_s=None,
    )


def wait_until(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it did not arrive"
        time.sleep(0.005)


def address_of(query, reference=0):
    return ProgressAddress.parse(query.address(reference))


@pytest.mark.parametrize("n_tasks", [1, 7, 64, 4096, 9000])
def test_tasks_add_up_to_the_scan(query, plan, n_tasks):
    shares = split(n_tasks)
    at = address_of(query)
    tell_plan(at, "scan", plan, n_tasks, "tasks")
    half = n_tasks // 2
    for number, share in enumerate(shares):
        teller = TaskTeller(at, "scan", number, share.modulus)
        if number < half:
            teller.finish(snapshot(share, state="done"), [Mismatch("b", 1, "x")])
        elif number == half:
            teller.tell(snapshot(share, 0.5))
    wait_until(lambda: query.snapshots and query.snapshots[0].records == 10 * (half + 1))
    (scan,) = query.snapshots
    assert scan.state == "running"
    assert scan.partitions_total == 4096
    assert abs(scan.fraction - (half + 0.5 * (n_tasks < 4096)) / n_tasks) < 0.01 + 1.2 * (n_tasks > 4096)
    assert sum(m.count for m in scan.mismatches) == half
    for number in range(half, n_tasks):
        TaskTeller(at, "scan", number, shares[number].modulus).finish(snapshot(shares[number], state="done"), [])
    wait_until(lambda: query.is_settled and query.snapshots[0].records == 10 * n_tasks)
    query.end("done")
    (scan,) = query.snapshots
    assert (scan.state, scan.fraction, scan.records) == ("done", 1.0, 10 * n_tasks)


def test_a_task_that_runs_again_counts_once(query, plan):
    (share,) = split(1)
    at = address_of(query)
    tell_plan(at, "scan", plan, 1, "tasks")
    first = TaskTeller(at, "scan", 0, 1)
    first.tell(snapshot(share, 0.7, records=70))
    first.finish(snapshot(share, 0.7, records=70, state="failed"), [Mismatch("b", 5, "x")])
    second = TaskTeller(at, "scan", 0, 1)
    second.tell(snapshot(share, 0.1, records=10))
    wait_until(lambda: query.snapshots and query.snapshots[0].records == 10)
    second.finish(snapshot(share, 1.0, records=100, state="done"), [])
    TaskTeller(at, "scan", 0, 1).finish(snapshot(share, 1.0, records=100, state="done"), [])
    wait_until(lambda: query.snapshots[0].records == 100)
    time.sleep(0.05)
    (scan,) = query.snapshots
    assert (scan.records, scan.mismatches) == (100, ())


def test_a_limit_leaves_partitions_unread_and_says_so(query, plan):
    shares = split(4)
    at = address_of(query)
    tell_plan(at, "scan", plan, 4, "tasks")
    TaskTeller(at, "scan", 0, 1).finish(snapshot(shares[0], 0.2, state="cancelled"), [])
    wait_until(lambda: query.snapshots)
    query.end("done")
    assert query.snapshots[0].state == "cancelled"


def test_what_was_planned_explains_itself(query, plan):
    tell_plan(address_of(query, 1), "b", replace(plan, limit=3), 2, "tasks")
    tell_plan(address_of(query, 0), "a", plan, 1, "tasks")
    query.wait_for_plans(2, 5)
    first, second = query.explanations
    assert (first.table, first.partitions, first.objects) == ("demo.airlines", 4096, 16)
    assert second.estimated_rows == 3
    assert ("tasks", "2") in second.details
    assert query.untold == ("demo.airlines",)


def test_a_scan_that_was_planned_twice_and_ran_once_has_told_enough(query, plan):
    at = address_of(query)
    tell_plan(at, "first", plan, 1, "tasks")
    tell_plan(at, "again", plan, 1, "tasks")
    TaskTeller(at, "again", 0, 1).finish(snapshot(split(1)[0], 1.0, state="done"), [])
    wait_until(lambda: query.snapshots)
    assert query.untold == ()


def test_a_stopped_query_is_heard_by_its_tasks_and_by_no_other(receiver, query, plan, connection):
    (share,) = split(1)
    other = receiver.open({"demo": connection.partition_map("demo")})
    tellers = []
    for each in (query, other):
        tell_plan(address_of(each), "scan", plan, 1, "tasks")
        tellers.append(TaskTeller(address_of(each), "scan", 0, 1))
        tellers[-1].tell(snapshot(share, 0.1))
    wait_until(lambda: query.snapshots and other.snapshots)
    receiver.cancel(query)

    def is_stopped():
        try:
            tellers[0].tell(snapshot(share, 0.1))
        except ScanCancelled:
            return True
        return False

    wait_until(is_stopped)
    tellers[1].tell(snapshot(share, 0.2))


@pytest.mark.parametrize(
    "line",
    [b"GET / HTTP/1.1\r\n\r\n", b"{}\n", b'{"token": 3}\n', b"\x00\xff\n", b"x" * (2 << 20), b'{"token": "nope"}\n'],
)
def test_who_does_not_belong_is_hung_up_on(receiver, query, line):
    at = address_of(query)
    with socket.create_connection((at.host, at.port), 5) as stranger:
        try:
            stranger.sendall(line)
            stranger.settimeout(5)
            assert stranger.recv(1) == b""
        except ConnectionError:
            pass
    assert query.snapshots == ()


def test_a_known_token_with_nonsense_is_hung_up_on(query):
    at = address_of(query)
    with socket.create_connection((at.host, at.port), 5) as stranger:
        stranger.sendall(json.dumps({"token": at.token, "kind": "plan", "scan": 1}).encode() + b"\n")
        stranger.settimeout(5)
        assert stranger.recv(1) == b""


def test_a_task_does_not_wait_for_a_notebook_that_is_gone(plan):
    receiver = ProgressReceiver()
    address = ProgressAddress("127.0.0.1", receiver._port, "0" * 16, 0)
    receiver.close()
    (share,) = split(1)
    started = time.monotonic()
    tell_plan(address, "scan", plan, 1, "tasks")
    teller = TaskTeller(address, "scan", 0, 1)
    for _ in range(200):
        teller.tell(snapshot(share, 0.5))
    teller.finish(snapshot(share, 1.0, state="done"), [])
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("text", ["", "host/token/1", "host:1/token", "host:x/t/1", "a:1/t/x"])
def test_an_address_of_another_form(text):
    with pytest.raises(ConfigError, match="aerospike.progress"):
        ProgressAddress.parse(text)

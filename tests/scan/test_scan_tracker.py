"""Which partition is read when, and what becomes of failures: the tracker alone."""

from __future__ import annotations

import time

import numpy as np
import pytest

from aerospike_magic.connection import Node, PartitionMap
from aerospike_magic.scan.progress import PartitionState
from aerospike_magic.scan.tracker import Group, PartitionTracker

A, B, C = (Node(name, "127.0.0.1", 3000 + i) for i, name in enumerate("ABC"))


def partition_map(*nodes: Node) -> PartitionMap:
    owners = (np.arange(4096) % len(nodes)).astype(np.int16)
    return PartitionMap("test", owners, tuple(nodes))


def take(tracker: PartitionTracker, preferred: int = -1) -> Group:
    group = tracker.take(preferred)
    assert group is not None
    return group


def test_every_partition_is_read_once_and_from_its_owner() -> None:
    owners = partition_map(A, B)
    tracker = PartitionTracker(owners, range(4096), group_size=100)
    seen: list[int] = []
    while (group := tracker.take()) is not None:
        assert {owners.owner(p) for p in group.partitions} == {group.node}
        seen += group.partitions
        tracker.finish(group)
    assert sorted(seen) == list(range(4096))
    assert tracker.retries == 0


def test_groups_start_small_and_grow() -> None:
    tracker = PartitionTracker(partition_map(A), range(4096), group_size=64)
    sizes = [len(take(tracker).partitions) for _ in range(6)]
    assert sizes == [8, 16, 32, 64, 64, 64]


def test_work_is_spread_over_nodes_and_a_worker_stays_with_its_node() -> None:
    tracker = PartitionTracker(partition_map(A, B, C), range(4096), group_size=10)
    groups = [take(tracker) for _ in range(6)]
    assert sorted(g.node.name for g in groups) == ["A", "A", "B", "B", "C", "C"]
    tracker.finish(groups[0])
    assert take(tracker, preferred=groups[0].node_index).node == groups[0].node


def test_a_throttled_scan_reads_one_group_of_a_node_at_a_time() -> None:
    tracker = PartitionTracker(partition_map(A, B), range(4096), group_size=10, per_node=1)
    first, second = take(tracker), take(tracker)
    assert {first.node, second.node} == {A, B}
    tracker.finish(first)
    assert take(tracker).node == first.node


def test_a_failed_group_is_read_again_and_only_it() -> None:
    tracker = PartitionTracker(partition_map(A), range(8), group_size=8)
    group = take(tracker)
    tracker.fail(group, OSError("cut"), made_progress=True)
    seen: list[int] = []
    while (rest := tracker.take()) is not None:
        seen += rest.partitions
        tracker.finish(rest)
    assert sorted(seen) == list(range(8))
    assert tracker.retries == len(group.partitions)


def test_partitions_that_move_are_asked_of_their_new_owner() -> None:
    tracker = PartitionTracker(partition_map(A), range(4096), group_size=4096)
    tracker.finish(take(tracker))
    group = take(tracker)
    tracker.finish(group, unavailable=group.partitions[:10], reason=OSError("moved"))
    assert tracker.needs_map
    tracker.reassign(partition_map(B))
    left: list[int] = []
    while (rest := tracker.take()) is not None:
        assert rest.node == B
        left += rest.partitions
        tracker.finish(rest)
    assert set(group.partitions[:10]) <= set(left)
    assert not set(group.partitions[10:]) & set(left)
    states, owners = tracker.snapshot()
    assert set(states) == {PartitionState.DONE}
    assert set(owners) == {1}
    assert tracker.nodes == [A, B]


def test_a_partition_that_keeps_failing_is_given_up_with_its_reason() -> None:
    tracker = PartitionTracker(partition_map(A), [5], group_size=1, give_up_s=0.15)
    reason = OSError("no answer")
    deadline = time.monotonic() + 5
    while not tracker.given_up()[0] and time.monotonic() < deadline:
        tracker.fail(take(tracker), reason, made_progress=False)
    assert tracker.given_up() == ((5,), reason, tracker.give_up_s)


def test_progress_restarts_the_clock_for_giving_up() -> None:
    tracker = PartitionTracker(partition_map(A), [5], group_size=1, give_up_s=1.0)
    for _ in range(5):
        tracker.fail(take(tracker), OSError("cut"), made_progress=True)
        time.sleep(0.25)
    assert tracker.given_up() == ((), None, 0.0)


def test_a_busy_node_is_waited_for_longer_than_one_in_trouble() -> None:
    tracker = PartitionTracker(partition_map(A), [5], group_size=1, give_up_s=0.05)
    for _ in range(3):
        tracker.fail(take(tracker), OSError("full"), made_progress=False, is_busy=True)
        time.sleep(0.03)
        assert tracker.given_up() == ((), None, 0.0)


def test_a_partition_without_an_owner_is_in_trouble_until_it_has_one() -> None:
    nobody = PartitionMap("test", np.full(4096, -1, np.int16), (A,))
    tracker = PartitionTracker(nobody, [7], group_size=1, give_up_s=0.05)
    assert tracker.needs_map
    assert tracker.given_up() == ((), None, 0.0)
    time.sleep(0.1)
    partitions, reason, _ = tracker.given_up()
    assert partitions == (7,)
    assert "no node owns it" in str(reason)
    tracker.reassign(partition_map(A))
    assert take(tracker).partitions == (7,)


def test_stopping_wakes_a_worker_that_waits() -> None:
    tracker = PartitionTracker(partition_map(A), [1], group_size=1)
    take(tracker)
    tracker.stop()
    assert tracker.take() is None


@pytest.mark.parametrize("wanted", [[], [3, 4]])
def test_a_second_pass_learns_its_partitions_from_the_first(wanted: list[int]) -> None:
    tracker = PartitionTracker(partition_map(A), [], group_size=8)
    tracker.want(wanted)
    group = tracker.take()
    assert (group.partitions if group else ()) == tuple(wanted[:1])

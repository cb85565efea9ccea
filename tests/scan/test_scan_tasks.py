"""Any number of tasks: every record in exactly one of them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aerospike_magic.errors import ConfigError
from aerospike_magic.scan.tasks import MAX_TASKS, split, task_count, throttle

COUNTS = [1, 2, 3, 7, 64, 4095, 4096, 4097, 8192, 10_000, 32_768]
THREE_NODES = [p % 3 for p in range(4096)]


def check_cover(shares):
    """Each partition is read whole by one task, or in each of its slices by one task."""
    seen = {}
    for share in shares:
        assert share.partitions
        for partition in share.partitions:
            seen.setdefault(partition, []).append((share.modulus, share.remainder))
    assert seen.keys() == set(range(4096))
    for slices in seen.values():
        modulus = len(slices)
        assert sorted(slices) == [(modulus, k) for k in range(modulus)]


@pytest.mark.parametrize("owners", [(), THREE_NODES, [-1] * 4096], ids=["unknown", "three nodes", "nobody"])
@pytest.mark.parametrize("n_tasks", COUNTS)
def test_every_record_is_in_exactly_one_task(n_tasks, owners):
    shares = split(n_tasks, owners)
    assert len(shares) == n_tasks
    check_cover(shares)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, MAX_TASKS), st.integers(0, 2**32))
def test_any_count_and_any_owners_do(n_tasks, seed):
    chance = random.Random(seed)
    nodes = chance.randrange(1, 40)
    check_cover(split(n_tasks, [chance.randrange(-1, nodes) for _ in range(4096)]))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, MAX_TASKS), st.binary(min_size=20, max_size=20))
def test_a_digest_is_held_by_one_task(n_tasks, digest):
    assert sum(share.holds(digest) for share in split(n_tasks)) == 1


@pytest.mark.parametrize("n_tasks", COUNTS)
def test_tasks_are_of_about_one_size(n_tasks):
    sizes = [len(share.partitions) / share.modulus for share in split(n_tasks, THREE_NODES)]
    if n_tasks <= 4096:
        assert max(sizes) - min(sizes) <= 1
    else:
        assert max(share.modulus for share in split(n_tasks)) - min(share.modulus for share in split(n_tasks)) <= 1


def test_a_task_mostly_asks_one_node_and_neighbours_ask_others():
    owners = THREE_NODES[:]
    random.Random(1).shuffle(owners)
    shares = split(24, owners)
    nodes = [{owners[p] for p in share.partitions} for share in shares]
    assert sum(len(n) > 1 for n in nodes) <= 2  # only where the partitions of two nodes meet
    assert set.union(*nodes[:3]) == {0, 1, 2}


def test_the_same_arguments_give_the_same_tasks():
    assert split(10_000, THREE_NODES) == split(10_000, THREE_NODES)


def test_the_count_is_the_users_or_follows_the_cores():
    assert task_count(count=7, factor=3) == 7
    assert [task_count(factor=f) for f in (0, 1, 8, 15)] == [1, 2, 256, 32_768]
    assert task_count(cores=100, objects=10**10) == 300
    assert task_count(cores=7_500, objects=13 * 10**9) == 22_500
    assert task_count(cores=100_000, objects=10**12) == 32_768
    assert task_count(cores=2, objects=10**6) == 4  # a third task a core is not worth it
    assert task_count(cores=2, objects=10**7) == 6
    assert task_count(cores=100, objects=1_000) == 1  # not worth a task a core
    assert task_count(objects=10**9) == 3


@pytest.mark.parametrize("wrong", [{"count": 0}, {"count": 32_769}, {"factor": -1}, {"factor": 16}])
def test_a_count_out_of_range_is_refused(wrong):
    with pytest.raises(ConfigError, match="asked for"):
        task_count(**wrong)


@pytest.mark.parametrize("n_tasks", [0, 32_769])
def test_split_checks_its_range(n_tasks):
    with pytest.raises(ValueError, match="tasks"):
        split(n_tasks)


@pytest.mark.parametrize(
    ("n_tasks", "owners", "at_once", "each"),
    [
        (1, THREE_NODES, 2, 6_000),
        (2, [0] * 4096, 2, 3_000),
        (48, THREE_NODES, None, 352),  # 16 tasks a node, and one of two nodes
        (48, THREE_NODES, 8, 750),
        (48, THREE_NODES, 100, 352),
        (5, THREE_NODES, 100, 2_000),  # the second node is read by three
        (8_192, [0] * 4096, 4, 1_500),
        (48, [-1] * 4096, 8, 750),
    ],
)
def test_a_throttle_is_divided_among_those_who_ask_a_node_at_once(n_tasks, owners, at_once, each):
    assert throttle(6_000, split(n_tasks, owners), owners, at_once) == each
    assert throttle(0, split(n_tasks, owners), owners, at_once) == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5000), st.integers(0, 2**32), st.none() | st.integers(1, 200), st.integers(5000, 10**6))
def test_no_node_is_asked_for_more(n_tasks, seed, at_once, rate):
    chance = random.Random(seed)
    owners = [chance.randrange(5) for _ in range(4096)]
    shares = split(n_tasks, owners)
    each = throttle(rate, shares, owners, at_once)
    for node in range(5):
        asking = sum(any(owners[p] == node for p in share.partitions) for share in shares)
        assert 0 < each * min(asking, at_once or asking) <= rate


def test_a_throttle_that_leaves_nothing_for_a_task_is_an_error():
    with pytest.raises(ConfigError, match="among 17 tasks"):
        throttle(15, split(48, THREE_NODES), THREE_NODES, None)

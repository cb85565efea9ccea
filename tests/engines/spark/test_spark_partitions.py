"""Any number of tasks: every record in exactly one of them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aerospike_magic.engines.spark.partitions import MAX_TASKS, split, task_count
from aerospike_magic.errors import ConfigError

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

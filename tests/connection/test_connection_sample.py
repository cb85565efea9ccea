"""Which partitions a sample reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aerospike_magic.connection.sample import PartitionRun, plan_sample


@given(st.integers(0, 10**12), st.integers(1, 10**6), st.integers(0, 2**32))
def test_runs_do_not_overlap_and_stay_inside(objects, sample_records, seed):
    seen = set()
    for run in plan_sample(objects, sample_records, seed):
        assert run.begin >= 0 and run.begin + run.count <= 4096
        assert run.count >= 1
        assert not seen & set(run.partitions)
        seen |= set(run.partitions)


def test_a_small_set_is_read_whole():
    assert plan_sample(1000, 10_000, 1) == [PartitionRun(0, 4096, 20_000)]


@pytest.mark.parametrize("objects", [20_000, 336_776, 2_000_000, 40_000_000])
def test_about_the_wanted_number_of_records_is_read(objects):
    runs = plan_sample(objects, 5_000, 7)
    expected = sum(run.count for run in runs) * objects / 4096
    assert 4_000 <= expected <= 3 * max(5_000, objects / 4096)


def test_huge_partitions_are_bounded():
    runs = plan_sample(10**11, 5_000, 7)
    assert sum(run.max_records for run in runs) <= 10_000
    assert all(run.max_records for run in runs)


def test_the_same_seed_reads_the_same_partitions():
    assert plan_sample(10**6, 5_000, 3) == plan_sample(10**6, 5_000, 3)
    assert plan_sample(10**6, 5_000, 3) != plan_sample(10**6, 5_000, 4)

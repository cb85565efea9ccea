"""Background queries: operations on what a query finds, through the official client."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import aerospike
import pytest
from aerospike import exception, predicates
from aerospike_helpers import expressions as exp
from aerospike_helpers.operations import list_operations, operations

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

N = 100
PATIENT = {"total_timeout": 60_000}
"""In a fresh checkout the first commands wait until the kernels are compiled."""


@pytest.fixture(autouse=True)
def records(client: Any) -> Iterator[None]:
    client.truncate("test", "background", 0, {"timeout": 60_000})
    time.sleep(0.01)
    for i in range(N):
        client.put(("test", "background", i), {"i": i}, policy=PATIENT)
    client.put(("test", "beside", 1), {"i": 1})
    yield
    client.truncate("test", "background", 0)


def run(client: Any, ops: list[Any], where: Any = None, condition: Any = None) -> str:
    """Run a background query to its end; returns what `query-show` tells of it."""
    query = client.query("test", "background")
    if where is not None:
        query.where(where)
    query.add_ops(ops)
    job = query.execute_background({"expressions": condition.compile()} if condition is not None else {})
    deadline = time.monotonic() + 10
    while client.job_info(job, aerospike.JOB_QUERY)["status"] != aerospike.JOB_STATUS_COMPLETED:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    [(_, told)] = client.info_all(f"query-show:id={job & (2**64 - 1)}").values()
    return told


def bins(client: Any) -> list[dict[str, Any]]:
    return [found for _, _, found in client.query("test", "background").results()]


def test_every_record_of_the_set(client: Any) -> None:
    told = run(client, [operations.write("x", 1), operations.increment("i", 1000)])
    assert sorted(found["i"] for found in bins(client)) == list(range(1000, 1000 + N))
    assert all(found["x"] == 1 for found in bins(client))
    assert client.get(("test", "background", 5))[1]["gen"] == 2
    assert client.get(("test", "beside", 1))[2] == {"i": 1}
    assert f":recs-succeeded={N}:recs-failed=0:" in told
    assert ":job-type=background-ops:" in told
    assert ":status=done(ok):" in told


def test_a_filter_and_list_operations(client: Any) -> None:
    told = run(client, [list_operations.list_append("l", 7)], condition=exp.LT(exp.IntBin("i"), 10))
    assert sorted(found["i"] for found in bins(client) if found.get("l") == [7]) == list(range(10))
    assert f":recs-filtered-bins={N - 10}:recs-succeeded=10:" in told


def test_failures_are_counted(client: Any) -> None:
    assert f":recs-succeeded=0:recs-failed={N}:" in run(client, [operations.append("i", "text")])


def test_removing(client: Any) -> None:
    run(client, [operations.delete()], condition=exp.GE(exp.IntBin("i"), 50))
    assert len(bins(client)) == 50


def test_an_index_range(client: Any) -> None:
    client.index_single_value_create(
        "test", "background", "i", aerospike.INDEX_NUMERIC, "background_i", {"timeout": 60_000}
    )
    try:
        told = run(client, [operations.write("y", 1)], where=predicates.between("i", 20, 29))
        assert sorted(found["i"] for found in bins(client) if "y" in found) == list(range(20, 30))
        assert ":sindex-name=background_i:" in told
    finally:
        client.index_remove("test", "background_i")
    with pytest.raises(exception.IndexNotFound):
        run(client, [operations.write("y", 1)], where=predicates.between("i", 20, 29))


def test_refused_without_operations(client: Any) -> None:
    with pytest.raises(exception.AerospikeError) as refused:
        run(client, [])
    assert refused.value.code == 4

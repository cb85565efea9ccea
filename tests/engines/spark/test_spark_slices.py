"""Partitions that several tasks share: on real data, every record is in exactly one task."""

from __future__ import annotations

import uuid

import pytest

from aerospike_magic.scan import Scan, ScanOptions, plan_scan
from aerospike_magic.scan.tasks import split
from aerospike_magic.wire.digest import partition_id

N = 3_000
# A task that reads one partition alone takes some milliseconds; of the many, those of some partitions are run.
SOME = range(0, 4096, 256)


@pytest.fixture(scope="module")
def table(client):
    name = f"slices{uuid.uuid4().hex[:8]}"
    for i in range(N):
        client.put(("test", name, i), {"id": i})
    yield f"test.{name}"
    client.truncate("test", name, 0)


def digests(connection, plan, share=None):
    with Scan(connection, plan if share is None else plan.for_share(share)) as scan:
        return [digest for batch in scan.batches() for digest in batch["__digest"].to_pylist()]


@pytest.mark.parametrize("n_tasks", [5, 4097, 10_000, 32_768])
def test_every_record_is_in_exactly_one_task(connection, table, n_tasks):
    options = ScanOptions(workers=1)
    plan = plan_scan(connection, connection.schema(table), columns=("__digest",), options=options)
    whole = digests(connection, plan)
    assert len(set(whole)) == N
    shares = split(n_tasks, connection.partition_map("test").owners.tolist())
    if n_tasks <= 4096:
        chosen, wanted = shares, whole
    else:
        chosen = [share for share in shares if share.partitions[0] in SOME]
        wanted = [digest for digest in whole if partition_id(digest) in SOME]
    read = [digest for share in chosen for digest in digests(connection, plan, share)]
    assert len(wanted) > 5
    assert sorted(read) == sorted(wanted)
    # And of those that were not run, the server's rule says the same.
    by_partition = {}
    for share in shares:
        for partition in share.partitions:
            by_partition.setdefault(partition, []).append(share)
    assert all(sum(share.holds(d) for share in by_partition[partition_id(d)]) == 1 for d in whole)

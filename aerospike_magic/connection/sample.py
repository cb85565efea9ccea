"""A sample of a set: whole random partitions, read through the official client.

Digests are hashes, so a run of neighbouring partitions is as random a part of the records as any, and one
request reads it. A few runs from random places guard against a node that is not there. Where a single
partition has more records than wanted, each is bounded.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import aerospike

from aerospike_magic.connection.cluster import N_PARTITIONS
from aerospike_magic.schema.infer import SampleRecord

_RUNS = 8
_NEVER_EXPIRES = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class PartitionRun:
    """Neighbouring partitions to read with one request.

    Attributes:
        begin: first partition, 0..4095.
        count: number of partitions.
        max_records: bound on the records of the run, 0 for none.
    """

    begin: int
    count: int
    max_records: int = 0


def plan_sample(objects: int, sample_records: int, seed: int) -> list[PartitionRun]:
    """Choose the partitions to read.

    Args:
        objects: records in the set, as the servers count; 0 when unknown.
        sample_records: number of records wanted, at least 1.
        seed: the same seed chooses the same partitions.

    Returns:
        Runs that do not overlap and together hold about `sample_records` records, or all of them when the
        set is not larger than that.
    """
    if objects <= sample_records * 1.5:
        # The count may be behind (a set just loaded), so the bound stays.
        return [PartitionRun(0, N_PARTITIONS, 2 * sample_records)]
    per_partition = objects / N_PARTITIONS
    wanted = sample_records / per_partition
    runs = min(_RUNS, max(1, round(wanted)))
    count = max(1, math.ceil(wanted / runs))
    slot = N_PARTITIONS // runs
    chooser = random.Random(seed)
    starts = [i * slot + chooser.randrange(slot - count + 1) for i in range(runs)]
    bound = 0 if count > 1 else math.ceil(2 * sample_records / runs)
    order = [PartitionRun(start, count, bound) for start in starts]
    chooser.shuffle(order)
    return order


def read_run(
    client: aerospike.Client, namespace: str, set_name: str, run: PartitionRun, timeout_s: float
) -> Iterator[SampleRecord]:
    """Read the records of a run; lazy only in the conversion, the client collects them first.

    Raises:
        aerospike.exception.AerospikeError: as the client does.
    """
    query = client.query(namespace, set_name)
    if run.max_records:
        query.max_records = run.max_records
    policy = {
        "partition_filter": {"begin": run.begin, "count": run.count},
        "total_timeout": int(timeout_s * 1000),
        "max_retries": 2,
    }
    return (_to_record(*row) for row in query.results(policy))


def _to_record(key: tuple[Any, ...], meta: dict[str, int], bins: dict[str, Any]) -> SampleRecord:
    ttl = meta.get("ttl", _NEVER_EXPIRES)
    return SampleRecord(
        key=key[2],
        digest=bytes(key[3]),
        generation=meta.get("gen", 0),
        ttl=-1 if ttl == _NEVER_EXPIRES else ttl,
        bins=bins,
    )

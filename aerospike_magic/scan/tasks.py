"""4,096 Aerospike partitions onto any number of tasks, every record in exactly one.

Up to 4,096 tasks, a task reads whole partitions; above that, a partition is sliced among its tasks by a part of the
digest (see `scan.share`). Tasks are cut from the partitions in the order of the nodes that own them, so that a task
mostly talks to one node, and are dealt out node by node, so that the tasks that start together do not all ask the
same one. The result depends on nothing but the arguments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from aerospike_magic.errors import ConfigError
from aerospike_magic.scan.share import Share
from aerospike_magic.wire.digest import N_PARTITIONS

MAX_TASKS = 32_768
MAX_FACTOR = 15
_TASKS_PER_CORE = 3
_FEW_TASKS_PER_CORE = 2
_RECORDS_WORTH_A_TASK = 20_000
# A task costs a core about what this many records do: below, evenness is worth less than one task less.
_RECORDS_WORTH_MANY_TASKS = 250_000


def task_count(
    *, count: int | None = None, factor: int | None = None, cores: int | None = None, objects: int = 0
) -> int:
    """Return into how many tasks to divide a scan.

    Args:
        count: what the user wants, 1..32,768; it goes before `factor`.
        factor: what the user wants, 0..15, for 2**factor tasks.
        cores: of the cluster, 1 if nothing is known of them.
        objects: records in the set: only a large one is worth three tasks a core, a small one not one.

    Raises:
        ConfigError: `count` or `factor` is out of its range.
    """
    if count is not None:
        if not 1 <= count <= MAX_TASKS:
            raise ConfigError(f"{count:,} tasks are asked for", hint=f"it is 1 to {MAX_TASKS:,}")
        return count
    if factor is not None:
        if not 0 <= factor <= MAX_FACTOR:
            raise ConfigError(f"a partition factor of {factor} is asked for", hint=f"it is 0 to {MAX_FACTOR}")
        return 1 << factor
    worth = max(1, objects // _RECORDS_WORTH_A_TASK)
    n_cores = max(1, cores or 1)
    is_large = objects >= _TASKS_PER_CORE * n_cores * _RECORDS_WORTH_MANY_TASKS
    return min((_TASKS_PER_CORE if is_large else _FEW_TASKS_PER_CORE) * n_cores, worth, MAX_TASKS)


def split(n_tasks: int, owners: Sequence[int] = ()) -> list[Share]:
    """Divide all partitions among tasks.

    Args:
        n_tasks: 1 to 32,768.
        owners: for each of the 4,096 partitions, the index of the node that owns it, -1 for none; empty when it
            does not matter.

    Returns:
        `n_tasks` shares that do not overlap and together are the whole set; their sizes differ by one partition, or
        by one slice of a partition, at most.
    """
    if not 1 <= n_tasks <= MAX_TASKS:
        raise ValueError(f"{n_tasks} tasks")
    owner_of = list(owners) or [0] * N_PARTITIONS
    order = sorted(range(N_PARTITIONS), key=lambda p: owner_of[p])
    shares: list[Share] = []
    if n_tasks <= N_PARTITIONS:
        cuts = [i * N_PARTITIONS // n_tasks for i in range(n_tasks + 1)]
        shares = [Share(tuple(order[low:high])) for low, high in pairwise(cuts)]
    else:
        for i, partition in enumerate(order):
            n_slices = (i + 1) * n_tasks // N_PARTITIONS - i * n_tasks // N_PARTITIONS
            shares += [Share((partition,), n_slices, k) for k in range(n_slices)]
    return _dealt(shares, owner_of)


def beside(shares: Sequence[Share], owners: Sequence[int], hosts: Sequence[str]) -> list[str]:
    """Return for each share the host that has most of its records, "" if none has.

    Args:
        shares: of the set.
        owners: for each of the 4,096 partitions, the index of the node that owns it, -1 for none.
        hosts: of the nodes.
    """
    found = []
    for share in shares:
        owned = Counter(hosts[owners[p]] for p in share.partitions if owners[p] >= 0)
        found.append(owned.most_common(1)[0][0] if owned else "")
    return found


def throttle(records_per_second: int, shares: Sequence[Share], owners: Sequence[int], at_once: int | None) -> int:
    """Divide what each node may be asked for a second among the tasks that can ask it at the same time.

    Args:
        records_per_second: of each node, by all tasks together; 0 for no limit.
        shares: one a task.
        owners: for each of the 4,096 partitions, the index of the node that owns it, -1 for none.
        at_once: how many tasks can run at the same time in the cluster, None where that is not known.

    Returns:
        records a second and node, for each task; 0 for no limit.

    Raises:
        ConfigError: less than one record a second is left for a task.
    """
    if not records_per_second:
        return 0
    asking = Counter(node for share in shares for node in {owners[p] for p in share.partitions})
    most = min(max(asking.values()), at_once or len(shares))
    if records_per_second < most:
        raise ConfigError(
            f"{records_per_second:,} records a second are to be divided among {most:,} tasks",
            hint="read in fewer tasks: aerospike.partition.count",
        )
    return records_per_second // most


def _dealt(shares: list[Share], owner_of: Sequence[int]) -> list[Share]:
    """The first task of each node, then the second of each, and so on."""
    rank: dict[int, int] = {}
    placed = []
    for share in shares:
        node = owner_of[share.partitions[0]]
        rank[node] = rank.get(node, -1) + 1
        placed.append((rank[node], node, share))
    return [share for _, _, share in sorted(placed, key=lambda p: p[:2])]

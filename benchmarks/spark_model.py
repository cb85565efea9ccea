"""`python -m benchmarks.spark_model`: what a very large Spark job over Aerospike needs, and where its limit lies.

Plain arithmetic, and a small simulation of tasks on cores; it talks to nobody. The case: 13 billion objects on 33
servers, read by 7,500 cores, in 2.4 hours where it had been 12. What this project has measured stands in `Costs` as
such, on 2 cores and small sets; what is not known of the case, and of other people's machines, is an assumption. Each
can be changed on the command line (`--record-bytes 3000 --node-cores 64`).
"""

from __future__ import annotations

import argparse
import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

N_PARTITIONS = 4_096
MOST_TASKS = 32_768


@dataclass(frozen=True)
class Case:
    """The job.

    Attributes:
        records: objects to read.
        nodes: Aerospike servers.
        cores: of Spark's executors together.
        hours: how long it takes, in 32,768 tasks.
        hours_before: how long it had taken.
    """

    records: float = 13e9
    nodes: int = 33
    cores: int = 7_500
    hours: float = 2.4
    hours_before: float = 12.0


@dataclass(frozen=True)
class Costs:
    """What things cost.

    Attributes:
        read_us: measured. CPU of an executor, a record of 7 bins: 0.10 to decode (benchmark c), and 0.22 from Arrow to
            Spark's rows (4.2 to 4.8 million a CPU second).
        task_ms: measured. CPU of an executor to begin and end a task: 4,096 on 2 cores in 20 s (benchmark k).
        serve_us: measured. CPU of a node to read a record of 193 bytes in memory and send it: a million drained from a
            real server in 0.42 s of two cores (benchmark a).
        index_ns: assumed. CPU of a node to look at an index entry and pass over its record.
        record_bytes: assumed. An object, on the wire and on the device.
        node_cores: assumed. Of a node, for queries.
        network_mb: assumed. MB/s that a node sends (10 Gbit/s).
        device_mb: assumed. MB/s that a node's devices read.
        starts_a_second: assumed. Tasks that Spark's driver starts.
        query_threads: queries that a node runs at once, `query-threads-limit`; 128 unless it is set, at most 1,024.
        spread: assumed. Standard deviation of the cores' speed; one in a hundred is half as fast besides.
    """

    read_us: float = 0.32
    task_ms: float = 10.0
    serve_us: float = 0.85
    index_ns: float = 200.0
    record_bytes: float = 1_000.0
    node_cores: int = 16
    network_mb: float = 1_150.0
    device_mb: float = 2_000.0
    starts_a_second: float = 400.0
    query_threads: int = 128
    spread: float = 0.1


@dataclass(frozen=True)
class Limit:
    """How long one part of the machinery would need if all the others cost nothing."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Run:
    """The job in a number of tasks.

    Attributes:
        tasks: how many.
        hours: until the last one has ended.
        busy: share of the cores' time that was work.
        queries: that a node serves at once.
    """

    tasks: int
    hours: float
    busy: float
    queries: int


OWN_WORK = "the job's own work"


def limits(case: Case, costs: Costs, tasks: int, own_work_us: float) -> list[Limit]:
    """Return what each part would need alone, the slowest first.

    Args:
        case: the job.
        costs: of its parts.
        tasks: into how many it is divided; above 4,096 each node walks the index of a partition once a slice.
        own_work_us: core time that the job itself spends on an object.
    """
    a_node = case.records / case.nodes
    passed_over = a_node * (max(1.0, tasks / N_PARTITIONS) - 1)
    found = {
        OWN_WORK: case.records * own_work_us * 1e-6 / case.cores,
        "nodes: network": a_node * costs.record_bytes / (costs.network_mb * 1e6),
        "nodes: devices": a_node * costs.record_bytes / (costs.device_mb * 1e6),
        "nodes: cores, reading and sending": a_node * costs.serve_us * 1e-6 / costs.node_cores,
        "nodes: cores, passing over other slices": passed_over * costs.index_ns * 1e-9 / costs.node_cores,
        "driver: starting tasks": tasks / costs.starts_a_second,
        "executors: cores, from the socket to rows": case.records * costs.read_us * 1e-6 / case.cores,
        "executors: cores, beginning and ending tasks": tasks * costs.task_ms * 1e-3 / case.cores,
    }
    return sorted((Limit(name, seconds) for name, seconds in found.items()), key=lambda limit: -limit.seconds)


def simulate(case: Case, costs: Costs, tasks: int, own_work_us: float, seed: int = 1) -> Run:
    """Let tasks run on cores of unequal speed; a core that is free takes the next task, if a node has room for it.

    A task keeps its query open while the job works on the rows, so no more run than the nodes have room for. The
    driver starts one after another. Partitions differ in size as chance has it.
    """
    chance = random.Random(seed)
    at_once = min(case.cores, tasks, case.nodes * costs.query_threads)
    speeds = [
        max(0.2, chance.gauss(1.0, costs.spread)) * (0.5 if chance.random() < 0.01 else 1.0) for _ in range(at_once)
    ]
    mean = case.records / tasks
    free = [(0.0, core) for core in range(at_once)]
    ended = worked = 0.0
    for number in range(tasks):
        free_at, core = heapq.heappop(free)
        started = max(free_at, number / costs.starts_a_second)
        records = max(0.0, chance.gauss(mean, mean**0.5))
        took = (records * (own_work_us + costs.read_us) * 1e-6 + costs.task_ms * 1e-3) / speeds[core]
        worked += took
        ended = max(ended, started + took)
        heapq.heappush(free, (started + took, core))
    return Run(tasks, ended / 3_600, worked / (ended * case.cores), -(-at_once // case.nodes))


def own_work(case: Case, costs: Costs) -> float:
    """Return the core time, in µs an object, with which the job takes as long as it is said to take."""
    roomy = replace(costs, query_threads=case.cores)
    tried = case.hours * 3_600 * case.cores / case.records * 1e6
    # All but a few seconds of a task are in proportion to it.
    for _ in range(2):
        tried *= case.hours / simulate(case, roomy, MOST_TASKS, tried).hours
    return tried


def report(case: Case, costs: Costs) -> str:
    """Return the tables, as text."""
    own_work_us = own_work(case, costs)
    a_second = case.records / (case.hours * 3_600)
    lines = [
        f"{case.records / 1e9:g} billion objects of {costs.record_bytes:,.0f} bytes, {case.nodes} nodes, "
        f"{case.cores:,} cores, {case.hours:g} h: {a_second / 1e6:.1f} M records/s,",
        f"{a_second / case.nodes:,.0f} a node ({a_second / case.nodes * costs.record_bytes / 1e6:.0f} MB/s), "
        f"{a_second / case.cores:,.0f} a core; its own work is {own_work_us / 1e3:.1f} ms of a core for an object",
        "",
        f"in {MOST_TASKS:,} tasks, alone it would take",
    ]
    parts = limits(case, costs, MOST_TASKS, own_work_us)
    lines += [f"  {limit.name:<48}{_duration(limit.seconds):>10}" for limit in parts]
    needed = -(-case.cores // case.nodes)
    roomy = replace(costs, query_threads=max(costs.query_threads, needed))
    lines += ["", f"{'':9}{'query-threads-limit':<19} {costs.query_threads:<29}{roomy.query_threads}"]
    lines += [f"{'tasks':>9}" + f"{'takes':>10}{'at work':>10}{'a node':>9}" * 2]
    for tasks in sorted({N_PARTITIONS, min(case.cores, MOST_TASKS), min(3 * case.cores, MOST_TASKS), MOST_TASKS}):
        runs = [simulate(case, each, tasks, own_work_us) for each in (costs, roomy)]
        shown = "".join(f"{f'{run.hours:.1f} h':>10}{f'{run.busy:.0%}':>10}{run.queries:>9}" for run in runs)
        lines.append(f"{tasks:>9,}{shown}")
    before = runs[-1].busy * runs[-1].hours / case.hours_before
    lines.append(f"The {case.hours_before:g} h that it had taken are {before:.0%} of these cores at work.")
    light = next(limit for limit in parts if limit.name != OWN_WORK)
    lines += ["", f"A job that only reads has its limit at the {light.name}: {_duration(light.seconds)}."]
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    if seconds >= 3_600:
        return f"{seconds / 3_600:.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.2g} s"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spark_model", description=__doc__)
    for kind in (Case, Costs):
        for field in fields(kind):
            of_type = type(field.default)
            parser.add_argument(f"--{field.name.replace('_', '-')}", type=of_type, default=field.default, metavar="N")
    given = vars(parser.parse_args(arguments))
    case = Case(**{field.name: given[field.name] for field in fields(Case)})
    costs = Costs(**{field.name: given[field.name] for field in fields(Costs)})
    print(report(case, costs))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

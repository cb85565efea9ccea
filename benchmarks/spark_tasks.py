"""(k) What Spark tasks cost: the same small set, as few and as many of them."""

from __future__ import annotations

from typing import Any

from benchmarks.child import call
from benchmarks.data import Target
from benchmarks.report import Figure, Measurement
from benchmarks.spark_session import CORES, make_views, missing, session
from benchmarks.timing import take_turns

# Tasks, and how often: thousands take long, and vary less. A mere try, of one repetition, goes without them.
COUNTS = {8: 10, 64: 5, 4_096: 1}
FEW = 64
AT_MOST_S = 1.5


def measure(target: Target, repeat: int) -> Measurement:
    title = f"tasks over all 4,096 partitions of {target.small_records:,} records, Spark local[{CORES}]"
    if reason := missing():
        return Measurement("k", title, (), f"skipped: {reason}")
    samples = call(count_rows, target.address, target.small_table, target.small_records, repeat)
    one = min(samples["1"])
    figures = [Figure("count(*) by one task", one)]
    for n in counts_of(repeat):
        over = min(samples[str(n)]) - one
        figures.append(Figure(f"{n:,} tasks: over that", over, at_most=AT_MOST_S if n == FEW else None))
        figures.append(Figure("  … a task and core", over / n * CORES * 1_000, "ms"))
    return Measurement(
        "k",
        title,
        tuple(figures),
        f"best of {', '.join(f'{len(taken)} with {n}' for n, taken in samples.items())}, in turn, warm; with the jar, "
        "planning counted in all",
        samples,
    )


def counts_of(repeat: int) -> dict[int, int]:
    return {n: times for n, times in COUNTS.items() if n <= FEW or repeat > 1}


def count_rows(address: str, table: str, records: int, repeat: int) -> dict[str, list[float]]:
    """Return the seconds of each query, by its number of tasks."""
    samples: dict[str, list[float]] = {}
    with session() as spark:

        def count(n_tasks: int) -> None:
            make_views(spark, address, table, partition__count=str(n_tasks), schema__scan="100")
            _check(spark.sql("SELECT count(*) FROM ours").first(), records)

        for n, times in {1: 10, **counts_of(repeat)}.items():
            turns = take_turns({str(n): lambda n=n: count(n)}, min(times, 2 * repeat))  # type: ignore[misc]
            samples[str(n)] = turns[str(n)].seconds
    return samples


def _check(row: Any, records: int) -> None:
    if row[0] != records:
        raise AssertionError(f"{row[0]:,} rows were counted of {records:,}")

"""(e) Memory of an aggregate that DuckDB computes while the scan runs: over all records, and over a tenth of them."""

from __future__ import annotations

from statistics import median
from typing import Any

from benchmarks.child import call, measured
from benchmarks.data import Target
from benchmarks.report import Figure, Measurement

_SQL = "SELECT cat, flag, count(*), sum(qty), avg(price), min(name), max(ts) FROM {table} GROUP BY ALL"


def measure(target: Target, repeat: int) -> Measurement:
    runs: dict[str, list[dict[str, Any]]] = {"tenth": [], "all": []}
    times = min(repeat, 3)
    for _ in range(times):
        for name, table, records in (
            ("tenth", target.small_table, target.small_records),
            ("all", target.table, target.records),
        ):
            runs[name].append(call(aggregate, target.address, table))
            if runs[name][-1]["counted"] != records:
                raise AssertionError(f"{table}: {runs[name][-1]['counted']:,} counted of {records:,}")
    peak = {name: median(run["peak_mb"] for run in taken) for name, taken in runs.items()}
    return Measurement(
        "e",
        "memory of a streamed aggregate over 10 × the data",
        (
            Figure(f"peak of the process, {target.small_records:,} records", peak["tenth"], "MB"),
            Figure(f"peak of the process, {target.records:,} records", peak["all"], "MB"),
            Figure("growth", (peak["all"] / peak["tenth"] - 1) * 100, "%", at_most=10),
            Figure("time, all records", min(run["seconds"] for run in runs["all"])),
        ),
        f"fresh process each, in turn, resident memory at its peak; median of {times}; GROUP BY over all 7 bins' kinds",
        {f"{name} {what}": [run[what] for run in taken] for name, taken in runs.items() for what in taken[0]},
    )


def aggregate(address: str, table: str) -> dict[str, float]:
    from aerospike_magic.connection import connect
    from aerospike_magic.engines.local.engine import LocalEngine

    with connect(address) as connection:
        engine = LocalEngine(connection)
        tables: list[Any] = []

        def select() -> None:
            with engine.query(_SQL.format(table=table)) as result:
                tables.append(result.to_arrow())

        figures = measured(select)
        engine.close()
    return {**figures, "counted": sum(tables[0].column(2).to_pylist())}

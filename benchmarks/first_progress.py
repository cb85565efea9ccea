"""(f) From the start of a `%%aerosql` cell to the first progress, in an IPython shell of its own process."""

from __future__ import annotations

import time
from dataclasses import replace
from statistics import median
from typing import Any

from benchmarks.child import call
from benchmarks.data import Target
from benchmarks.report import Figure, Measurement

AT_MOST_S = 0.3
_CELL = "%%aerosql --quiet\nSELECT cat, count(*), avg(price) FROM {table} GROUP BY cat ORDER BY cat"


def measure(target: Target, repeat: int) -> Measurement:
    times = run_cells(target, repeat)
    warm = {what: values[1:] for what, values in times.items()}
    return Measurement(
        "f",
        "first progress after a %%aerosql cell starts",
        (
            Figure("first snapshot, warm", median(warm["snapshot"]), at_most=AT_MOST_S),
            Figure("first snapshot with records in it, warm", median(warm["records"])),
            Figure("the whole cell, warm", median(warm["cell"])),
            Figure("first snapshot, first cell after connecting", times["snapshot"][0]),
        ),
        f"median of {repeat} cells after a first one, in one IPython process; an aggregate over all records",
        times,
    )


def run_cells(target: Target, repeat: int) -> dict[str, list[float]]:
    return call(cells_in_shell, target.address, target.table, repeat + 1)


def cells_in_shell(address: str, table: str, n_cells: int) -> dict[str, list[float]]:
    """Run a cell so many times; returns the seconds to the first snapshot, the first with records, and the end."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config)
    shell.run_cell("%load_ext aerospike_magic").raise_error()
    shell.run_cell(f"%aerospike connect {address}").raise_error()
    session = shell.magics_manager.registry["AerospikeMagics"].session
    watched = _WatchedEngine(session.engine("local"))
    session.engine = lambda _: watched
    times: dict[str, list[float]] = {"snapshot": [], "records": [], "cell": []}
    for _ in range(n_cells):
        watched.seen.clear()
        started = time.perf_counter()
        shell.run_cell(_CELL.format(table=table)).raise_error()
        times["cell"].append(time.perf_counter() - started)
        times["snapshot"].append(min(at for at, _ in watched.seen) - started)
        times["records"].append(min(at for at, records in watched.seen if records) - started)
    session.disconnect()
    return times


class _WatchedEngine:
    """The session's engine; notes when each snapshot of progress comes, and how many records it tells of."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.seen: list[tuple[float, int]] = []

    def query(self, sql: str, parameters: Any, options: Any, **more: Any) -> Any:
        return self._engine.query(sql, parameters, replace(options, on_progress=self._note), **more)

    def close(self) -> None:
        self._engine.close()

    def _note(self, scans: tuple[Any, ...]) -> None:
        self.seen.append((time.perf_counter(), sum(scan.records for scan in scans)))

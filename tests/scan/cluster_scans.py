"""A cluster with a set of known records, and scans of it while things go wrong; every record is compared."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import psutil
import pyarrow as pa

from aerospike_magic.connection import Connection
from aerospike_magic.devserver import DevServer
from aerospike_magic.filters.predicate import Predicate
from aerospike_magic.scan import Scan, ScanOptions, ScanProgress, plan_scan

N = 30_000
TABLE = "test.bench"

SLOW = ScanOptions(records_per_second=12_000, partitions_per_request=64, batch_rows=1_024)
"""About a second for the whole set, on three nodes."""

FAST = ScanOptions(partitions_per_request=64, batch_rows=1_024)

Event = tuple[float, Callable[[], Any]]
"""At which share of the rows, and what happens then."""


def scan_all(
    connection: Connection,
    events: Sequence[Event] = (),
    *,
    options: ScanOptions = SLOW,
    predicate: Predicate | None = None,
    columns: Sequence[str] | None = None,
    table: str = TABLE,
    n_rows: int = N,
) -> tuple[pa.Table, ScanProgress]:
    """Scan a set into a table; events happen once so many rows have come."""
    plan = plan_scan(connection, connection.schema(table), columns=columns, predicate=predicate, options=options)
    waiting = sorted(events, key=lambda event: event[0])
    batches = []
    rows = 0
    with Scan(connection, plan) as scan:
        for batch in scan.batches():
            batches.append(batch)
            rows += batch.num_rows
            while waiting and rows >= waiting[0][0] * n_rows:
                waiting.pop(0)[1]()
        assert not waiting, "the scan ended before everything had gone wrong"
        return pa.Table.from_batches(batches, scan.schema), scan.progress


def check_bench(table: pa.Table, ids: Any = None) -> None:
    """Compare with what was loaded, record by record: each once, each with its own values."""
    wanted = np.arange(N) if ids is None else np.asarray(ids)
    table = table.sort_by("id")
    assert table.num_rows == len(wanted)
    assert np.array_equal(table["id"].to_numpy(), wanted)
    assert table["name"].to_pylist() == [f"item{i:06d}" for i in wanted]


def fill(joined: Connection, name: str, ids: range, seldom: int = 0) -> None:
    """Write records; with `seldom`, only every so many have a bin of that name, and no other is in all."""
    from aerospike_helpers.batch import records as batch
    from aerospike_helpers.operations import operations

    def write(i: int) -> batch.Write:
        bins = [operations.write("name", f"item{i:06d}")] * (i != 11) + [operations.write("id", i)] * (not seldom)
        bins += [operations.write("seldom", i)] * bool(seldom and i % seldom == 0)
        return batch.Write(("test", name, i), bins or [operations.write("other", 1)])

    for start in range(ids.start, ids.stop, 500):
        rows = [write(i) for i in range(start, min(start + 500, ids.stop))]
        joined.client.batch_write(batch.BatchRecords(rows))


def scan_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("aerospike-scan")]


def open_sockets(server: DevServer) -> int:
    """This process's connections to the cluster."""
    return sum(
        1 for c in psutil.Process().net_connections() if c.status == "ESTABLISHED" and c.raddr.port in server.ports
    )


def wait_until(is_true: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Repeated:
    """Does something again and again in a thread until left."""

    def __init__(self, action: Callable[[int], None], every_s: float) -> None:
        self._action, self._every_s = action, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.n_done = 0

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self._action(self.n_done)
            self.n_done += 1

    def __enter__(self) -> Repeated:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

"""(i) Writing a DataFrame in one process: ours, and the official client's `batch_write` fed from the same DataFrame.

The same into a server that only answers (`benchmarks.sink`) tells what the client's own limit is.
"""

from __future__ import annotations

import time
from typing import Any

import pandas as pd
import psutil
import pyarrow as pa

import aerospike_magic
from benchmarks.batch_load import _process_at, _sink, _truncate
from benchmarks.data import NAMESPACE, Target, make_rows
from benchmarks.report import Figure, Measurement

AT_LEAST = 3.0
BATCH = 2_000
MOST = 500_000
_OFFICIAL_TURNS = 2
"""It takes half a minute a turn."""


def measure(target: Target, repeat: int) -> Measurement:
    n = max(min(target.records // 2, MOST), 2 * BATCH)
    frame = pd.DataFrame(make_rows(0, n))
    table = pa.Table.from_pandas(frame, preserve_index=False)
    server = _process_at(target.address)
    ours, arrow, sunk, official, cpu, server_cpu = [], [], [], [], [], []
    _ours(target.address, "warm", frame.head(10_000))
    with _sink() as (sink_address, _):
        _ours(sink_address, "warm", frame)
        for turn in range(repeat):
            before = _cpu_s(server)
            seconds, cpu_s = _ours(target.address, "ours", frame)
            ours.append(n / seconds)
            cpu.append(cpu_s / n * 1e6)
            if server is not None:
                server_cpu.append((_cpu_s(server) - before) / n * 1e6)
            _truncate(target.address, ["ours"])
            arrow.append(n / _ours(target.address, "arrow", table)[0])
            _truncate(target.address, ["arrow"])
            sunk.append(n / _ours(sink_address, "sunk", frame)[0])
            if turn < _OFFICIAL_TURNS:
                official.append(n / _official(target.address, "official", frame))
                _truncate(target.address, ["official"])
    figures = [
        Figure("aerospike_magic.write, from pandas", max(ours), "rows/s"),
        Figure("batch_write of the official client, from pandas", max(official), "rows/s"),
        Figure("ours / official", max(ours) / max(official), "×", at_least=AT_LEAST),
        Figure("ours, from an Arrow table", max(arrow), "rows/s"),
        Figure("ours into a sink: the client's ceiling here", max(sunk), "rows/s"),
        Figure("server / sink", max(ours) / max(sunk), "×"),
        Figure("CPU of ours, a row", min(cpu), "µs"),
    ]
    if server_cpu:
        figures.append(Figure("CPU of the server, a row", min(server_cpu), "µs"))
    return Measurement(
        "i",
        f"writing a DataFrame of {n:,} × 7 in one process",
        tuple(figures),
        f"best of {repeat}, of the official client best of {len(official)}, batches of {BATCH:,}; into an empty set "
        "each; connecting counts; client and server share the machine's cores",
        {"ours rows/s": ours, "arrow rows/s": arrow, "sink rows/s": sunk, "official rows/s": official},
    )


def _ours(address: str, set_name: str, frame: Any) -> tuple[float, float]:
    started, cpu_started = time.perf_counter(), time.process_time()
    report = aerospike_magic.write(frame, f"{NAMESPACE}.{set_name}", key="id", connection=address)
    if report.written != len(frame):
        raise SystemExit(f"not all was written: {report}")
    return time.perf_counter() - started, time.process_time() - cpu_started


def _official(address: str, set_name: str, frame: pd.DataFrame) -> float:
    import aerospike
    from aerospike_helpers.batch import records as batch
    from aerospike_helpers.operations import operations

    host, _, port = address.rpartition(":")
    started = time.perf_counter()
    client = aerospike.client({"hosts": [(host, int(port))]}).connect()
    names = list(frame.columns)
    for start in range(0, len(frame), BATCH):
        writes = [
            batch.Write(
                (NAMESPACE, set_name, row[0]),
                [operations.write(name, value) for name, value in zip(names, row, strict=True)],
            )
            for row in frame.iloc[start : start + BATCH].itertuples(index=False, name=None)
        ]
        answer = client.batch_write(batch.BatchRecords(writes))
        if answer.result or any(write.result for write in writes):
            raise SystemExit(f"a batch write failed: {answer.result}")
    client.close()
    return time.perf_counter() - started


def _cpu_s(process: psutil.Process | None) -> float:
    if process is None:
        return 0.0
    times = process.cpu_times()
    return float(times.user + times.system)

"""(a) A scan to an Arrow table against the same bytes drained from the sockets."""

from __future__ import annotations

from aerospike_magic.connection import connect
from aerospike_magic.dataset import AerospikeDataset
from benchmarks.data import Target
from benchmarks.drain import drain
from benchmarks.report import Figure, Measurement
from benchmarks.timing import samples, take_turns

AT_MOST = 1.15


def measure(target: Target, repeat: int) -> Measurement:
    with connect(target.address) as connection:
        dataset = AerospikeDataset(connection, target.table)

        def scan() -> None:
            rows = dataset.to_table().num_rows
            if rows != target.records:
                raise AssertionError(f"the scan gave {rows:,} rows of {target.records:,}")

        n_bytes = drain(connection, dataset.plan())
        # Cheap, and the closest race of all: more turns than the others.
        times = 2 * repeat
        turns = take_turns({"scan": scan, "drain": lambda: drain(connection, dataset.plan())}, times)
        scanned = dataset.scans[-1].progress.n_bytes
    # The number of protos, 8 bytes of header each, depends on how the server's threads meet.
    if abs(scanned - n_bytes) > n_bytes // 1000 + 100:
        raise AssertionError(f"scan and drain did not read the same: {scanned:,} and {n_bytes:,} bytes")
    scanning, draining = turns["scan"], turns["drain"]
    return Measurement(
        "a",
        "scan to Arrow, against the same bytes drained from the sockets",
        (
            Figure("scan to an Arrow table", scanning.best),
            Figure("same requests, bytes dropped", draining.best),
            Figure("scan / drain", scanning.best / draining.best, "×", at_most=AT_MOST),
            Figure("scan", target.records / scanning.best / 1e6, "M records/s"),
            Figure("bytes off the sockets", n_bytes / 1e6, "MB"),
            Figure("CPU of this process, scan", scanning.best_cpu),
            Figure("CPU of this process, drain", draining.best_cpu),
        ),
        f"best of {times} each, in turn, after a warm-up; planning and opening sockets counted in both; "
        "server and client share the machine's cores",
        samples(turns),
    )

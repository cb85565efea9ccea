"""Snapshots to show: real `ScanProgress` objects, as a scan makes them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aerospike_magic.scan.progress import N_PARTITIONS, NodeProgress, PartitionState, ScanProgress

SnapshotMaker = Callable[..., ScanProgress]


@pytest.fixture
def snapshot() -> SnapshotMaker:
    def make(fraction: float = 1.0, **changes: object) -> ScanProgress:
        done = int(N_PARTITIONS * fraction)
        states = bytes([PartitionState.DONE] * done + [PartitionState.WAITING] * (N_PARTITIONS - done))
        values: dict[str, object] = {
            "namespace": "demo",
            "set_name": "flights",
            "state": "done" if fraction == 1 else "running",
            "partitions": states,
            "owners": bytes(N_PARTITIONS),
            "nodes": (NodeProgress("BB9", "10.0.0.1:3000", N_PARTITIONS, done, int(336_776 * fraction), 1000),),
            "scanned": int(336_776 * fraction),
            "records": int(111_279 * fraction),
            "returned": int(111_279 * fraction),
            "n_bytes": int(30e6 * fraction),
            "elapsed_s": 0.21,
            "records_per_s": 1.2e6,
            "eta_s": None if fraction == 1 else 1.5,
            "pushed": "origin = 'JFK'",
        }
        return ScanProgress(**{**values, **changes})  # type: ignore[arg-type]

    return make

"""Partitions of a set → Arrow record batches, in parallel, with progress.

`plan_scan` decides, `Scan` runs. Inside: `share` (which part of the set), `tracker` (which partition next), `worker`
(socket → decoder), `decode` with `kernels` (bytes → columns), `channel` (back-pressure), `run` (threads and their end),
`report` (progress). `Scan` is imported when it is asked for: a process that only plans needs no compiled kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aerospike_magic.scan.options import ScanOptions
from aerospike_magic.scan.plan import ScanPlan, plan_scan
from aerospike_magic.scan.progress import Mismatch, NodeProgress, PartitionState, ScanProgress
from aerospike_magic.scan.share import Share

if TYPE_CHECKING:
    from aerospike_magic.scan.run import Scan

__all__ = [
    "Mismatch",
    "NodeProgress",
    "PartitionState",
    "Scan",
    "ScanOptions",
    "ScanPlan",
    "ScanProgress",
    "Share",
    "plan_scan",
]


def __getattr__(name: str) -> Any:
    if name == "Scan":
        from aerospike_magic.scan.run import Scan

        return Scan
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

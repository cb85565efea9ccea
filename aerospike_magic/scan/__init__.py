"""Partitions of a set → Arrow record batches, in parallel, with progress.

`plan_scan` decides, `Scan` runs. Inside: `tracker` (which partition next), `worker` (socket → decoder), `decode` with
`kernels` (bytes → columns), `channel` (back-pressure), `run` (threads and their end), `report` (progress).
"""

from __future__ import annotations

from aerospike_magic.scan.options import ScanOptions
from aerospike_magic.scan.plan import ScanPlan, plan_scan
from aerospike_magic.scan.progress import Mismatch, NodeProgress, PartitionState, ScanProgress
from aerospike_magic.scan.run import Scan
from aerospike_magic.scan.share import Share

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

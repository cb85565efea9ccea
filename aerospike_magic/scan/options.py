"""What a user may set about a scan."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from aerospike_magic.errors import ConfigError
from aerospike_magic.scan.progress import ProgressCallback

OnMismatch = Literal["null", "error"]


@dataclass(frozen=True)
class ScanOptions:
    """How a scan runs; the defaults suit a notebook.

    Attributes:
        workers: sockets (and threads) that read at once; None = twice the cores, between 4 and 32.
        batch_rows: rows of a full record batch.
        batch_bytes: bytes of text, blobs and nested values after which a batch ends before it has its rows.
        records_per_second: throttle, for each node, as Aerospike counts it; 0 = none.
        timeout_s: seconds without a byte from a node that still runs the query, before it is asked elsewhere.
        total_timeout_s: seconds for the whole scan; None = no limit.
        give_up_s: seconds that a partition may be unavailable, or fail without progress, before the scan fails.
        on_mismatch: "null" makes a value that does not fit its column NULL and counts it, "error" raises.
        partitions_per_request: partitions of one request; None = by the number of workers.
        buffered_bytes: how much may wait for a slow consumer, in bytes of record batches.
        on_progress: takes a `ScanProgress` when the scan starts, at most ten times a second, and when it ends;
            called from a thread of the scan.
    """

    workers: int | None = None
    batch_rows: int = 65_536
    batch_bytes: int = 32 << 20
    records_per_second: int = 0
    timeout_s: float = 30.0
    total_timeout_s: float | None = None
    give_up_s: float = 15.0
    on_mismatch: OnMismatch = "null"
    partitions_per_request: int | None = None
    buffered_bytes: int = 128 << 20
    on_progress: ProgressCallback | None = None

    def __post_init__(self) -> None:
        for name, low in (("workers", 1), ("batch_rows", 1), ("batch_bytes", 1), ("partitions_per_request", 1)):
            value = getattr(self, name)
            if value is not None and value < low:
                raise ConfigError(f"{name} is {value}, it must be at least {low}")
        if self.records_per_second < 0 or self.timeout_s <= 0:
            raise ConfigError("records_per_second may not be negative, timeout_s must be above 0")
        if self.on_mismatch not in ("null", "error"):
            raise ConfigError(f"on_mismatch is {self.on_mismatch!r}", hint="it is 'null' or 'error'")

    @property
    def worker_count(self) -> int:
        """The number of workers that will run."""
        return self.workers or max(4, min(32, 2 * (os.cpu_count() or 1)))

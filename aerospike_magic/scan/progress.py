"""What a scan tells about itself: frozen snapshots, handed to a callback at most ten times a second.

A snapshot never changes after it was made, so a widget, a terminal line and a test may keep it without a lock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

N_PARTITIONS = 4096

ScanState = Literal["planning", "running", "done", "cancelled", "failed"]


class PartitionState(IntEnum):
    """What is known of one partition during a scan; the byte value used in `ScanProgress.partitions`."""

    NOT_ASKED = 0
    WAITING = 1
    READING = 2
    DONE = 3
    RETRYING = 4
    UNAVAILABLE = 5


@dataclass(frozen=True, slots=True)
class NodeProgress:
    """One node's share of a scan."""

    name: str
    address: str
    partitions_total: int
    partitions_done: int
    records: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Values of one bin that did not fit their column and became NULL.

    `kind` is "type" (value became NULL) or "unseen" (a bin that the sampled schema does not have; its values are
    not in the result).
    """

    bin: str
    count: int
    example: str
    kind: Literal["type", "unseen"] = "type"

    def __str__(self) -> str:
        values = f"{self.count:,} value{'s' if self.count != 1 else ''}"
        if self.kind == "unseen":
            return f"{values} of bin {self.bin!r}, which the sample did not have, are left out, e.g. {self.example}"
        return f"{values} of bin {self.bin!r} did not fit and are NULL, e.g. {self.example}"


def most_telling(mismatches: Sequence[Mismatch], n_bins: int = 8) -> tuple[Mismatch, ...]:
    """Return what a person reads: the bins with most values, and the others of each kind as one entry.

    Args:
        mismatches: of one scan; they may be of hundreds of bins.
        n_bins: bins to name.
    """
    ranked = sorted(mismatches, key=lambda one: -one.count)
    shown, rest = ranked[:n_bins], ranked[n_bins:]
    if len(rest) <= 1:
        return tuple(ranked)
    for kind in ("type", "unseen"):
        others = [one for one in rest if one.kind == kind]
        if others:
            count, example = sum(one.count for one in others), others[0].example
            shown.append(Mismatch(f"{others[0].bin} and others", count, example, others[0].kind))
    return tuple(shown)


@dataclass(frozen=True, slots=True, repr=False)
class ScanProgress:
    """A scan at one moment.

    Attributes:
        namespace, set_name: what is scanned.
        state: "planning", "running", then one of "done", "cancelled", "failed".
        partitions: 4,096 bytes, one `PartitionState` a partition.
        owners: 4,096 bytes, the index into `nodes` of the node that serves each partition.
        nodes: a share per node, in the order of `owners`.
        scanned: records the server has looked at; in part an estimate where answers were cut off and asked for again.
        records: records received from the server (after the pushed filter).
        returned: rows handed to the consumer (after the residual filter).
        n_bytes: bytes received.
        elapsed_s, records_per_s, eta_s: seconds, records a second, seconds left (None when unknown).
        retries: partitions that were asked again.
        throttled: whether records_per_second is in force.
        access: "partition scan", "secondary index NAME", "key look-up", "empty".
        pushed, residual: the predicate in SQL-like words, or "" for none.
        columns: the column names that travel.
        mismatches: values that did not fit, and bins never seen in the sample.
        error: the error text when state is "failed".
    """

    namespace: str
    set_name: str
    state: ScanState
    partitions: bytes
    owners: bytes
    nodes: tuple[NodeProgress, ...]
    scanned: int
    records: int
    returned: int
    n_bytes: int
    elapsed_s: float
    records_per_s: float
    eta_s: float | None
    retries: int = 0
    throttled: bool = False
    access: str = "partition scan"
    pushed: str = ""
    residual: str = ""
    columns: tuple[str, ...] = ()
    mismatches: tuple[Mismatch, ...] = ()
    error: str = ""

    def __repr__(self) -> str:
        done = f"{self.partitions_done:,} of {self.partitions_total:,} partitions"
        name = f"{self.namespace}.{self.set_name}"
        return f"<ScanProgress {name} {self.state}: {done}, {self.scanned:,} scanned, {self.returned:,} returned>"

    @property
    def partitions_total(self) -> int:
        """Number of partitions this scan reads."""
        return N_PARTITIONS - self.partitions.count(PartitionState.NOT_ASKED)

    @property
    def partitions_done(self) -> int:
        """Number of partitions read to their end."""
        return self.partitions.count(PartitionState.DONE)

    @property
    def fraction(self) -> float:
        """Share of the partitions read to their end, 0..1 (1 for a scan of nothing)."""
        total = self.partitions_total
        return self.partitions_done / total if total else 1.0

    @property
    def is_finished(self) -> bool:
        """Whether no further snapshot will follow."""
        return self.state in ("done", "cancelled", "failed")


ProgressCallback = Callable[[ScanProgress], None]

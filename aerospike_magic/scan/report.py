"""From a running scan's counters to one frozen `ScanProgress`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aerospike_magic.filters.access import Nothing
from aerospike_magic.scan.decode import AnswerDecoder
from aerospike_magic.scan.plan import ScanPlan
from aerospike_magic.scan.progress import (
    N_PARTITIONS,
    Mismatch,
    NodeProgress,
    PartitionState,
    ScanProgress,
    ScanState,
)
from aerospike_magic.scan.worker import ScanPass, Worker

_NOTHING_ASKED = bytes(N_PARTITIONS)


@dataclass
class Tally:
    """What the scan itself counts: times on the monotonic clock, rows handed out, keys looked up."""

    started_s: float
    ended_s: float | None = None
    returned: int = 0
    looked_up: int = 0


def snapshot(
    plan: ScanPlan,
    passes: Sequence[ScanPass],
    workers: Sequence[Worker],
    decoders: Sequence[AnswerDecoder],
    tally: Tally,
    state: ScanState,
    error: str,
) -> ScanProgress:
    """Return how a scan stands now; safe to call from any thread."""
    partitions, owners = _partition_states(passes)
    records = sum(d.n_records for d in decoders)
    elapsed_s = (tally.ended_s or time.monotonic()) - tally.started_s
    scanned = tally.looked_up + _scanned(workers)
    total = N_PARTITIONS - partitions.count(PartitionState.NOT_ASKED)
    done = partitions.count(PartitionState.DONE)
    scanned = max(scanned, records)
    fraction = done / total if total else 0.0
    rate = scanned / elapsed_s if elapsed_s > 0 else 0.0
    return ScanProgress(
        namespace=plan.namespace,
        set_name=plan.set_name,
        state=state,
        partitions=partitions,
        owners=owners,
        nodes=_nodes(passes, workers),
        scanned=scanned,
        records=records,
        returned=tally.returned,
        n_bytes=sum(w.n_bytes for w in workers),
        elapsed_s=elapsed_s,
        records_per_s=rate,
        eta_s=elapsed_s * (1 - fraction) / fraction if state == "running" and fraction > 0 else None,
        retries=sum(p.tracker.retries for p in passes),
        throttled=plan.options.records_per_second > 0 and not isinstance(plan.access, Nothing),
        access=plan.access_text,
        pushed=plan.pushed,
        residual=plan.residual,
        columns=tuple(c.name for c in plan.decoded),
        mismatches=_mismatches(decoders),
        error=error,
    )


def _scanned(workers: Sequence[Worker]) -> int:
    """What the nodes counted, and for answers that were cut off, what those would have counted by the same share."""
    counted, received = sum(w.scanned for w in workers), sum(w.received for w in workers)
    before_failures = sum(w.received_before_failures for w in workers)
    return counted + round(before_failures * (counted / received if received else 1))


def _partition_states(passes: Sequence[ScanPass]) -> tuple[bytes, bytes]:
    """The first pass's states; where the second pass reads a partition once more, its state."""
    if not passes:
        return _NOTHING_ASKED, _NOTHING_ASKED
    states, owners = passes[0].tracker.snapshot()
    for later in passes[1:]:
        again = np.frombuffer(later.tracker.snapshot()[0], np.uint8)
        states = np.where(again != PartitionState.NOT_ASKED, again, np.frombuffer(states, np.uint8)).tobytes()
    return states, owners


def _nodes(passes: Sequence[ScanPass], workers: Sequence[Worker]) -> tuple[NodeProgress, ...]:
    if not passes:
        return ()
    tracker = passes[0].tracker
    totals = tracker.node_totals()
    return tuple(
        NodeProgress(
            name=node.name,
            address=f"{node.host}:{node.port}",
            partitions_total=int(totals[i]),
            partitions_done=tracker.done_by_node.get(i, 0),
            records=sum(w.records_by_node.get(i, 0) for w in workers),
            n_bytes=sum(w.bytes_by_node.get(i, 0) for w in workers),
        )
        for i, node in enumerate(tracker.nodes)
    )


def _mismatches(decoders: Sequence[AnswerDecoder]) -> tuple[Mismatch, ...]:
    counts: dict[tuple[str, str], int] = {}
    examples: dict[tuple[str, str], str] = {}
    for decoder in decoders:
        for c in np.flatnonzero(decoder.builder.mismatches):
            at = ("type", decoder.layout.columns[int(c)].name)
            counts[at] = counts.get(at, 0) + int(decoder.builder.mismatches[c])
            examples.setdefault(at, decoder.builder.examples.get(int(c), ""))
        for name, count, example in decoder.unseen():
            at = ("unseen", name)
            counts[at] = counts.get(at, 0) + count
            examples.setdefault(at, example)
    return tuple(
        Mismatch(name, count, examples[kind, name], "unseen" if kind == "unseen" else "type")
        for (kind, name), count in sorted(counts.items())
    )

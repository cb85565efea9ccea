"""(c) Decoding alone: bytes recorded from the server → record batches, on one thread, nothing else."""

from __future__ import annotations

import time

from aerospike_magic.connection import connect
from aerospike_magic.dataset import AerospikeDataset
from aerospike_magic.scan import ScanPlan
from aerospike_magic.scan.columns import DecodedBatch, Layout
from aerospike_magic.scan.decode import AnswerDecoder, ResumePoints
from benchmarks.data import Target
from benchmarks.drain import record
from benchmarks.report import Figure, Measurement

AT_LEAST = 6.0


def measure(target: Target, repeat: int) -> Measurement:
    with connect(target.address) as connection:
        plan = AerospikeDataset(connection, target.table).plan()
        answers = record(connection, plan)
    n_bytes = sum(len(chunk) for answer in answers for chunk in answer)
    samples = [_decode(plan, answers, target.records) for _ in range(repeat + 1)][1:]
    best = min(samples)
    return Measurement(
        "c",
        "decode alone, one thread, 7 bins a record",
        (
            Figure("decode, a core", target.records / best / 1e6, "M records/s", at_least=AT_LEAST),
            Figure("decode, a core", n_bytes / best / 1e9, "GB/s"),
            Figure("a record", best / target.records * 1e9, "ns"),
        ),
        f"best of {repeat} after a warm-up, seconds of this thread's CPU; answers as received, Arrow batches included",
        {"decode": samples},
    )


def _decode(plan: ScanPlan, answers: list[list[bytes]], records: int) -> float:
    """Decode everything; returns CPU seconds. What stands in for receiving (a copy into the buffer) is not counted."""
    rows = 0

    def count(decoded: DecodedBatch) -> None:
        nonlocal rows
        rows += decoded.batch.num_rows

    decoder = AnswerDecoder(
        Layout(plan.decoded),
        batch_rows=plan.options.batch_rows,
        first_rows=plan.options.batch_rows,
        note_unseen=True,
        on_mismatch="null",
        emit=count,
    )
    resume = ResumePoints()
    seconds = 0.0
    for answer in answers:
        decoder.begin_answer()
        for chunk in answer:
            at = 0
            while at < len(chunk):
                space = decoder.free_space()
                part = chunk[at : at + len(space)]
                space[: len(part)] = part
                at += len(part)
                started = time.thread_time()
                decoder.received(len(part))
                decoder.step(resume)
                seconds += time.thread_time() - started
    started = time.thread_time()
    decoder.flush()
    seconds += time.thread_time() - started
    if rows != records:
        raise AssertionError(f"{rows:,} rows decoded of {records:,}")
    return seconds

"""(d) A filter that keeps 1 %, decided by the server, against the same filter evaluated here after a full scan."""

from __future__ import annotations

from aerospike_magic.connection import connect
from aerospike_magic.dataset import AerospikeDataset
from aerospike_magic.filters.evaluate import evaluate
from aerospike_magic.filters.predicate import Compare
from benchmarks.data import Target
from benchmarks.report import Figure, Measurement
from benchmarks.timing import samples, take_turns


def measure(target: Target, repeat: int) -> Measurement:
    keep = max(target.records // 100, 1)
    predicate = Compare("<", "id", keep)
    with connect(target.address) as connection:
        dataset = AerospikeDataset(connection, target.table)
        plan = dataset.plan(filter=predicate)
        if not plan.pushed or plan.residual:
            raise AssertionError(f"pushed: {plan.pushed!r}, residual: {plan.residual!r}")

        def pushed() -> None:
            _check(dataset.to_table(filter=predicate).num_rows, keep)

        def residual() -> None:
            batches = [batch.filter(evaluate(predicate, batch)) for batch in dataset.to_batches()]
            _check(sum(batch.num_rows for batch in batches), keep)

        turns = take_turns({"pushed": pushed, "residual": residual}, repeat)
        dataset.to_table(filter=predicate)
        pushed_bytes = dataset.scans[-1].progress.n_bytes
    best = {name: turn.best for name, turn in turns.items()}
    return Measurement(
        "d",
        f"a filter that keeps 1 % ({plan.pushed}; {plan.access_text})",
        (
            Figure("pushed to the server", best["pushed"]),
            Figure("evaluated here after the scan", best["residual"]),
            Figure("pushed is faster by", best["residual"] / best["pushed"], "×"),
            Figure("bytes off the sockets, pushed", pushed_bytes / 1e6, "MB"),
        ),
        f"best of {repeat} each, in turn, after a warm-up",
        samples(turns),
    )


def _check(rows: int, expected: int) -> None:
    if rows != expected:
        raise AssertionError(f"the filter kept {rows:,} rows, {expected:,} were expected")

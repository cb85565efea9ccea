"""Where to measure, and the records there: 7 bins each, in `test.bench`, and a tenth as many in another set.

The server is AEROSPIKE_TEST_HOST=host:port, or an embedded one that is started for the run. A set that already has
the right number of records is taken as it is; otherwise the records are written, into a set named by their number.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

NAMESPACE = "test"
CATEGORIES = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")
_WRITES_A_BATCH = 2_000


@dataclass(frozen=True)
class Target:
    """A server with the records.

    Attributes:
        address: "host:port".
        is_embedded: whether it is ours.
        build: the server's version, as it says.
        records: records in `set_name`; its bin `id` counts from 0.
        set_name, small_set_name: sets of namespace test; the small one has `small_records`.
    """

    address: str
    is_embedded: bool
    build: str
    records: int
    set_name: str
    small_records: int
    small_set_name: str

    @property
    def table(self) -> str:
        return f"{NAMESPACE}.{self.set_name}"

    @property
    def small_table(self) -> str:
        return f"{NAMESPACE}.{self.small_set_name}"


@contextmanager
def open_target(records: int) -> Iterator[Target]:
    """Yield a server that has the records."""
    given = os.environ.get("AEROSPIKE_TEST_HOST")
    if given:
        yield _with_records(given if ":" in given else f"{given}:3000", records, is_embedded=False)
        return
    from aerospike_magic.devserver import DevServer

    with DevServer(namespaces=(NAMESPACE,), synthetic=records, timeout_s=180) as server:
        yield _with_records(server.address, records, is_embedded=True)


def _with_records(address: str, records: int, *, is_embedded: bool) -> Target:
    from aerospike_magic.connection import connect

    small = max(records // 10, 1)
    with connect(address) as connection:
        sets = {found.name: found.objects for found in connection.sets(NAMESPACE)}
        names = [_existing(sets, n) or _load(connection.client, n) for n in (records, small)]
        build = next(iter(connection.info("build").values()))
    return Target(address, is_embedded, build, records, names[0], small, names[1])


def _existing(sets: dict[str, int], records: int) -> str | None:
    return next((name for name in ("bench", f"bench_{records}") if sets.get(name) == records), None)


def _load(client: Any, records: int) -> str:
    """Write records by the official client; returns the set's name."""
    from aerospike_helpers.batch import records as batch
    from aerospike_helpers.operations import operations

    name = f"bench_{records}"
    print(f"writing {records:,} records to {NAMESPACE}.{name} …", flush=True)
    for start in range(0, records, _WRITES_A_BATCH):
        rows = make_rows(start, min(start + _WRITES_A_BATCH, records))
        writes = [
            batch.Write((NAMESPACE, name, row["id"]), [operations.write(b, v) for b, v in row.items()]) for row in rows
        ]
        answer = client.batch_write(batch.BatchRecords(writes))
        failed = [w.result for w in answer.batch_records if w.result != 0]
        if failed:
            raise SystemExit(f"{len(failed)} of {len(writes)} writes to {NAMESPACE}.{name} failed, code {failed[0]}")
    return name


def make_rows(start: int, end: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(start)
    ids = range(start, end)
    prices = np.round(random.random(len(ids)) * 1000, 2).tolist()
    quantities = random.integers(0, 100, len(ids)).tolist()
    categories = random.integers(0, len(CATEGORIES), len(ids)).tolist()
    flags = random.integers(0, 2, len(ids)).astype(np.bool_).tolist()
    return [
        {
            "id": i,
            "name": f"item{i:06}",
            "price": price,
            "qty": quantity,
            "cat": CATEGORIES[category],
            "ts": 1_700_000_000 + i,
            "flag": flag,
        }
        for i, price, quantity, category, flag in zip(ids, prices, quantities, categories, flags, strict=True)
    ]

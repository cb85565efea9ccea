"""Records larger than 1 MB, up to the 8 MB that a server can be told to take, in sets that also have tiny ones.

Runs against a real server too (`AEROSPIKE_TEST_HOST`), whose largest record it raises meanwhile.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import aerospike
import numpy as np
import psutil
import pytest
from cluster_scans import FAST

from aerospike_magic.connection import Connection, connect
from aerospike_magic.filters.predicate import Compare, In
from aerospike_magic.scan import Scan, ScanOptions, plan_scan

MB = 1 << 20
N = 2_000
SLACK = 2_000
"""What a record needs besides its values."""


def payload(i: int, size: int) -> bytes:
    return np.random.default_rng(i).bytes(size)


def tell(address: str, size: int) -> None:
    """Tell a server how large records may be."""
    host, port = address.split(":")
    client = aerospike.client({"hosts": [(host, int(port))]}).connect()
    answer = client.info_random_node(f"set-config:context=namespace;id=test;max-record-size={size}")
    client.close()
    assert answer.strip().endswith("ok"), answer


def record(i: int) -> dict[str, Any]:
    """Every 80th record is huge: a blob, a text, a list of blobs, or all of them."""
    if i % 80:
        return {"id": i, "text": f"tiny{i}"}
    chance = random.Random(i)
    size = chance.randrange(MB, 8 * MB - SLACK)
    kind = i // 80 % 4
    if kind == 0:
        return {"id": i, "blob": payload(i, size)}
    if kind == 1:
        return {"id": i, "text": payload(i, size // 2).hex()}
    if kind == 2:
        return {"id": i, "items": [payload(i, size // 8 - 8)] * 8}
    return {"id": i, "blob": payload(i, size // 3), "text": "é" * (size // 6), "items": [payload(i + 1, size // 3)]}


def same(found: Any) -> Any:
    """A value, or what stands for a huge one."""
    if isinstance(found, list):
        return [same(item) for item in found]
    if isinstance(found, str | bytes) and len(found) > 100:
        data = found.encode() if isinstance(found, str) else found
        return type(found).__name__, len(data), hashlib.sha256(data).hexdigest()
    return found


@pytest.fixture(scope="module")
def large(server: Any) -> Iterator[Connection]:
    """A connection to a server with set test.large."""
    tell(server.address, 8 * MB)
    with connect(server.address) as connected:
        connected.client.truncate("test", "large", 0)
        for i in range(N):
            connected.client.put(
                ("test", "large", i), record(i), policy={"total_timeout": 20_000, "key": aerospike.POLICY_KEY_SEND}
            )
        connected.schema("test.large")
        yield connected
        connected.client.truncate("test", "large", 0)
    tell(server.address, MB)


def rows_of(connection: Connection, options: ScanOptions, **wanted: Any) -> list[dict[str, Any]]:
    plan = plan_scan(connection, connection.schema("test.large"), options=options, **wanted)
    with Scan(connection, plan) as scan:
        rows = [row for batch in scan.batches() for row in batch.to_pylist()]
    assert all(row.pop("__key") == row["id"] for row in rows)
    return [{name: same(value) for name, value in row.items() if value is not None} for row in rows]


@pytest.mark.parametrize("batch_rows", [64, 65_536])
def test_every_record_is_read(large: Connection, batch_rows: int) -> None:
    rows = rows_of(large, replace(FAST, batch_rows=batch_rows))
    assert sorted(row["id"] for row in rows) == list(range(N))
    for row in rows:
        assert row == {name: same(value) for name, value in record(row["id"]).items()}


def test_of_huge_records_only_what_is_asked_for_travels(large: Connection) -> None:
    plan = plan_scan(large, large.schema("test.large"), columns=["id"], options=FAST)
    with Scan(large, plan) as scan:
        assert sorted(i for b in scan.batches() for i in b["id"].to_pylist()) == list(range(N))
        assert scan.progress.n_bytes < MB


def test_filters_read_them(large: Connection) -> None:
    wanted = record(640)["blob"]
    rows = rows_of(large, FAST, predicate=Compare("=", "id", 640))
    assert [row["blob"] for row in rows] == [same(wanted)]


def test_by_key(large: Connection) -> None:
    keys = [0, 1, 80, 160, 240, 320]
    wanted = [{name: same(value) for name, value in record(key).items()} for key in keys]
    rows = rows_of(large, FAST, predicate=In("__key", tuple(keys)))
    assert sorted(rows, key=lambda row: int(row["id"])) == wanted
    records = large.client.batch_read([("test", "large", key) for key in keys]).batch_records
    assert [{name: same(value) for name, value in r.record[2].items()} for r in records] == wanted


def test_too_large_is_refused_and_leaves_the_old_one(large: Connection) -> None:
    key = ("test", "large", 1)
    for size in (8 * MB, 8 * MB - 50):
        with pytest.raises(aerospike.exception.RecordTooBig):
            large.client.put(key, {"blob": bytes(size)})
    assert large.client.get(key)[2] == record(1)


def test_memory_stays_bounded_though_the_consumer_is_slow(large: Connection) -> None:
    n = 48
    for i in range(n):
        large.client.put(("test", "huge", i), {"id": i, "blob": payload(i, 6 * MB)}, policy={"total_timeout": 20_000})
    options = ScanOptions(workers=2, partitions_per_request=256, buffered_bytes=16 * MB)
    plan = plan_scan(large, large.schema("test.huge"), options=options)
    before = psutil.Process().memory_info().rss
    most = 0
    found = {}
    with Scan(large, plan) as scan:
        for batch in scan.batches():
            time.sleep(0.01)
            most = max(most, psutil.Process().memory_info().rss - before)
            found |= {row["id"]: same(row["blob"]) for row in batch.to_pylist()}
    assert found == {i: same(payload(i, 6 * MB)) for i in range(n)}
    large.client.truncate("test", "huge", 0)
    assert most < 300 * MB

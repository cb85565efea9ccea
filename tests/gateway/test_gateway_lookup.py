"""Index joins: records by the keys of other rows."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from served_reads import ALL, LARGE, equal, pages_of, where

from aerospike_magic.connection import Connection, connect
from aerospike_magic.gateway.messages import Domain, Range, Ranges, ServiceError, Split, TableName, TupleDomain
from aerospike_magic.gateway.service import AerospikeService
from aerospike_magic.gateway.splits import decode_split

FLIGHTS = TableName("demo", "flights")
AIRLINES = TableName("demo", "airlines")


@pytest.fixture
def service(connection: Connection) -> Iterator[AerospikeService]:
    with AerospikeService(connection) as served:
        yield served


def index_splits(
    service: AerospikeService,
    table: TableName,
    keys: Sequence[object],
    constraint: TupleDomain = ALL,
    max_count: int = 1_000,
    columns: Sequence[str] = ("key__", "carrier"),
) -> list[Split]:
    found: list[Split] = []
    token = None
    while True:
        batch = service.index_splits(table, ["key__"], columns, [keys], constraint, max_count, token)
        assert len(batch.splits) <= max_count
        found += batch.splits
        token = batch.next_token
        if token is None:
            return found


def look_up(
    service: AerospikeService, table: TableName, keys: Sequence[object], columns: Sequence[str], **more: Any
) -> list[dict[str, Any]]:
    max_bytes = more.pop("max_bytes", LARGE)
    splits = index_splits(service, table, keys, columns=columns, **more)
    return [r for split in splits for page in pages_of(service, split, columns, max_bytes) for r in page.to_pylist()]


def test_records_come_with_the_keys_asked_for(service: AerospikeService) -> None:
    rows = look_up(service, AIRLINES, ["UA", "nobody", None, "AA", "UA"], ["name", "key__"])
    assert sorted(rows, key=lambda row: row["key__"]) == [
        {"name": "American Airlines Inc.", "key__": "AA"},
        {"name": "United Air Lines Inc.", "key__": "UA"},
    ]


def test_thousands_of_keys_are_splits_of_bounded_size(service: AerospikeService) -> None:
    keys = random.Random(5).sample(range(1, 400_000), 9_001)
    splits = index_splits(service, FLIGHTS, keys, max_count=2)
    assert len(splits) == 5
    assert max(len(split.id) for split in splits) < 16_000
    found = sorted(
        k for s in splits for page in pages_of(service, s, ["key__"], 4_000) for k in page["key__"].to_pylist()
    )
    assert found == sorted(k for k in keys if k <= 336_776)


def test_other_conditions_hold_too(service: AerospikeService) -> None:
    keys = list(range(1, 300))
    rows = look_up(service, FLIGHTS, keys, ["key__", "origin"], constraint=where(origin=equal("LGA")))
    everything = look_up(service, FLIGHTS, keys, ["key__", "origin"])
    assert sorted(map(repr, rows)) == sorted(repr(row) for row in everything if row["origin"] == "LGA")
    assert index_splits(service, FLIGHTS, keys, TupleDomain(None)) == []
    assert index_splits(service, FLIGHTS, []) == []
    assert index_splits(service, FLIGHTS, [None]) == []


def test_the_same_token_gives_the_same_rest(service: AerospikeService, server: Any) -> None:
    keys = list(range(300_000, 300_700))
    (split,) = index_splits(service, FLIGHTS, keys)
    page = service.rows(split.id, ["key__", "carrier"], 2_000, None)
    with connect(server.address) as other, AerospikeService(other) as restarted:
        for asked in (service, restarted, service):
            rest = pages_of(asked, split, ["key__", "carrier"], 3_000, page.next_token)
            found = page.columns[0].to_pylist() + [k for p in rest for k in p["key__"].to_pylist()]
            assert sorted(found) == keys


def test_keys_that_are_bytes_are_given_in_hexadecimal(service: AerospikeService, client: Any) -> None:
    name = f"gw{uuid.uuid4().hex[:8]}"
    try:
        for i in range(30):
            client.put(("test", name, bytearray([i, 200])), {"n": i}, policy={"key": 1})
        rows = look_up(service, TableName("test", name), ["05C8", "1DC8", "FFFF", "zz", "05c8"], ["n", "key__"])
        assert sorted(map(repr, rows)) == ["{'n': 29, 'key__': '1DC8'}", "{'n': 5, 'key__': '05C8'}"]
    finally:
        client.truncate("test", name, 0)


def test_only_keys_can_be_looked_up(service: AerospikeService) -> None:
    with pytest.raises(ServiceError, match="only by key__"):
        service.index_splits(FLIGHTS, ["carrier"], ["carrier"], [["UA"]], ALL, 10, None)


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        (Range(1, True, 3, True), (1, 2, 3)),
        (Range(1, False, 4, False), (2, 3)),
        (Range(7, True, 1_006, True), tuple(range(7, 1_007))),
        (Range(7, True, 1_007, True), None),
        (Range(7, True, None, False), None),
    ],
)
def test_a_short_range_of_keys_is_looked_up(service: AerospikeService, wanted: Range, keys: tuple[int, ...]) -> None:
    """That is how Trino tells a list of consecutive integers."""
    constraint = where(key__=Domain(Ranges((wanted,)), null_allowed=False))
    splits = [decode_split(s.id) for s in service.splits(FLIGHTS, None, constraint, 1_000, None).splits]
    assert (splits[0].keys if len(splits) == 1 else None) == keys

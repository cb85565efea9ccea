"""Splits: how many, of what, and ids that say it all."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served_reads import between, equal, pages_of, read, splits_of, where

from aerospike_magic.connection import Connection
from aerospike_magic.errors import WireError
from aerospike_magic.filters.predicate import Always, And, Compare, In, IsNull, Not, Or, StartsWith
from aerospike_magic.gateway.messages import Domain, HostAddress, Ranges, ServiceError, Split, TableName, TupleDomain
from aerospike_magic.gateway.options import ServiceOptions
from aerospike_magic.gateway.service import AerospikeService
from aerospike_magic.gateway.splits import (
    Query,
    SetSplit,
    decode_query,
    decode_split,
    encode_keys,
    encode_query,
    encode_share,
)
from aerospike_magic.scan import Share
from aerospike_magic.scan.share import WHOLE
from aerospike_magic.schema.types import Kind, SetSchema, bin_column, metadata_columns

FLIGHTS = TableName("demo", "flights")
NONE = TupleDomain(None)


@pytest.fixture
def service(connection: Connection) -> Iterator[AerospikeService]:
    with AerospikeService(connection) as served:
        yield served


def decoded(split: Split) -> SetSplit:
    found = decode_split(split.id)
    assert isinstance(found, SetSplit)
    return found


def test_their_number_goes_by_the_size_of_the_set(service: AerospikeService) -> None:
    assert len(splits_of(service, FLIGHTS)) == 4
    assert len(splits_of(service, TableName("demo", "airlines"))) == 1
    assert len(splits_of(service, TableName("demo", "flights__splits_100"))) == 100
    assert splits_of(service, FLIGHTS, NONE) == []
    assert splits_of(service, FLIGHTS, where(month=Domain(Ranges(()), False))) == []


def test_they_are_the_whole_set_also_when_asked_for_a_few_at_a_time(service: AerospikeService) -> None:
    splits = splits_of(service, TableName("demo", "flights__splits_37"), max_count=5)
    partitions = [p for split in splits for p in decoded(split).share.partitions]  # type: ignore[union-attr]
    assert sorted(partitions) == list(range(4096))
    assert [decoded(split).number for split in splits] == list(range(37))
    assert len({decoded(split).query_bytes for split in splits}) == 1


def test_a_throttle_is_divided_among_them(service: AerospikeService) -> None:
    splits = splits_of(service, TableName("demo", "flights__rps_1000"))
    assert len(splits) == 4
    assert {decoded(split).query.rps for split in splits} == {250}
    assert len(splits_of(service, TableName("demo", "flights__rps_2__splits_10"))) == 2


def test_keys_are_looked_up_and_never_scanned(service: AerospikeService) -> None:
    (split,) = splits_of(service, FLIGHTS, where(key__=equal(5, 7, 10**9)))
    assert decoded(split).keys == (5, 7, 10**9)
    assert decoded(split).share is None
    rows = read(service, FLIGHTS, ["key__", "carrier"], where(key__=equal(5, 7, 10**9)))
    assert sorted(row["key__"] for row in rows) == [5, 7]
    # Beside other conditions, which are checked then.
    constraint = where(key__=equal(*range(1, 200)), origin=equal("JFK"))
    assert decoded(splits_of(service, FLIGHTS, constraint)[0]).keys == tuple(range(1, 200))
    some = read(service, FLIGHTS, ["key__", "origin"], constraint)
    assert 0 < len(some) < 199
    assert {row["origin"] for row in some} == {"JFK"}


def test_many_keys_are_several_splits(service: AerospikeService) -> None:
    wanted = random.Random(1).sample(range(1, 400_000), 5_000)
    constraint = where(key__=equal(*sorted(wanted)))
    splits = splits_of(service, FLIGHTS, constraint, max_count=2)
    assert len(splits) == 3
    found = [
        key
        for split in splits
        for page in pages_of(service, split, ["key__"], 5_000)
        for key in page["key__"].to_pylist()
    ]
    assert sorted(found) == sorted(k for k in wanted if k <= 336_776)


def test_a_digest_leads_to_its_partition(service: AerospikeService) -> None:
    row = read(service, FLIGHTS, ["key__", "digest__"], where(key__=equal(77)))[0]
    constraint = where(digest__=equal(row["digest__"]))
    (split,) = splits_of(service, FLIGHTS, constraint)
    share = decoded(split).share
    assert share is not None
    assert len(share.partitions) == 1
    assert read(service, FLIGHTS, ["key__", "digest__"], constraint) == [row]
    assert read(service, FLIGHTS, ["key__"], where(digest__=equal("ab", "AB"))) == []


def test_nothing_is_pushed_where_nothing_is_to_be(service: AerospikeService) -> None:
    table = TableName("demo", "airlines__push_0")
    assert len(read(service, table, ["key__"], where(key__=equal("UA")))) == 16
    assert len(read(service, TableName("demo", "airlines"), ["key__"], where(key__=equal("UA")))) == 1


def test_a_long_list_becomes_a_range(service: AerospikeService) -> None:
    wanted = list(range(0, 4_000, 2))
    rows = read(service, FLIGHTS, ["flight"], where(flight=equal(*wanted)))
    assert {row["flight"] for row in rows} >= {
        row["flight"] for row in read(service, FLIGHTS, ["flight"]) if row["flight"] in set(wanted)
    }
    (one, *_) = splits_of(service, FLIGHTS, where(flight=equal(*wanted)))
    assert decoded(one).query.predicate == And(Compare(">=", "flight", 0), Compare("<=", "flight", 3_998))
    assert len(one.id) < 5_000  # most of it says which partitions


def test_each_names_the_gateway_beside_its_records(connection: Connection) -> None:
    here, also_here, far = HostAddress("127.0.0.1", 7000), HostAddress("127.0.0.1", 7001), HostAddress("10.1.1.1", 7000)
    with AerospikeService(connection, ServiceOptions(hosts=(far, here, also_here))) as service:
        assert [split.hosts for split in splits_of(service, FLIGHTS)] == [(here,), (also_here,)] * 2
        assert [split.hosts for split in splits_of(service, FLIGHTS, where(key__=equal(1)))] == [(far,)]
    with AerospikeService(connection, ServiceOptions(hosts=(far,))) as service:
        assert {split.hosts for split in splits_of(service, FLIGHTS)} == {(far,)}


@pytest.mark.parametrize(
    "broken", [b"", b"AQ1", b"x" * 50, b"AQ1" + b"\0" * 60, b"AQ1" + zlib.crc32(b"").to_bytes(4, "little") + b"\0" * 4]
)
def test_what_is_no_id_is_refused(service: AerospikeService, broken: bytes) -> None:
    with pytest.raises(ServiceError, match="not the id of a split") as caught:
        service.rows(broken, [], 1_000, None)
    assert not caught.value.retryable
    with pytest.raises(ServiceError, match="not the id of a split"):
        service.splits(FLIGHTS, None, TupleDomain({}), 10, broken)


def test_an_id_with_one_bit_changed_is_refused(service: AerospikeService) -> None:
    (split,) = splits_of(service, TableName("demo", "airlines"))
    chance = random.Random(3)
    for _ in range(200):
        changed = bytearray(split.id)
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        with pytest.raises(WireError):
            decode_split(bytes(changed))


SCHEMA = SetSchema(
    "ns",
    "set",
    (metadata_columns()[0], bin_column("n", Kind.INT64, pa.int64()), *metadata_columns()[1:]),
    has_keys=True,
)
VALUES: list[Any] = [0, -(2**63), 1.5, float("inf"), -0.0, "", "é'\"", b"", b"\xff\0", True, False, 2**70]
PREDICATES = [
    None,
    *(Compare("=", "n", v) for v in VALUES),
    In("n", tuple(VALUES)),
    And(Or(IsNull("n"), Not(StartsWith("s", "a%"))), Always(True), Not(And())),
]


@pytest.mark.parametrize("predicate", PREDICATES)
def test_a_query_is_bytes_and_back(predicate: Any) -> None:
    query = Query(SCHEMA, predicate, None, 17, 3, "error")
    again = decode_query(encode_query(query))
    assert repr(again.predicate) == repr(predicate)
    assert (again.objects, again.rps, again.mismatch) == (17, 3, "error")
    assert [(c.name, c.type, c.kind, c.source) for c in again.schema.columns] == [
        (c.name, c.type, c.kind, c.source) for c in SCHEMA.columns
    ]
    assert again.schema.has_keys


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.integers(-(2**63), 2**63 - 1), st.text(), st.binary()), unique_by=repr, max_size=20))
def test_keys_are_bytes_and_back(keys: list[Any]) -> None:
    if any(isinstance(k, str) and any("\ud800" <= c <= "\udfff" for c in k) for k in keys):
        return
    again = decode_split(encode_keys(encode_query(Query(SCHEMA)), keys, 3))
    assert isinstance(again, SetSplit)
    assert (again.keys, again.number) == (tuple(keys), 3)


def test_shares_are_bytes_and_back() -> None:
    query = encode_query(Query(SCHEMA))
    for share in (WHOLE, Share((4095, 0)), Share((7,), 5, 3)):
        again = decode_split(encode_share(query, share, 0))
        assert isinstance(again, SetSplit)
        assert again.share == share
    assert len(encode_share(query, Share(tuple(range(64))), 0)) < 700


def test_a_range_on_an_index_uses_it_where_it_pays(service: AerospikeService, client: Any) -> None:
    import aerospike

    client.index_single_value_create("demo", "flights", "distance", aerospike.INDEX_NUMERIC, "gw_distance")
    try:
        constraint = where(distance=between(80, 80))
        splits = splits_of(service, FLIGHTS, constraint)
        index = decoded(splits[0]).query.index
        if index is not None:
            assert (index.index.name, index.low, index.high) == ("gw_distance", 80, 80)
        rows = read(service, FLIGHTS, ["key__", "distance"], constraint)
        assert len(rows) == 49
        assert {row["distance"] for row in rows} == {80}
        without = read(service, TableName("demo", "flights__index_0"), ["key__", "distance"], constraint)
        assert sorted(map(repr, rows)) == sorted(map(repr, without))
    finally:
        client.index_remove("demo", "gw_distance")

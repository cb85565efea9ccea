"""Query requests: built from their call they are the bytes of the official client; the server reads them back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_vectors import exchanges, frames, messages

from aerospike_magic.errors import WireError
from aerospike_magic.wire import (
    Field,
    FieldType,
    IndexRange,
    IndexType,
    Info1,
    Info2,
    Message,
    ParticleType,
    QueryRequest,
    decode_bval,
    decode_message,
    decode_particle,
    decode_query_request,
    encode_query,
    encode_query_request,
    partition_id,
)

ALL_PARTITIONS = range(4096)
HALF = range(2048)
BETWEEN = IndexRange.integers("n", 0, 150)

CALLS: dict[str, dict[str, Any]] = {
    "scan all": {},
    "scan bins": {"bins": ["id", "s"]},
    "scan missing bin": {"bins": ["zz"]},
    "scan nobins": {"no_bin_data": True},
    "scan partitions": {"bins": ["id"], "partitions": HALF},
    "scan one partition": {"bins": ["id"], "partitions": [100]},
    "scan empty set": {"set_name": "nosuchset"},
    "scan max_records": {"bins": ["id"], "max_records": 7},
    "scan rps": {"bins": ["id"], "records_per_second": 1000},
    "scan truncated": {},
    "sindex equals int": {"index_range": IndexRange.integers("n", 100, 100)},
    "sindex between": {"bins": ["id"], "index_range": BETWEEN},
    "sindex equals str": {"bins": ["id"], "index_range": IndexRange.string("s", "name05")},
    "sindex list contains": {"bins": ["id"], "index_range": IndexRange.integers("l", 3, 3, IndexType.LIST)},
    "sindex mapkeys": {"bins": ["id"], "index_range": IndexRange.string("m", "k", IndexType.MAP_KEYS)},
    "sindex none": {"index_range": IndexRange.integers("id", 1, 1)},
    "sindex partitions": {
        "bins": ["id"],
        "index_range": IndexRange.integers("n", -200, 400),
        "partitions": HALF,
    },
}


def recorded(label: str, page: int = 0) -> tuple[bytes, QueryRequest]:
    request, _ = exchanges()[label].pairs[page]
    message, _ = decode_message(frames(request)[0].body)
    return request, decode_query_request(message)


def build(task_id: int, **call: Any) -> bytes:
    arguments: dict[str, Any] = {"set_name": "vecx", "partitions": ALL_PARTITIONS, **call}
    return encode_query_request("test", arguments.pop("set_name"), task_id=task_id, **arguments)


@pytest.mark.parametrize("label", CALLS)
def test_a_request_built_from_its_call_is_the_recorded_one(label: str) -> None:
    request, decoded = recorded(label)
    assert build(decoded.task_id, **CALLS[label]) == request


def test_a_filter_goes_between_index_range_and_partitions() -> None:
    request, decoded = recorded("sindex and filter")
    assert decoded.filter_expression
    call = {"bins": ["id"], "index_range": BETWEEN, "filter_expression": decoded.filter_expression}
    assert build(decoded.task_id, **call) == request


def test_resuming_sends_the_last_digest_of_each_partition() -> None:
    last: dict[int, bytes] = {}
    for page, (request, response) in enumerate(exchanges()["scan paginate"].pairs):
        _, decoded = recorded("scan paginate", page)
        # The client lists the digests by partition.
        digests = dict(sorted(last.items()))
        assert decoded.digests == tuple(digests.values())
        assert build(decoded.task_id, bins=["id"], max_records=20, digests=digests) == request
        for message in messages(response):
            digest = message.field(FieldType.DIGEST)
            if digest is not None:
                last[partition_id(digest)] = digest


def test_resuming_takes_digests_in_any_form() -> None:
    digest = bytes((5, 0)) + bytes(18)
    by_partition = build(1, partitions=[4, 5], digests={5: digest}, bvals={5: 7}, index_range=BETWEEN)
    in_order = build(1, partitions=[4, 5], digests=[digest], bvals=[7], index_range=BETWEEN)
    assert by_partition == in_order
    decoded = decode_query_request(messages(in_order)[0])
    assert (decoded.partitions, decoded.digests, decoded.bvals) == ((4,), (digest,), (7,))


def test_records_of_an_integer_index_say_their_value() -> None:
    ids = []
    for message in messages(exchanges()["sindex between"].pairs[0][1]):
        data = message.field(FieldType.BVAL_ARRAY)
        if data is not None:
            (op,) = message.ops
            ids.append(decode_particle(op.particle_type, op.data))
            # The data set has n = 10 * id - 200.
            assert decode_bval(data) == 10 * ids[-1] - 200
    assert len(ids) > 5
    with pytest.raises(WireError):
        decode_bval(bytes(7))


def test_index_ranges_have_bounds() -> None:
    assert BETWEEN.integer_bounds == (0, 150)
    assert IndexRange.blob("b", b"\0").low == b"\0"
    with pytest.raises(WireError):
        _ = IndexRange.string("s", "x").integer_bounds
    with pytest.raises(WireError):
        IndexRange.integers("n", 0, 2**63)


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=15)
u32, u64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
ends = st.binary(max_size=20)
ranges = st.builds(
    IndexRange, texts, st.integers(0, 255), ends, ends, st.sampled_from(IndexType), st.binary(max_size=9)
)


@st.composite
def requests(draw: st.DrawFn) -> QueryRequest:
    digests = tuple(draw(st.lists(st.binary(min_size=20, max_size=20), max_size=3)))
    bval = st.integers(-(2**63), 2**63 - 1)
    bvals = draw(st.sampled_from([(), None]))
    return QueryRequest(
        namespace=draw(texts),
        set_name=draw(st.just("") | texts),
        partitions=tuple(draw(st.lists(st.integers(0, 4095), max_size=5))),
        digests=digests,
        bvals=tuple(draw(bval) for _ in digests) if bvals is None else (),
        bins=draw(st.none() | st.lists(texts, min_size=1, max_size=3).map(tuple)),
        no_bin_data=draw(st.booleans()),
        filter_expression=draw(st.none() | st.binary(max_size=20)),
        max_records=draw(u64),
        records_per_second=draw(u32),
        socket_timeout_ms=draw(u32),
        total_timeout_ms=draw(u32),
        task_id=draw(u64),
        index_range=draw(st.none() | ranges),
        short_query=draw(st.booleans()),
    )


@given(requests())
def test_the_server_reads_what_was_asked(request: QueryRequest) -> None:
    assert decode_query_request(encode_query(request)) == request


@pytest.mark.parametrize(
    "call",
    [
        {"partitions": [4096]},
        {"partitions": [-1]},
        {"digests": [b"short"]},
        {"digests": {6: bytes((5, 0)) + bytes(18)}},
        {"digests": {5: bytes((5, 0)) + bytes(18)}, "bvals": {6: 1}},
        {"digests": [bytes(20)], "bvals": [1, 2]},
        {"digests": [bytes(20)], "bvals": {0: 1}},
        {"bins": []},
        {"bins": ["\ud800"]},
        {"bins": ["x" * 256]},
        {"set_name": "\ud800"},
        {"max_records": -1},
        {"records_per_second": 2**32},
        {"socket_timeout_ms": -1},
        {"index_range": replace(BETWEEN, bin="x" * 256)},
        {"index_range": replace(BETWEEN, particle_type=256)},
    ],
)
def test_a_call_that_has_no_request_is_refused(call: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        build(1, **call)
    with pytest.raises(WireError):
        build(2**64)


NAMESPACE = Field(FieldType.NAMESPACE, b"test")


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [Field(FieldType.NAMESPACE, b"\xff")],
        [NAMESPACE, Field(FieldType.SET, b"\xff")],
        [NAMESPACE, Field(FieldType.PID_ARRAY, b"\0")],
        [NAMESPACE, Field(FieldType.PID_ARRAY, b"\x00\x10")],
        [NAMESPACE, Field(FieldType.DIGEST_ARRAY, bytes(21))],
        [NAMESPACE, Field(FieldType.DIGEST_ARRAY, bytes(20)), Field(FieldType.BVAL_ARRAY, bytes(16))],
        [NAMESPACE, Field(FieldType.TASK_ID, bytes(4))],
        [NAMESPACE, Field(FieldType.MAX_RECORDS, b"")],
        [NAMESPACE, Field(FieldType.INDEX_RANGE, b"")],
        [NAMESPACE, Field(FieldType.INDEX_RANGE, b"\x02\x01n\x01")],
        [NAMESPACE, Field(FieldType.INDEX_RANGE, b"\x01\x05n\x01")],
        [NAMESPACE, Field(FieldType.INDEX_RANGE, b"\x01\x01n\x01\0\0\0\x08")],
        [NAMESPACE, Field(FieldType.INDEX_RANGE, b"\x01\x01n\x01\xff\xff\xff\xff\0")],
        [NAMESPACE, Field(FieldType.INDEX_RANGE, b"\x01\x01n\x01" + bytes(9))],
        [NAMESPACE, Field(FieldType.INDEX_RANGE, b"\x01\x01\xff\x01" + bytes(8))],
        [
            NAMESPACE,
            Field(FieldType.INDEX_RANGE, b"\x01\x01n\x01" + bytes(8)),
            Field(FieldType.INDEX_TYPE, b"\x09"),
        ],
        [NAMESPACE, Field(FieldType.UDF_OP, b"\x01")],
    ],
)
def test_a_request_the_server_cannot_read_is_refused(fields: list[Field]) -> None:
    with pytest.raises(WireError):
        decode_query_request(Message(info1=int(Info1.READ), fields=tuple(fields)))


def test_a_background_query_is_refused() -> None:
    with pytest.raises(WireError):
        decode_query_request(Message(info2=int(Info2.WRITE), fields=(NAMESPACE,)))


def test_an_absent_timeout_is_the_servers_default() -> None:
    decoded = decode_query_request(Message(fields=(NAMESPACE,)))
    assert decoded.socket_timeout_ms == 10_000
    assert decoded.index_range is None and decoded.bins is None and decoded.filter_expression is None
    assert decoded.namespace == "test" and decoded.set_name == ""


def test_an_index_range_is_over_a_particle_type() -> None:
    _, decoded = recorded("sindex equals str")
    assert decoded.index_range is not None
    assert decoded.index_range.particle_type == ParticleType.STRING

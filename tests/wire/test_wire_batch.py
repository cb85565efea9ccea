"""Batches: built from their call they are the bytes of the official client; rows of every kind come back."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_vectors import exchanges, frames, messages

from aerospike_magic.errors import WireError
from aerospike_magic.wire import (
    BatchRequest,
    BatchResult,
    BatchRow,
    Field,
    FieldType,
    Info1,
    Info2,
    Message,
    Op,
    OpType,
    RowFlag,
    compute_digest,
    decode_batch_request,
    decode_batch_response,
    encode_batch_last,
    encode_batch_read_request,
    encode_batch_request,
    encode_batch_result,
    encode_message_proto,
)

FORM = (Field(FieldType.NAMESPACE, b"test"), Field(FieldType.SET, b"vec"))
ROW = BatchRow(0, bytes(20), fields=FORM)


def recorded(label: str) -> bytes:
    ((request, _),) = exchanges()[label].pairs
    return request


@pytest.mark.parametrize(
    ("label", "keys", "call"),
    [
        ("batch_read bins", [5, -5], {"bins": ["a"]}),
        ("batch_read exists", [5, "no such"], {"no_bin_data": True}),
        ("batch_read", ["int1", "no such", "map", 5], {}),
    ],
)
def test_a_read_built_from_its_call_is_the_recorded_one(label: str, keys: list[Any], call: dict[str, Any]) -> None:
    digests = [compute_digest("vec", key) for key in keys]
    assert encode_batch_read_request("test", "vec", digests, **call) == recorded(label)


def test_a_row_that_repeats_costs_25_bytes_and_reads_like_the_first() -> None:
    digests = [bytes((i,)) * 20 for i in range(3)]
    data = encode_batch_read_request("test", "vec", digests, filter_expression=b"\x93", total_timeout_ms=5)
    one = encode_batch_read_request("test", "vec", digests[:1], filter_expression=b"\x93")
    assert len(data) == len(one) + 2 * 25
    request = decode_batch_request(messages(data)[0])
    assert (request.filter_expression, request.total_timeout_ms) == (b"\x93", 5)
    assert [row.flags for row in request.rows] == [RowFlag.INFO | RowFlag.TTL, 1, 1]
    assert [row.digest for row in request.rows] == digests
    assert {(row.info1, row.fields, row.ops) for row in request.rows} == {(3, FORM, ())}


def test_reads_and_writes_stand_beside_each_other() -> None:
    rows = decode_batch_request(messages(recorded("batch mixed"))[0]).rows
    assert [bool(row.info2 & Info2.WRITE) for row in rows] == [False, True, True]
    assert rows[2].info2 & Info2.DELETE
    assert [[OpType(op.type) for op in row.ops] for row in rows] == [
        [OpType.READ],
        [OpType.WRITE, OpType.READ],
        [],
    ]


def test_a_row_is_a_request_for_one_record() -> None:
    row = decode_batch_request(messages(recorded("batch_read bins"))[0]).rows[1]
    message = row.to_message(transaction_ttl=1000)
    assert message.field(FieldType.DIGEST) == compute_digest("vec", -5)
    assert message.field(FieldType.SET) == b"vec" and message.ops[0].name == "a"
    assert message.transaction_ttl == 1000 and message.info1 == Info1.READ


u8, u16, u32 = st.integers(0, 255), st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
fields = st.lists(st.builds(Field, u8, st.binary(max_size=9)), min_size=1, max_size=3).map(tuple)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
ops = st.lists(st.builds(Op, u8, u8, names, st.binary(max_size=9), u8), max_size=3).map(tuple)


@st.composite
def batches(draw: st.DrawFn) -> BatchRequest:
    rows: list[BatchRow] = []
    for _ in range(draw(st.integers(0, 4))):
        index, digest = draw(u32), draw(st.binary(min_size=20, max_size=20))
        if rows and draw(st.booleans()):
            rows.append(replace(rows[-1], index=index, digest=digest, flags=int(RowFlag.REPEAT)))
            continue
        flags = draw(st.integers(0, 15)) * 2
        rows.append(
            BatchRow(
                index,
                digest,
                flags,
                draw(u8),
                draw(u8) if flags & RowFlag.INFO else 0,
                draw(u8) if flags & RowFlag.INFO else 0,
                draw(u8) if flags & RowFlag.INFO4 else 0,
                draw(u16) if flags & RowFlag.GENERATION else 0,
                draw(u32) if flags & RowFlag.TTL else 0,
                draw(fields),
                draw(ops),
            )
        )
    expression = draw(st.none() | st.binary(max_size=9))
    return BatchRequest(tuple(rows), draw(u8), expression, draw(u32), draw(u8), draw(u8))


@given(batches())
def test_requests_come_back(request: BatchRequest) -> None:
    assert decode_batch_request(encode_batch_request(request)) == request


results = st.builds(BatchResult, u32, u8, u32, u32, ops, fields)


@given(st.lists(results, max_size=4), st.none() | u8)
def test_answers_come_back(sent: list[BatchResult], last_code: int | None) -> None:
    body = b"".join(map(encode_batch_result, sent))
    if last_code is not None:
        body += encode_batch_last(last_code)
    response = decode_batch_response(body)
    assert list(response.results) == sent and response.last_code == last_code


def test_nothing_comes_behind_the_end() -> None:
    with pytest.raises(WireError):
        decode_batch_response(encode_batch_last() + encode_batch_result(BatchResult(0)))


@pytest.mark.parametrize(
    "rows",
    [
        (replace(ROW, flags=1),),
        (ROW, replace(ROW, flags=1, info1=3)),
        (replace(ROW, digest=b"short"),),
        (replace(ROW, flags=0, info2=1),),
        (replace(ROW, generation=1),),
        (replace(ROW, flags=int(RowFlag.GENERATION), generation=65536),),
        (replace(ROW, index=-1),),
        (replace(ROW, info1=256),),
        (replace(ROW, info4=1),),
    ],
)
def test_rows_that_have_no_bytes_are_refused(rows: tuple[BatchRow, ...]) -> None:
    with pytest.raises(WireError):
        encode_batch_request(BatchRequest(rows))


def test_an_empty_list_of_bins_is_refused() -> None:
    with pytest.raises(WireError):
        encode_batch_read_request("test", "vec", [bytes(20)], bins=[])
    with pytest.raises(WireError):
        encode_batch_read_request("\ud800", "vec", [bytes(20)])


def as_message(data: bytes) -> Message:
    return Message(info1=int(Info1.BATCH), fields=(Field(FieldType.BATCH, data),))


BATCH = encode_batch_request(BatchRequest((ROW, replace(ROW, index=1, flags=1)))).fields[0].data


@pytest.mark.parametrize("cut", range(len(BATCH)))
def test_a_batch_cut_anywhere_is_refused(cut: int) -> None:
    with pytest.raises(WireError):
        decode_batch_request(as_message(BATCH[:cut]))


@pytest.mark.parametrize(
    "data",
    [
        BATCH + b"\0",
        struct.pack(">IB", 2**32 - 1, 0) + BATCH[5:],
        struct.pack(">IB", 1, 0) + struct.pack(">I20sB", 0, bytes(20), 1),
    ],
)
def test_a_batch_that_does_not_hold_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        decode_batch_request(as_message(data))


def test_a_message_without_rows_is_no_batch() -> None:
    with pytest.raises(WireError):
        decode_batch_request(Message())


def test_old_clients_write_no_field_count_but_a_namespace() -> None:
    row = struct.pack(">I20sBBHH", 0, bytes(20), 0, 3, 0, 0) + b"\0\0\0\x05\0test"
    request = decode_batch_request(as_message(struct.pack(">IB", 1, 1) + row))
    assert request.rows[0].fields == (FORM[0],)


def test_recorded_batches_are_one_frame() -> None:
    for label, exchange in exchanges().items():
        if label.startswith("batch"):
            request = exchange.pairs[0][0]
            (frame,) = frames(request)
            assert encode_message_proto(messages(request)[0])[8:] == frame.body

"""The kernels' bytes: requests as `wire.batch` and the official client encode them; answers; digests."""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_rows import batches

from aerospike_magic.wire.batch import (
    BatchRequest,
    BatchResult,
    BatchRow,
    RowFlag,
    decode_batch_request,
    encode_batch_last,
    encode_batch_request,
    encode_batch_result,
)
from aerospike_magic.wire.digest import compute_digest, encode_key, partition_id
from aerospike_magic.wire.message import Field, FieldType, Info2, Op, OpType, decode_message, encode_message_proto
from aerospike_magic.wire.particle import encode_particle
from aerospike_magic.wire.proto import HEADER_SIZE
from aerospike_magic.write import WriteOptions, check_columns, kernels
from aerospike_magic.write.prepared import PENDING, PreparedBatch, Target

EXCHANGES = Path(__file__).parent.parent / "vectors" / "exchanges.jsonl"
ROW = int(RowFlag.INFO | RowFlag.GENERATION | RowFlag.TTL)


def request(prepared: PreparedBatch) -> bytes:
    rows = np.flatnonzero(prepared.codes == PENDING)
    out = np.empty(prepared.request_size(rows), np.uint8)
    return out[: prepared.request(rows, out)].tobytes()


def expected(batch: pa.RecordBatch, options: WriteOptions) -> bytes:
    fields = (Field(FieldType.NAMESPACE, b"test"), Field(FieldType.SET, "sät".encode()))
    rows = []
    for row in batch.to_pylist(maps_as_pydicts="strict"):
        key = row.pop("__key")
        values = {n: v for n, v in row.items() if v is not None or options.removes_nulls}
        if not values:
            continue
        ops = []
        for name, value in values.items():
            kind, data = encode_particle(value)
            ops.append(Op(OpType.WRITE, kind, name, data))
        sent = (Field(FieldType.KEY, encode_key(key)),) if options.send_key else ()
        digest = compute_digest("sät", key)
        of_row = {"info2": options.info2, "info3": options.info3, "record_ttl": options.ttl_s or 0}
        rows.append(BatchRow(len(rows), digest, ROW, 0, fields=fields + sent, ops=tuple(ops), **of_row))
    return encode_message_proto(encode_batch_request(BatchRequest(tuple(rows), total_timeout_ms=1000)))


@given(
    batches(),
    st.booleans(),
    st.sampled_from(["update", "update_only", "replace", "replace_only", "create_only"]),
    st.sampled_from([None, 5, 2**31 - 1]),
)
@settings(max_examples=150, deadline=None)
def test_a_request_has_the_bytes_of_the_plain_encoder(batch, send_key, mode, ttl_s):
    options = WriteOptions("__key", send_key=send_key, mode=mode, ttl_s=ttl_s)
    check_columns(batch.schema, options)
    prepared = PreparedBatch(batch, Target("test", "sät", options, 1000))
    if (prepared.codes == PENDING).any():
        assert request(prepared) == expected(batch, options)
    partitions = [partition_id(compute_digest("sät", row["__key"])) for row in batch.to_pylist()]
    assert prepared.partitions.tolist() == partitions


def test_generations_and_times_to_live_row_by_row():
    batch = pa.record_batch(
        {"__key": [1, 2, 3], "n": [1, 2, 3], "__ttl": [7, None, -1], "__generation": pa.array([1, None, 65535])}
    )
    options = WriteOptions(
        "__key", ttl_s=9, ttl_column="__ttl", generation_column="__generation", generation_policy="equal"
    )
    prepared = PreparedBatch(batch, Target("test", "s", options))
    message, _ = decode_message(request(prepared)[HEADER_SIZE:])
    rows = decode_batch_request(message).rows
    assert [row.record_ttl for row in rows] == [7, 9, 2**32 - 1]
    assert [row.generation for row in rows] == [1, 0, 65535]
    assert {row.info2 for row in rows} == {int(Info2.WRITE | Info2.GENERATION)}


@pytest.mark.parametrize("size", [0, 1, 37, 52, 53, 54, 55, 56, 57, 63, 64, 65, 119, 120, 121, 200, 1000])
def test_digests_around_the_ends_of_blocks(size):
    batch = pa.record_batch({"__key": ["x" * size, "y" * size], "n": [1, 2]})
    prepared = PreparedBatch(batch, Target("test", "ab", WriteOptions("__key")))
    assert [d.tobytes() for d in prepared.digests] == [compute_digest("ab", c * size) for c in "xy"]


def test_rows_are_cut_by_number_and_by_size():
    batch = pa.record_batch({"__key": list(range(10)), "t": ["x" * (1000 if i == 4 else 10) for i in range(10)]})
    prepared = PreparedBatch(batch, Target("test", "s", WriteOptions("__key")))
    rows = np.arange(10)
    assert [list(part) for part in prepared.cut(rows, 4, 1 << 20)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [len(part) for part in prepared.cut(rows, 100, 300)] == [4, 1, 4, 1]


def read(body: bytes, n_rows: int) -> tuple[int, list[int], int]:
    data = np.frombuffer(body, np.uint8)
    codes, last = np.full(n_rows, -8, np.int64), np.zeros(1, np.int64)
    state = kernels.read_answers(data.ctypes.data, len(data), codes.ctypes.data, n_rows, last.ctypes.data)
    return state, codes.tolist(), int(last[0])


def test_answers_in_any_order_with_fields_and_bins():
    one = encode_batch_result(BatchResult(2, 5))
    two = encode_batch_result(BatchResult(0, 0, 3, 9, (Op(1, 0, "n", b""),), (Field(4, b"x" * 20),)))
    assert read(one + two, 3) == (kernels.MORE, [0, -8, 5], 0)
    assert read(one + encode_batch_last(11), 3) == (kernels.LAST, [-8, -8, 5], 11)


def test_answers_that_are_none():
    good = encode_batch_result(BatchResult(0, 0, ops=(Op(1, 1, "n", b"x" * 8),)))
    for n_bytes in range(1, len(good)):
        assert read(good[:n_bytes], 1)[0] == kernels.MALFORMED
    assert read(encode_batch_result(BatchResult(1, 0)), 1)[0] == kernels.MALFORMED
    assert read(encode_batch_last() + good, 1)[0] == kernels.MALFORMED
    huge = bytearray(good)
    huge[22:26] = struct.pack(">I", 0xFFFFFFFF)
    assert read(bytes(huge), 1)[0] == kernels.MALFORMED


@pytest.mark.parametrize(
    ("label", "columns", "options"),
    [
        ("batch_write", {"a": [0, 1, 2], "n": ["n0", "n1", "n2"]}, WriteOptions("__key")),
        ("batch_write key", {"a": [10, 11, 12]}, WriteOptions("__key", send_key=True, ttl_s=-1)),
    ],
)
def test_a_request_has_the_bytes_of_the_official_client(label, columns, options):
    """But for its wish that every bin be answered: we want to know of rows only."""
    recorded = next(line for line in map(json.loads, EXCHANGES.read_text().splitlines()) if line["label"] == label)
    sent = base64.b64decode(recorded["exchanges"][0][0])
    batch = pa.record_batch({"__key": [f"bw{i}" for i in range(3)], **columns})
    ours = request(PreparedBatch(batch, Target("test", "vec", options, 1000)))
    message, _ = decode_message(sent[HEADER_SIZE:])
    asked = decode_batch_request(message)
    rows = tuple(replace(row, info2=row.info2 & ~Info2.RESPOND_ALL_OPS) for row in asked.rows)
    assert ours == encode_message_proto(encode_batch_request(replace(asked, rows=rows)))
    assert len(ours) == len(sent)

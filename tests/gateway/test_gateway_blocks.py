"""Columns as blocks: what is encoded comes back equal, however the Arrow array is laid out."""

from __future__ import annotations

import struct
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aerospike_magic.errors import WireError
from aerospike_magic.gateway.blocks import TYPES, decode_block, encode_block
from aerospike_magic.gateway.thrift import Reader, n_bytes

INT32, INT64 = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(max_size=12)
VALUES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "integer": (pa.int32(), INT32),
    "bigint": (pa.int64(), INT64),
    "double": (pa.float64(), st.floats(allow_nan=False)),
    "varchar": (pa.string(), TEXT),
    "boolean": (pa.bool_(), st.booleans()),
    "date": (pa.int32(), INT32),
    "timestamp": (pa.int64(), INT64),
    "json": (pa.string(), TEXT),
    "hyperloglog": (pa.binary(), st.binary(max_size=12)),
    "array(bigint)": (pa.list_(pa.int64()), st.lists(st.none() | INT64, max_size=4)),
}


def encoded(type: str, array: pa.Array | pa.ChunkedArray) -> bytes:
    parts = encode_block(type, array)
    data = b"".join(parts)
    assert len(data) == n_bytes(parts)
    return data


def decoded(data: bytes) -> tuple[str, pa.Array]:
    reader = Reader(data)
    found = decode_block(reader)
    assert reader.n_left == 0
    found[1].validate(full=True)
    return found


def test_every_type_is_tested() -> None:
    assert set(VALUES) == set(TYPES)


@pytest.mark.parametrize("type", TYPES)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_values_come_back_from_any_slice(type: str, data: st.DataObject) -> None:
    arrow, values = VALUES[type]
    listed = data.draw(st.lists(st.none() | values, max_size=40))
    array = pa.array(listed, arrow)
    start = data.draw(st.integers(0, len(listed)))
    stop = data.draw(st.integers(start, len(listed)))
    array = array.slice(start, stop - start)
    assert decoded(encoded(type, array)) == (type, pa.array(listed[start:stop], arrow))


@pytest.mark.parametrize("type", TYPES)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_column_in_pieces_is_that_in_one(type: str, data: st.DataObject) -> None:
    arrow, values = VALUES[type]
    listed = data.draw(st.lists(st.lists(st.none() | values, max_size=12), max_size=4))
    pieces = []
    for piece in listed:
        before = data.draw(st.integers(0, 3))
        pieces.append(pa.array([None] * before + piece, arrow).slice(before))
    whole = pa.array([value for piece in listed for value in piece], arrow)
    assert encoded(type, pa.chunked_array(pieces, arrow)) == encoded(type, whole)


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("count", [0, 1, 8, 9, 100])
def test_all_null_and_empty(type: str, count: int) -> None:
    arrow, _ = VALUES[type]
    nulls = pa.nulls(count, arrow)
    assert decoded(encoded(type, nulls)) == (type, nulls)
    # A column that a scan has not found anything in may have Arrow's type null.
    assert decoded(encoded(type, pa.nulls(count))) == (type, nulls)


@pytest.mark.parametrize(
    ("type", "array", "same_as"),
    [
        ("varchar", pa.array(["a", None, "bé"], pa.large_string()), ["a", None, "bé"]),
        ("json", pa.array([b"{}", None], pa.binary()), ["{}", None]),
        ("hyperloglog", pa.array([b"\xff\x00", None], pa.large_binary()), [b"\xff\x00", None]),
        ("date", pa.array([0, 20_000, None], pa.int32()).cast(pa.date32()), [0, 20_000, None]),
        ("timestamp", pa.array([-1, 1_700_000_000_123], pa.timestamp("ms")), [-1, 1_700_000_000_123]),
        ("array(bigint)", pa.array([[1, None], None, []], pa.large_list(pa.int64())), [[1, None], None, []]),
    ],
)
def test_arrow_types_of_the_same_layout(type: str, array: pa.Array, same_as: list[object]) -> None:
    assert decoded(encoded(type, array))[1].to_pylist() == same_as


def test_what_stands_behind_a_null_is_not_sent() -> None:
    offsets = pa.py_buffer(struct.pack("<4i", 0, 1, 7, 8))
    validity = pa.py_buffer(bytes([0b101]))
    texts = pa.Array.from_buffers(pa.string(), 3, [validity, offsets, pa.py_buffer(b"asecretb")])
    data = encoded("varchar", texts)
    assert b"secret" not in data
    assert decoded(data)[1].to_pylist() == ["a", None, "b"]
    numbers = pa.array(range(8), pa.int64())
    lists = pa.Array.from_buffers(pa.list_(pa.int64()), 3, [validity, offsets], children=[numbers])
    assert decoded(encoded("array(bigint)", lists))[1].to_pylist() == [[0], None, [7]]


def test_not_a_number_stays_one() -> None:
    (value,) = decoded(encoded("double", pa.array([float("nan")])))[1].to_pylist()
    assert value != value


def test_a_bigint_block_byte_by_byte() -> None:
    assert encoded("bigint", pa.array([1, None, -1])) == bytes.fromhex(
        "0c0002"  # field 2, a struct: bigintData
        "0f0001 02 00000003 000100"  # field 1, list<bool>: nulls
        "0f0002 0a 00000003 0000000000000001 0000000000000000 ffffffffffffffff"  # field 2, list<i64>: longs
        "00 00"
    )


def test_a_varchar_block_byte_by_byte() -> None:
    assert encoded("varchar", pa.array(["ab", "", "é"])) == bytes.fromhex(
        "0c0004"  # field 4, a struct: varcharData
        "0f0002 08 00000003 00000002 00000000 00000002"  # field 2, list<i32>: sizes
        "0b0003 00000004 6162c3a9"  # field 3, bytes
        "00 00"
    )


@pytest.mark.parametrize(("type", "array"), [("bigint", pa.array([1], pa.int32())), ("array(bigint)", pa.array([1]))])
def test_an_array_of_another_type_is_a_mistake_of_ours(type: str, array: pa.Array) -> None:
    with pytest.raises(ValueError, match="cannot be made of int"):
        encode_block(type, array)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("00", "0 columns"),
        ("0c0002 00 0c0001 00 00", "2 columns"),
        ("0c0002 0f0001 02 00000002 0000 00 00", "without its values"),
        ("0c0002 0f0001 02 00000001 00 0f0002 0a 00000000 00 00", "1 NULL flags and 0 values"),
        ("0c0002 0f0002 0a 7fffffff 00 00", "2,147,483,647 values where"),
        ("0c0002 0f0002 0a ffffffff 00 00", "-1 values where"),
        ("0c0002 0f0002 08 00000001 00000001 00 00", "of type 8 instead of I64"),
        ("0c0004 0f0002 08 00000001 00000002 0b0003 00000001 61 00 00", "do not add up"),
        ("0c0004 0f0002 08 00000002 00000002 ffffffff 0b0003 00000001 61 00 00", "do not add up"),
        ("0c0004 0f0002 08 00000001 00000001 0b0003 00000001 ff 00 00", "not UTF-8"),
        ("0c000a 0f0002 08 00000001 7fffffff 0c0003 0f0002 0a 00000000 00 00 00", "do not add up"),
    ],
)
def test_what_is_no_block(data: str, said: str) -> None:
    with pytest.raises(WireError, match=said):
        decode_block(Reader(bytes.fromhex(data)))

"""The decode kernel: every value arrives in its row and column, whatever the bytes are cut into."""

from __future__ import annotations

import math
import struct
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scan_answers import Decoded, protos, record

from aerospike_magic.errors import MismatchError, WireError
from aerospike_magic.scan import kernels
from aerospike_magic.scan.progress import N_PARTITIONS
from aerospike_magic.schema.types import Kind, bin_column, metadata_columns
from aerospike_magic.wire.digest import N_PARTITIONS as wire_partitions
from aerospike_magic.wire.digest import partition_id
from aerospike_magic.wire.message import Info3, Message, Op, OpType, ResultCode, encode_message
from aerospike_magic.wire.particle import GeoJSON
from aerospike_magic.wire.proto import MAX_BODY_SIZE, ProtoType, encode_proto

COLUMNS = [
    bin_column("i", Kind.INT64, pa.int64()),
    bin_column("a_long_bin_name", Kind.DOUBLE, pa.float64()),
    bin_column("s", Kind.STRING, pa.string()),
    bin_column("t", Kind.STRING, pa.string()),
    bin_column("b", Kind.BOOL, pa.bool_()),
    bin_column("y", Kind.BINARY, pa.binary()),
    bin_column("l", Kind.LIST, pa.list_(pa.int64())),
    bin_column("j", Kind.JSON, pa.string()),
]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "i": st.integers(-(2**63), 2**63 - 1),
    "a_long_bin_name": st.floats(),
    "s": st.text(max_size=40),
    "t": st.text(alphabet="aé世😀\0", max_size=60),
    "b": st.booleans(),
    "y": st.binary(max_size=40),
    "l": st.lists(st.integers(-5, 5), max_size=4),
}
RECORDS = st.lists(
    st.fixed_dictionaries({}, optional=VALUES).flatmap(lambda d: st.permutations(list(d.items())).map(dict)),
    max_size=60,
)


def expected(bins: dict[str, Any]) -> dict[str, Any]:
    return {c.name: bins.get(c.name) for c in COLUMNS}


def same(left: Any, right: Any) -> bool:
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, float) and isinstance(right, float):
        return struct.pack(">d", left) == struct.pack(">d", right) or (math.isnan(left) and math.isnan(right))
    return bool(left == right)


@settings(max_examples=60, deadline=None)
@given(RECORDS, st.integers(1, 400), st.integers(1, 50), st.sampled_from([1, 3, 8, 40, 1000]))
def test_every_value_arrives_in_its_row_and_column(
    records: list[dict[str, Any]], piece: int, per_proto: int, batch_rows: int
) -> None:
    data = protos((record(bins) for bins in records), per_proto)
    decoded = Decoded(COLUMNS, data, piece=piece, batch_rows=batch_rows)
    assert decoded.is_complete
    assert len(decoded.rows) == len(records)
    for got, bins in zip(decoded.rows, records, strict=True):
        assert same(got, expected(bins))
    assert not decoded.mismatches
    for batch in decoded.batches:
        batch.batch.validate(full=True)


def test_an_answer_may_be_cut_at_every_byte() -> None:
    records = [{"i": n, "s": f"text {n}" * n, "b": n % 2 == 0, "zz": n} for n in range(6)]
    data = protos((record(bins) for bins in records), 2)
    whole = Decoded(COLUMNS, data)
    for piece in range(1, 90):
        cut = Decoded(COLUMNS, data, piece=piece)
        assert cut.rows == whole.rows
        assert cut.decoder.unseen() == whole.decoder.unseen() == [("zz", 6, "0")]
    for end in range(len(data)):
        assert not Decoded(COLUMNS, data[:end]).is_complete


def test_a_value_longer_than_the_chunk_is_read() -> None:
    texts = ["x" * 700_000, "é" * 300_000, ""]
    decoded = Decoded(COLUMNS, protos(record({"s": text}) for text in texts))
    assert [row["s"] for row in decoded.rows] == texts


@pytest.mark.parametrize(
    ("column", "good", "bad"),
    [
        ("i", 7, 7.0),
        ("a_long_bin_name", 0.5, "0.5"),
        ("a_long_bin_name", 2**53, 2**53 + 1),
        ("a_long_bin_name", -(2**63), 2**63 - 1),
        ("s", "x", 1),
        ("b", True, 1),
        ("y", b"x", "x"),
        ("l", [1], ["x"]),
    ],
)
def test_a_value_that_does_not_fit_is_null_and_counted(column: str, good: Any, bad: Any) -> None:
    data = protos(record({column: value}) for value in (good, bad, good, bad, bad))
    for piece in (10_000, 1):
        decoded = Decoded(COLUMNS, data, piece=piece)
        assert [row[column] for row in decoded.rows] == [good, None, good, None, None]
        assert decoded.mismatches == {column: 3}
        index = [c.name for c in COLUMNS].index(column)
        assert str(bad).replace("'", '"')[:5] in decoded.decoder.builder.examples[index]


def test_text_that_is_not_utf8_does_not_fit() -> None:
    for raw in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"abcdefgh\xc3", b"\xe2\x82"):
        decoded = Decoded(COLUMNS, protos([record({"i": 1}, raw=[Op(OpType.READ, 3, "s", raw)])]))
        assert decoded.rows[0]["s"] is None
        assert decoded.mismatches == {"s": 1}
    for text in ("\x7f", "\x80", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff"):
        assert Decoded(COLUMNS, protos([record({"s": text})])).rows[0]["s"] == text


def test_on_mismatch_error_names_bin_value_and_remedy() -> None:
    with pytest.raises(MismatchError, match="bin i: .*wrong.* does not fit int64"):
        Decoded(COLUMNS, protos([record({"i": "wrong"})]), on_mismatch="error")


def test_bins_without_a_column_are_counted_only_where_all_bins_travel() -> None:
    data = protos([record({"i": 1, "new": "v"}), record({"new": 2, "newer": 3})])
    assert Decoded(COLUMNS, data).decoder.unseen() == [("new", 2, '"v"'), ("newer", 1, "3")]
    assert Decoded(COLUMNS, data, note_unseen=False).decoder.unseen() == []


def test_more_unknown_bins_than_can_be_named_are_counted_together() -> None:
    data = protos([record({f"bin{n}": n for n in range(100)})])
    unseen = Decoded(COLUMNS, data).decoder.unseen()
    assert len(unseen) == 65
    assert unseen[-1] == ("(further bins)", 36, "")


def test_names_that_differ_in_one_late_byte_are_told_apart() -> None:
    names = [f"prefix_of_{n:05d}" for n in range(300)]
    columns = [bin_column(name, Kind.INT64, pa.int64()) for name in names]
    shuffled = {name: i for i, name in enumerate(names) if i % 3} | {names[0]: 0}
    rows = Decoded(columns, protos([record(shuffled), record({}), record(shuffled)])).rows
    assert rows[0] == rows[2] == {name: shuffled.get(name) for name in names}
    assert set(rows[1].values()) == {None}


def test_metadata_columns() -> None:
    key = bin_column("x", Kind.INT64, pa.int64())
    metadata = {c.name: c for c in metadata_columns()}
    digest = bytes(range(20))
    data = protos([record({"x": 1}, key="k", digest=digest, generation=7), record({"x": 2}, void_time=1)])
    rows = Decoded([*metadata.values(), key], data).rows
    assert rows[0] == {"__key": "k", "__digest": digest, "__generation": 7, "__ttl": -1, "x": 1}
    assert rows[1] == {"__key": None, "__digest": bytes(20), "__generation": 1, "__ttl": 0, "x": 2}


def test_geojson_is_its_text() -> None:
    text = '{"type": "Point", "coordinates": [1, 2]}'
    columns = [bin_column("g", Kind.GEOJSON, pa.string())]
    assert Decoded(columns, protos([record({"g": GeoJSON(text)})])).rows == [{"g": text}]


def test_no_columns_still_count_rows() -> None:
    decoded = Decoded([], protos([record({}), record({})]), note_unseen=False)
    assert [b.batch.num_rows for b in decoded.batches] == [2]


def test_resume_points_are_the_last_records_of_their_partitions() -> None:
    digests = [bytes([n, 0, k]) + bytes(17) for n in range(3) for k in range(4)]
    decoded = Decoded(COLUMNS, protos(record({"i": 1}, digest=d) for d in digests))
    for n in range(3):
        assert decoded.resume.digest(partition_id(digests[4 * n])) == digests[4 * n + 3]
    assert decoded.resume.digest(77) is None
    assert decoded.resume.known.sum() == 3


def test_a_record_that_came_in_part_is_not_a_resume_point() -> None:
    whole = record({"i": 1}, digest=bytes([1]) + bytes(19))
    part = record({"i": 2}, digest=bytes([1, 0, 9]) + bytes(17))
    data = encode_proto(ProtoType.MESSAGE, whole + part)
    decoded = Decoded(COLUMNS, data[:-3])
    assert decoded.resume.digest(1) == bytes([1]) + bytes(19)
    decoded.decoder.flush()
    assert [row["i"] for row in decoded.rows] == [1]


def test_partitions_that_are_unavailable_and_refusals_are_told() -> None:
    marks = [Message(info3=Info3.PARTITION_DONE, result_code=ResultCode.UNAVAILABLE, generation=p) for p in (5, 4095)]
    body = b"".join(map(encode_message, marks)) + record({"i": 1})
    decoded = Decoded(COLUMNS, encode_proto(ProtoType.MESSAGE, body) + protos([]))
    assert decoded.decoder.answer().unavailable == (5, 4095)
    assert decoded.decoder.answer().result_code == 0
    assert decoded.rows[0]["i"] == 1
    refusal = encode_message(Message(result_code=ResultCode.PARAMETER))
    refused = Decoded(COLUMNS, encode_proto(ProtoType.MESSAGE, refusal))
    assert refused.decoder.answer().result_code == ResultCode.PARAMETER


def test_the_same_bin_twice_in_a_record_is_malformed() -> None:
    with pytest.raises(WireError, match="malformed"):
        Decoded(COLUMNS, protos([record({"i": 1}, raw=[Op(OpType.READ, 1, "i", bytes(8))])]))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_hostile_bytes_give_rows_or_a_clear_error(data: st.DataObject) -> None:
    records = [{"i": 5, "s": "text", "l": [1, 2], "y": b"\0", "b": True, "new": 1}] * 3
    good = bytearray(protos((record(bins, key="k") for bins in records), 2))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(good) - 1))
        good[at] = data.draw(st.integers(0, 255))
    try:
        decoded = Decoded([*metadata_columns(), *COLUMNS], bytes(good), piece=data.draw(st.sampled_from([7, 100_000])))
    except WireError:
        return
    decoded.decoder.flush()
    for batch in decoded.batches:
        batch.batch.validate(full=True)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_never_crash(data: bytes) -> None:
    for head in (b"", bytes([2, 3, 0, 0, 0, 0, 0, len(data) % 256])):
        try:
            Decoded(COLUMNS, head + data)
        except WireError:
            continue


def test_the_kernels_numbers_are_those_of_the_other_rooms() -> None:
    assert N_PARTITIONS == wire_partitions == 4096
    kinds = (Kind.INT64, Kind.DOUBLE, Kind.STRING, Kind.BOOL, Kind.BINARY, Kind.GEOJSON)
    names = ("K_INT64", "K_DOUBLE", "K_STRING", "K_BOOL", "K_BINARY", "K_GEOJSON")
    assert [getattr(kernels, name) for name in names] == [int(kind) for kind in kinds]
    assert min(int(kind) for kind in Kind if kind not in kinds) > kernels.K_GEOJSON
    assert kernels.MAX_PROTO_SIZE == MAX_BODY_SIZE

"""Thrift's binary protocol: whatever bytes arrive, values or one `WireError` come out, within bounded memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aerospike_magic.errors import WireError
from aerospike_magic.gateway import structures as s
from aerospike_magic.gateway import thrift
from aerospike_magic.gateway.blocks import decode_block
from aerospike_magic.gateway.calls import METHODS, read_arguments, read_result, write_arguments
from aerospike_magic.gateway.messages import (
    AllOrNone,
    ColumnMetadata,
    Domain,
    Equatable,
    HostAddress,
    Page,
    Range,
    Ranges,
    ServiceError,
    Split,
    SplitBatch,
    TableMetadata,
    TableName,
    TupleDomain,
)
from aerospike_magic.gateway.thrift import Fault, Kind, Reader, Type

TABLE = TableName("test", "items?rps=5")
CONSTRAINT = TupleDomain(
    {
        "a": Domain(Ranges((Range(1, True, 1, True), Range(5, False, 9, True), Range(20, True, None, False))), False),
        "b": Domain(Ranges((Range(None, False, "zé", False),)), True),
        "c": Domain(Equatable(False, ("{}", "[1]")), False),
        "d": Domain(AllOrNone(True), False),
        "e": Domain(Ranges(()), True),
        "f": Domain(Ranges((Range(0.5, False, float("inf"), True),)), False),
        "g": Domain(Ranges((Range(False, True, False, True),)), False),
        "h": Domain(Ranges((Range(19_000, True, 19_001, False),)), False),
        "i": Domain(Ranges((Range(-5, True, None, False),)), False),
    }
)
TYPES = {
    "a": "bigint",
    "b": "varchar",
    "c": "json",
    "d": "hyperloglog",
    "e": "bigint",
    "f": "double",
    "g": "boolean",
    "h": "date",
    "i": "timestamp",
}


def split_call() -> bytes:
    body = write_arguments(
        (Type.STRUCT, s.write_table_name(TABLE)),
        (Type.STRUCT, s.write_column_set(frozenset({"a", "b"}))),
        (Type.STRUCT, s.write_constraint(CONSTRAINT, TYPES)),
        (Type.I32, thrift.i32(1000)),
        (Type.STRUCT, s.write_token(b"t")),
    )
    return b"".join(thrift.frame_message(Kind.CALL, "trinoGetSplits", 7, body))


def index_call() -> bytes:
    body = write_arguments(
        (Type.STRUCT, s.write_table_name(TABLE)),
        (Type.LIST, s.write_texts(["a", "b"])),
        (Type.LIST, s.write_texts(["a", "b", "c"])),
        (Type.STRUCT, s.write_keys([[1, 2, 3], ["x", "", "é"]], ["bigint", "varchar"])),
        (Type.STRUCT, s.write_constraint(TupleDomain(None), {})),
        (Type.I32, thrift.i32(10)),
        (Type.STRUCT, s.write_token(None)),
    )
    return b"".join(thrift.frame_message(Kind.CALL, "prestoGetIndexSplits", -1, body))


def rows_call() -> bytes:
    body = write_arguments(
        (Type.STRUCT, s.write_id(b"\xff\x00split")),
        (Type.LIST, s.write_texts(["a"])),
        (Type.I64, thrift.i64(1 << 20)),
        (Type.STRUCT, s.write_token(None)),
    )
    return b"".join(thrift.frame_message(Kind.CALL, "trinoGetRows", 2**31 - 1, body))


CALLS = [split_call(), index_call(), rows_call()]


def read_call(frame: bytes) -> tuple[thrift.Message, Any]:
    message = thrift.read_message(frame[thrift.HEADER_SIZE :])
    return message, read_arguments(METHODS[message.name], message.body)


def test_a_call_for_splits() -> None:
    frame = split_call()
    assert thrift.frame_size(frame[:4]) == len(frame) - 4
    message, arguments = read_call(frame)
    assert (message.kind, message.name, message.sequence) == (Kind.CALL, "trinoGetSplits", 7)
    found = [arguments[number] for number in range(1, 6)]
    assert found == [TABLE, frozenset({"a", "b"}), CONSTRAINT, 1000, b"t"]
    assert message.body.n_left == 0


def test_a_call_for_index_splits() -> None:
    message, arguments = read_call(index_call())
    assert (message.name, message.sequence) == ("prestoGetIndexSplits", -1)
    assert [arguments[number] for number in range(1, 7)] == [
        TABLE,
        ["a", "b"],
        ["a", "b", "c"],
        [[1, 2, 3], ["x", "", "é"]],
        TupleDomain(None),
        10,
    ]
    assert arguments[7] is None


def test_a_call_for_rows_byte_by_byte() -> None:
    assert rows_call() == bytes.fromhex(
        "00000047"
        "80010001 0000000c 7472696e6f476574526f7773 7fffffff"
        "0c0001 0b0001 00000007 ff0073706c6974 00"
        "0f0002 0b 00000001 00000001 61"
        "0a0003 0000000000100000"
        "0c0004 00"
        "00"
    )


def test_marks_become_ranges() -> None:
    mark = bytes.fromhex("0c0001 0c0002 0f0002 0a 00000001 0000000000000005 00 00")
    below, exactly, above = (bytes.fromhex(f"080002 0000000{bound} 00") for bound in (1, 2, 3))
    marks = {"(5": mark + above, "[5": mark + exactly, "(": above, "5)": mark + below, "5]": mark + exactly, ")": below}

    def read(low: str, high: str) -> Any:
        ranges = bytes.fromhex("0c0003 0f0001 0c 00000001 0c0001") + marks[low] + bytes.fromhex("0c0002") + marks[high]
        domain = bytes.fromhex("0c0001") + ranges + b"\0" * 3 + bytes.fromhex("020002 00 00")
        constraint = bytes.fromhex("0d0001 0b 0c 00000001 00000001 61") + domain + b"\0"
        return s.read_constraint(Reader(constraint)).domains["a"].values.ranges[0]  # type: ignore[index, union-attr]

    assert read("[5", "5]") == Range(5, True, 5, True)
    assert read("(5", ")") == Range(5, False, None, False)
    assert read("[5", ")") == Range(5, True, None, False)
    assert read("(", "5)") == Range(None, False, 5, False)
    assert read("(", "5]") == Range(None, False, 5, True)
    with pytest.raises(WireError, match="below its lower mark"):
        read("5)", ")")


METADATA = TableMetadata(
    TABLE,
    (ColumnMetadata("a", "bigint"), ColumnMetadata("__digest", "varchar", "of the key", True)),
    "a set",
    (frozenset({"a"}), frozenset({"a", "b"})),
)
SPLITS = SplitBatch((Split(b"\x00one", (HostAddress("h", 1), HostAddress("::1", 2))), Split(b"two")), b"next")


@pytest.mark.parametrize(
    ("written", "read", "value"),
    [
        (s.write_table_metadata(METADATA), s.read_table_metadata, METADATA),
        (s.write_table_metadata(None), s.read_table_metadata, None),
        (s.write_split_batch(SPLITS), s.read_split_batch, SPLITS),
        (s.write_split_batch(SplitBatch(())), s.read_split_batch, SplitBatch(())),
        (s.write_nullable_text(None), s.read_nullable_text, None),
        (s.write_nullable_text("é"), s.read_nullable_text, "é"),
        (s.write_column_set(None), s.read_column_set, None),
        (s.write_column_set(frozenset()), s.read_column_set, frozenset()),
        (b"".join(s.write_page(Page((), (), 5, b"t"))), s.read_page, Page((), (), 5, b"t")),
    ],
)
def test_structures_come_back(written: bytes, read: Callable[[Reader], Any], value: Any) -> None:
    reader = Reader(written)
    assert read(reader) == value
    assert reader.n_left == 0


def test_a_service_error_comes_back() -> None:
    from aerospike_magic.gateway.calls import error_body

    body = Reader(b"".join(error_body(ServiceError("node lost", retryable=True))))
    with pytest.raises(ServiceError, match="node lost") as raised:
        read_result(METHODS["trinoGetRows"], body)
    assert raised.value.retryable


def test_an_application_exception_comes_back() -> None:
    found = thrift.read_exception(Reader(thrift.exception_body(Fault.UNKNOWN_METHOD, "no such method")))
    assert (found.message, found.fault) == ("no such method", 1)


def test_both_engines_names() -> None:
    assert len(METHODS) == 12
    assert METHODS["trinoGetRows"] is METHODS["prestoGetRows"]


def test_unknown_fields_are_skipped() -> None:
    unknown = bytes.fromhex(
        "020009 01 03000a 05 04000b 0000000000000000 06000c 0001 08000d 00000001 0a000e 0000000000000001"
        "0b000f 00000001 61 0c0010 0b0001 00000000 00 0d0011 0b 0c 00000001 00000000 00 0e0012 08 00000002"
        "0000000000000000 0f0013 0f 00000001 0b 00000001 00000000 0d0014 00 00 00000000"
    )
    reader = Reader(unknown + s.write_table_name(TABLE))
    assert s.read_table_name(reader) == TABLE
    assert reader.n_left == 0


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("", "4 bytes were expected where 0 are left"),
        ("00000001", "instead of 0x8001"),
        ("80010009 00000000 00000000", "no kind of message 9"),
        ("80010001 7fffffff", "a string of 2,147,483,647 bytes where 0 are left"),
        ("80010001 ffffffff", "a string of -1 bytes"),
        ("80010001 00000001 ff 00000000", "not UTF-8"),
    ],
)
def test_what_is_no_message(data: str, said: str) -> None:
    with pytest.raises(WireError, match=said):
        thrift.read_message(bytes.fromhex(data))


@pytest.mark.parametrize(
    ("method", "body", "said"),
    [
        ("trinoGetRows", "00", "a call without its field 1"),
        ("trinoGetTableMetadata", "0c0001 0b0001 00000000 00 00", "a table's name without its field 2"),
        ("trinoGetTableMetadata", "080001 00000000 00", "field 1 is of type 8 instead of STRUCT"),
        ("trinoListTables", "0c0001 00 0c0005" + "0c0001" * 20, "nested deeper than 16"),
        ("trinoListTables", "0c0001 00 0f0005" + "0f00000001" * 20, "nested deeper than 16"),
        ("trinoListTables", "0c0001 00 0d0005 0b 0b 7fffffff", "2,147,483,647 values"),
        ("trinoListTables", "0c0001 00 070005 00", "no type 7"),
        ("trinoListTables", "0c0001 00", "1 bytes were expected where 0 are left"),
    ],
)
def test_what_is_no_call(method: str, body: str, said: str) -> None:
    with pytest.raises(WireError, match=said):
        read_arguments(METHODS[method], Reader(bytes.fromhex(body)))


def test_what_is_not_known_is_skipped_for_a_while_only() -> None:
    many = bytes.fromhex("0f0063 0c 00100000") + bytes(1 << 20)
    with pytest.raises(WireError, match="more than 10,000 values of fields that are not known"):
        s.read_constraint(Reader(many + b"\0"))
    # Numbers are passed over at once, however many.
    assert s.read_constraint(Reader(bytes.fromhex("0f0063 0a 00020000") + bytes(1 << 20) + b"\0")) == TupleDomain(None)


def test_a_call_for_no_bytes_is_refused() -> None:
    mutant = rows_call().replace(thrift.i64(1 << 20), thrift.i64(-1))
    with pytest.raises(WireError, match="at most -1 bytes"):
        read_call(mutant)


READERS: list[Callable[[Reader], Any]] = [
    decode_block,
    s.read_page,
    s.read_constraint,
    s.read_split_batch,
    s.read_table_metadata,
    *(lambda reader, method=method: read_arguments(method, reader) for method in METHODS.values()),
    *(lambda reader, method=method: read_result(method, reader) for method in METHODS.values()),
]


def survive(read: Callable[[Reader], Any], data: bytes) -> None:
    try:
        read(Reader(data))
    except (WireError, ServiceError) as error:
        assert str(error) is not None


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes(data: bytes) -> None:
    for read in READERS:
        survive(read, data)
    survive(lambda _: thrift.read_message(data), b"")


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(CALLS), st.data())
def test_calls_mutated(frame: bytes, data: st.DataObject) -> None:
    mutant = bytearray(frame[4:])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutant) - 1))
        change = data.draw(st.sampled_from(["byte", "cut", "grow", "huge"]))
        if change == "byte":
            mutant[at] = data.draw(st.integers(0, 255))
        elif change == "cut":
            del mutant[at : at + data.draw(st.integers(1, 9))]
        elif change == "grow":
            mutant[at:at] = data.draw(st.binary(max_size=9))
        else:
            mutant[at : at + 4] = b"\xff" * 4
        if not mutant:
            return

    def read(_: Reader) -> None:
        message = thrift.read_message(mutant)
        if message.name in METHODS:
            read_arguments(METHODS[message.name], message.body)

    survive(read, b"")


@pytest.mark.parametrize(
    "data",
    [
        bytes.fromhex("0c0001") * 50_000,
        bytes.fromhex("0f0001 0c 0001ffff") + bytes(1 << 17),
        bytes.fromhex("0d0001 0b 0c 0001ffff") + bytes(1 << 17),
        bytes.fromhex("0f0063 0c 0001ffff") + bytes(1 << 17),
        bytes.fromhex("0f0063") + bytes.fromhex("0f 0001ffff") * 20_000,
        bytes.fromhex("0c0004 0f0001 02 7fffffff") + bytes(1 << 17),
        bytes.fromhex("0c0002 0f0002 0a 0fffffff") + bytes(1 << 17),
    ],
    ids=range(7),
)
def test_huge_claims_cost_nothing(data: bytes) -> None:
    tracemalloc.start()
    try:
        for read in READERS:
            survive(read, data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * len(data) + 1_000_000

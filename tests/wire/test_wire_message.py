"""Messages: what is written is read, and what does not hold is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aerospike_magic.errors import WireError
from aerospike_magic.wire import (
    Field,
    FieldType,
    Info3,
    Message,
    Op,
    OpType,
    ParticleType,
    ResultCode,
    decode_message,
    encode_message,
    iter_messages,
    result_text,
)

u8, u32 = st.integers(0, 255), st.integers(0, 2**32 - 1)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=15)
fields = st.lists(st.builds(Field, u8, st.binary(max_size=30)), max_size=4).map(tuple)
ops = st.lists(st.builds(Op, u8, u8, names, st.binary(max_size=30), u8), max_size=4).map(tuple)
MESSAGES = st.builds(Message, u8, u8, u8, u8, u8, u32, u32, u32, fields, ops)

SMALL = Message(
    info1=1,
    fields=(Field(FieldType.NAMESPACE, b"test"),),
    ops=(Op(OpType.READ, ParticleType.INTEGER, "a", bytes(8)),),
)


@given(st.lists(MESSAGES, max_size=3))
def test_messages_come_back(sent: list[Message]) -> None:
    body = b"".join(map(encode_message, sent))
    assert list(iter_messages(body)) == sent
    assert list(iter_messages(memoryview(body))) == sent


def test_a_message_is_read_from_its_place() -> None:
    data = encode_message(SMALL)
    assert decode_message(b"xx" + data + b"yy", 2) == (SMALL, 2 + len(data))


@pytest.mark.parametrize("cut", range(len(encode_message(SMALL))))
def test_a_message_cut_anywhere_is_refused(cut: int) -> None:
    with pytest.raises(WireError):
        decode_message(encode_message(SMALL)[:cut])


def test_messages_before_a_broken_one_are_yielded() -> None:
    messages = iter_messages(encode_message(SMALL) + b"\x16broken")
    assert next(messages) == SMALL
    with pytest.raises(WireError):
        next(messages)


@pytest.mark.parametrize("offset", [-1, -22, 23, 10**9])
def test_an_offset_outside_is_refused(offset: int) -> None:
    with pytest.raises(WireError):
        decode_message(bytes(22), offset)


def patched(at: int, data: bytes) -> bytes:
    whole = bytearray(encode_message(SMALL))
    whole[at : at + len(data)] = data
    return bytes(whole)


@pytest.mark.parametrize(
    "data",
    [
        patched(0, b"\x15"),
        patched(18, b"\xff\xff"),
        patched(20, b"\xff\xff"),
        patched(22, b"\0\0\0\0"),
        patched(22, b"\xff\xff\xff\xff"),
        patched(31, b"\xff\xff\xff\xff"),
        patched(31, b"\0\0\0\x03"),
        patched(31, b"\0\0\0\x04"),  # a size with no room for the name
        patched(38, b"\xff"),
        patched(39, b"\xff"),
    ],
)
def test_a_message_that_does_not_hold_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        decode_message(data)


@pytest.mark.parametrize(
    "message",
    [
        replace(SMALL, info1=256),
        replace(SMALL, result_code=-1),
        replace(SMALL, generation=2**32),
        replace(SMALL, record_ttl=-1),
        replace(SMALL, fields=(Field(256, b""),)),
        replace(SMALL, fields=(Field(0, b""),) * 65536),
        replace(SMALL, ops=(Op(1, 300, "a", b""),)),
        replace(SMALL, ops=(Op(1, 1, "a" * 256, b""),)),
        replace(SMALL, ops=(Op(1, 1, "\ud800", b""),)),
    ],
)
def test_a_message_that_has_no_bytes_is_refused(message: Message) -> None:
    with pytest.raises(WireError):
        encode_message(message)


def test_the_first_field_of_a_type_counts() -> None:
    message = Message(fields=(Field(1, b"a"), Field(1, b"b")), info3=int(Info3.LAST))
    assert message.field(FieldType.SET) == b"a" and message.field(FieldType.KEY) is None
    assert message.is_last and not SMALL.is_last


def test_every_result_code_has_words() -> None:
    texts = [result_text(code) for code in ResultCode]
    assert len(set(texts)) == len(texts)
    assert not any(text.startswith("result code") for text in texts)
    assert result_text(199) == "result code 199"

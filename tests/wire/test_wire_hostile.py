"""Whatever bytes arrive, only `WireError` comes out, soon, and within bounded memory."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire_vectors import all_bytes

from aerospike_magic.errors import WireError
from aerospike_magic.wire import (
    Frame,
    FrameDecoder,
    Message,
    ParticleType,
    ProtoType,
    decode_admin_request,
    decode_batch_request,
    decode_batch_response,
    decode_cdt,
    decode_info_request,
    decode_info_response,
    decode_key,
    decode_login_request,
    decode_login_response,
    decode_message,
    decode_particle,
    decode_query_request,
    encode_cdt,
    iter_messages,
    parse_info_failure,
    parse_info_list,
)

# Long partition maps and scans are mutated in their first part, the rest is more of the same.
RECORDED = [data[:4000] for data in all_bytes()]


def _query(body: bytes) -> Any:
    return decode_query_request(decode_message(body)[0])


def _batch(body: bytes) -> Any:
    return decode_batch_request(decode_message(body)[0])


def _bins(body: bytes) -> Any:
    return [_op_values(message) for message in iter_messages(body)]


def _op_values(message: Message) -> list[Any]:
    return [decode_particle(op.particle_type, op.data) for op in message.ops]


DECODERS: list[Callable[[bytes], Any]] = [
    decode_message,
    _bins,
    _query,
    _batch,
    decode_batch_response,
    decode_info_request,
    decode_info_response,
    decode_login_request,
    decode_login_response,
    decode_admin_request,
    decode_cdt,
    decode_key,
]


def survive(decode: Callable[[bytes], Any], data: bytes) -> None:
    try:
        decode(data)
    except WireError as error:
        assert str(error)


@given(st.binary(max_size=300))
def test_random_bytes(data: bytes) -> None:
    for decode in DECODERS:
        survive(decode, data)
    for particle_type in [*ParticleType, 5, 99]:
        survive(lambda data, kind=particle_type: decode_particle(kind, data), data)


@given(st.text(max_size=100))
def test_random_answers(text: str) -> None:
    parse_info_failure(text)
    parse_info_list(text)


def read_stream(data: bytes) -> None:
    decoder = FrameDecoder()
    decoder.feed(data)
    for frame in decoder.frames():
        read_frame(frame)


def read_frame(frame: Frame) -> None:
    if frame.type is ProtoType.MESSAGE:
        for decode in (_bins, _query, _batch):
            survive(decode, frame.body)
    else:
        for decode in (decode_info_request, decode_info_response, decode_login_request, decode_admin_request):
            survive(decode, frame.body)


@settings(max_examples=300, suppress_health_check=[HealthCheck.data_too_large])
@given(st.sampled_from(RECORDED), st.data())
def test_recorded_bytes_mutated(recorded: bytes, data: st.DataObject) -> None:
    mutant = bytearray(recorded)
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
    survive(read_stream, bytes(mutant))
    # Behind a header that holds, the mutation reaches what the header protects.
    survive(lambda body: read_frame(Frame(ProtoType.MESSAGE, body)), bytes(mutant[8:]))


def test_every_byte_of_a_message_flipped() -> None:
    for recorded in (data for data in RECORDED if data[1] == ProtoType.MESSAGE and len(data) < 200):
        for at in range(8, len(recorded)):
            for value in (0x00, 0x7F, 0x80, 0xFF):
                mutant = bytearray(recorded)
                mutant[at] = value
                survive(lambda body: read_frame(Frame(ProtoType.MESSAGE, body)), bytes(mutant[8:]))


@pytest.mark.parametrize(
    "data",
    [
        b"\x91" * 1_000_000,
        b"\x81" * 1_000_000,
        b"\xdd\x00\x0f\xff\xff" * 200_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\x91\xc9\xff\xff\xff\xff\x01",
        b"\x16" + b"\xff" * 21,
        b"\x16" + bytes(17) + b"\xff\xff\xff\xff" + b"\xff" * 100,
        b"\x00\x00\x00\xff" + b"\xff" * 12,
    ],
    ids=range(11),
)
def test_huge_claims_cost_nothing(data: bytes) -> None:
    tracemalloc.start()
    try:
        for decode in DECODERS:
            survive(decode, data)
        survive(lambda body: decode_particle(ParticleType.LIST, body), data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * len(data) + 1_000_000


@pytest.mark.parametrize("levels", [400, 800])
def test_a_deep_caller_still_gets_a_wire_error(levels: int) -> None:
    loop: list[Any] = []
    loop.append(loop)

    def call(left: int) -> None:
        if left:
            call(left - 1)
            return
        for decode, data in ((decode_cdt, b"\x91" * 10_000), (encode_cdt, loop)):
            with pytest.raises(WireError, match="nested"):
                decode(data)  # type: ignore[operator]

    call(levels)


def test_noise_on_a_stream() -> None:
    decoder = FrameDecoder()
    with pytest.raises(WireError):
        for _ in range(100):
            decoder.feed(b"\x07" + os.urandom(100))
            decoder.next_frame()

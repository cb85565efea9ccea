"""Frames: a stream in any pieces becomes the same frames; nothing declared is believed."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_vectors import all_bytes, exchanges, frames

from aerospike_magic.errors import WireError
from aerospike_magic.wire import (
    HEADER_SIZE,
    MAX_BODY_SIZE,
    Frame,
    FrameDecoder,
    ProtoType,
    compress_frame,
    decode_header,
    encode_proto,
)
from aerospike_magic.wire.proto import decompress_body

PLAIN = [ProtoType.INFO, ProtoType.SECURITY, ProtoType.MESSAGE]
frame_lists = st.lists(st.builds(Frame, st.sampled_from(PLAIN), st.binary(max_size=60)), max_size=6)


def header(version: int = 2, kind: int = 3, size: int = 0) -> bytes:
    return bytes((version, kind)) + size.to_bytes(6, "big")


@given(frame_lists, st.data())
def test_pieces_make_no_difference(sent: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(compress_frame(f) if data.draw(st.booleans()) else encode_proto(f.type, f.body) for f in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = FrameDecoder()
    got = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        decoder.feed(stream[start:end])
        got += decoder.frames()
    assert got == sent
    assert decoder.n_buffered == 0 and decoder.next_frame() is None


@pytest.mark.parametrize("label", ["batch_read", "info sets", "put list", "sindex equals str"])
def test_recorded_streams_may_be_split_at_every_byte(label: str) -> None:
    for stream in (data for pair in exchanges()[label].pairs for data in pair):
        whole = frames(stream)
        for cut in range(len(stream) + 1):
            decoder = FrameDecoder()
            decoder.feed(stream[:cut])
            got = list(decoder.frames())
            decoder.feed(memoryview(stream)[cut:])
            assert got + list(decoder.frames()) == whole


def test_a_stream_may_come_byte_by_byte() -> None:
    stream = b"".join(data for data in all_bytes() if len(data) < 3000)
    decoder = FrameDecoder()
    got = []
    for i in range(len(stream)):
        decoder.feed(stream[i : i + 1])
        got += decoder.frames()
    assert got == frames(stream)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        header()[:7],
        header(version=1),
        header(version=0x16),
        header(kind=0),
        header(kind=5),
        header(kind=255),
        header(size=MAX_BODY_SIZE + 1),
        header(size=2**48 - 1),
        b"HTTP/1.1 400 Bad Request",
        b"\x15\x03\x01\x00\x02\x02P",  # a TLS alert
    ],
)
def test_what_is_no_header_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        decode_header(data)


def test_the_limit_is_included() -> None:
    assert decode_header(header(size=MAX_BODY_SIZE)) == (ProtoType.MESSAGE, MAX_BODY_SIZE)
    assert decode_header(header(size=9), max_body_size=9) == (ProtoType.MESSAGE, 9)
    with pytest.raises(WireError):
        decode_header(header(size=10), max_body_size=9)


def test_an_error_shows_before_the_body_and_stays() -> None:
    decoder = FrameDecoder(max_body_size=100)
    decoder.feed(header(size=101))
    for _ in range(2):
        with pytest.raises(WireError, match="101"):
            decoder.next_frame()
    with pytest.raises(WireError, match="101"):
        decoder.feed(b"more")


def test_frames_before_an_error_are_not_lost() -> None:
    decoder = FrameDecoder()
    decoder.feed(encode_proto(ProtoType.INFO, b"x") + header(version=9))
    assert decoder.next_frame() == Frame(ProtoType.INFO, b"x")
    with pytest.raises(WireError):
        decoder.next_frame()


def test_a_body_beyond_the_limit_is_not_sent() -> None:
    with pytest.raises(WireError):
        encode_proto(ProtoType.MESSAGE, bytes(MAX_BODY_SIZE + 1))


# --- compressed
# --------------------------------------------------------------------------------------------------


def compressed(plain: bytes, declared: int | None = None) -> bytes:
    return struct.pack(">Q", len(plain) if declared is None else declared) + zlib.compress(plain)


MESSAGE = encode_proto(ProtoType.MESSAGE, b"abc" * 100)


def test_a_compressed_frame_comes_out_plain() -> None:
    frame = Frame(ProtoType.MESSAGE, b"abc" * 100)
    data = compress_frame(frame)
    assert len(data) < len(MESSAGE) and data[1] == ProtoType.COMPRESSED
    assert frames(data) == [frame]
    assert decompress_body(compressed(MESSAGE)) == frame


@pytest.mark.parametrize(
    "body",
    [
        b"",
        bytes(7),
        compressed(MESSAGE)[:8],
        compressed(MESSAGE)[:-1],
        compressed(MESSAGE) + b"x",
        compressed(MESSAGE, len(MESSAGE) - 1),
        compressed(MESSAGE, len(MESSAGE) + 1),
        compressed(MESSAGE, 0),
        compressed(MESSAGE, 2**63),
        compressed(MESSAGE + b"x"),
        compressed(MESSAGE[:-1]),
        compressed(header(version=3)),
        compressed(encode_proto(ProtoType.COMPRESSED, compressed(MESSAGE))),
        struct.pack(">Q", 308) + b"this is not zlib",
    ],
)
def test_a_compressed_frame_that_does_not_hold_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        decompress_body(body)


def test_a_bomb_is_not_inflated() -> None:
    bomb = zlib.compress(bytes(50 << 20))
    with pytest.raises(WireError):
        decompress_body(struct.pack(">Q", 50 << 20) + bomb, max_body_size=1 << 20)
    with pytest.raises(WireError):
        decompress_body(struct.pack(">Q", 1000) + bomb)


def test_compressed_twice_is_refused() -> None:
    with pytest.raises(WireError):
        compress_frame(Frame(ProtoType.COMPRESSED, b""))


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_an_error(data: bytes) -> None:
    decoder = FrameDecoder()
    decoder.feed(data)
    try:
        found = list(decoder.frames())
    except WireError:
        return
    assert sum(HEADER_SIZE + len(frame.body) for frame in found) + decoder.n_buffered == len(data)

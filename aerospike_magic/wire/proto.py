"""Frames: the 8-byte proto header that stands before everything either side sends.

::

    version u8 (2) | type u8 | body size u48, big-endian | body

A stream of bytes becomes frames in `FrameDecoder`, whatever the pieces it is fed in. The decoder never
believes a declared size beyond its limit, so a peer cannot make us wait for, or hold, more than that.

A COMPRESSED frame carries another whole proto: its original size (u64, big-endian, header included), then
zlib data. The decoder inflates it on the way, so its users see only plain frames.

Sources: Aerospike server, as/include/base/proto.h (`as_proto`, `as_comp_proto`, `PROTO_SIZE_MAX`); Aerospike
C client, as_proto.h and as_command.h (`as_command_compress_write_end`).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from aerospike_magic.errors import WireError

PROTO_VERSION = 2
HEADER_SIZE = 8
MAX_BODY_SIZE = 128 << 20
"""The server's own limit on a frame (PROTO_SIZE_MAX); 134,217,728 bytes."""

_UNCOMPRESSED_SIZE = struct.Struct(">Q")


class ProtoType(IntEnum):
    """What a frame's body holds."""

    INFO = 1
    SECURITY = 2
    MESSAGE = 3
    COMPRESSED = 4


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole frame.

    Attributes:
        type: what the body holds; never COMPRESSED when it comes from a `FrameDecoder`.
        body: the bytes after the header.
    """

    type: ProtoType
    body: bytes


def encode_proto(type: ProtoType, body: bytes) -> bytes:
    """Returns the frame's bytes, header and body.

    Raises:
        WireError: the body is larger than `MAX_BODY_SIZE`, which no server takes.
    """
    if len(body) > MAX_BODY_SIZE:
        raise WireError(f"a body of {len(body):,} bytes is larger than the protocol's {MAX_BODY_SIZE:,}")
    return bytes((PROTO_VERSION, int(type))) + len(body).to_bytes(6, "big") + body


def decode_header(data: bytes | bytearray | memoryview, *, max_body_size: int = MAX_BODY_SIZE) -> tuple[ProtoType, int]:
    """Reads the first `HEADER_SIZE` bytes of a frame.

    Args:
        data: at least `HEADER_SIZE` bytes; what follows them is not looked at.
        max_body_size: bytes; a larger declared size is refused.

    Returns:
        The type and the size of the body in bytes.

    Raises:
        WireError: too few bytes, another version, an unknown type, or a size above the limit.
    """
    if len(data) < HEADER_SIZE:
        raise WireError(f"a frame header needs {HEADER_SIZE} bytes, got {len(data)}")
    version, kind = data[0], data[1]
    if version != PROTO_VERSION:
        raise WireError(
            f"protocol version {version} instead of {PROTO_VERSION}",
            hint="is this an Aerospike service port, and does it expect TLS?",
        )
    try:
        proto_type = ProtoType(kind)
    except ValueError:
        raise WireError(f"unknown frame type {kind}") from None
    size = int.from_bytes(data[2:HEADER_SIZE], "big")
    if size > max_body_size:
        raise WireError(f"a frame declares {size:,} bytes, more than the limit of {max_body_size:,}")
    return proto_type, size


def compress_frame(frame: Frame, *, level: int = 1) -> bytes:
    """Returns the frame as the bytes of a COMPRESSED frame.

    Args:
        frame: a frame that is not itself compressed.
        level: zlib level, 0..9; the C client uses 1.
    """
    if frame.type is ProtoType.COMPRESSED:
        raise WireError("a compressed frame cannot be compressed again")
    plain = encode_proto(frame.type, frame.body)
    return encode_proto(ProtoType.COMPRESSED, _UNCOMPRESSED_SIZE.pack(len(plain)) + zlib.compress(plain, level))


def decompress_body(body: bytes, *, max_body_size: int = MAX_BODY_SIZE) -> Frame:
    """Inflates the body of a COMPRESSED frame.

    No more than the declared size is ever inflated, and that is checked against the limit first, so a zip
    bomb costs nothing.

    Raises:
        WireError: truncated or broken zlib data, a size that does not hold, a size above the limit, or a
            frame inside that is itself compressed.
    """
    if len(body) < _UNCOMPRESSED_SIZE.size:
        raise WireError("a compressed frame is too short for its original size")
    (plain_size,) = _UNCOMPRESSED_SIZE.unpack_from(body)
    if not HEADER_SIZE <= plain_size <= max_body_size + HEADER_SIZE:
        raise WireError(f"a compressed frame declares {plain_size:,} bytes, limit {max_body_size:,}")
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(body[_UNCOMPRESSED_SIZE.size :], plain_size)
        # The checksum may still be ahead of us; one more byte of room shows data beyond the declared size.
        excess = inflater.decompress(inflater.unconsumed_tail, 1)
    except zlib.error as error:
        raise WireError(f"a compressed frame does not inflate: {error}") from None
    if len(plain) != plain_size or excess or not inflater.eof or inflater.unused_data:
        raise WireError(f"a compressed frame does not inflate to its declared {plain_size:,} bytes")
    proto_type, size = decode_header(plain, max_body_size=max_body_size)
    if proto_type is ProtoType.COMPRESSED:
        raise WireError("a compressed frame holds another compressed frame")
    if size != len(plain) - HEADER_SIZE:
        raise WireError("a compressed frame's inner size does not match its data")
    return Frame(proto_type, plain[HEADER_SIZE:])


class FrameDecoder:
    """Turns a stream of bytes into frames.

    Feed it whatever arrives; take frames until there is none. After an error the stream has lost its place,
    so every further call raises that error again: close the socket.

    Args:
        max_body_size: bytes; larger frames, declared or inflated, are refused.

    Example:
        >>> decoder = FrameDecoder()
        >>> data = encode_proto(ProtoType.INFO, b"build\\n")
        >>> decoder.feed(data[:5])
        >>> decoder.next_frame() is None
        True
        >>> decoder.feed(data[5:])
        >>> decoder.next_frame()
        Frame(type=<ProtoType.INFO: 1>, body=b'build\\n')
    """

    def __init__(self, max_body_size: int = MAX_BODY_SIZE) -> None:
        self._max_body_size = max_body_size
        self._buffer = bytearray()
        self._start = 0
        self._error: WireError | None = None

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Appends received bytes; an empty piece changes nothing."""
        if self._error is not None:
            raise self._error
        # Frames already taken are dropped here, once per feed, so that taking many small frames out of one
        # large piece does not move the rest of it each time.
        if self._start:
            del self._buffer[: self._start]
            self._start = 0
        self._buffer += data

    def next_frame(self) -> Frame | None:
        """Returns the next whole frame, or None if it has not fully arrived.

        Raises:
            WireError: the stream is not the protocol; the decoder is of no more use.
        """
        if self._error is not None:
            raise self._error
        try:
            return self._take()
        except WireError as error:
            self._error = error
            raise

    def frames(self) -> Iterator[Frame]:
        """Yields every frame that has fully arrived."""
        while (frame := self.next_frame()) is not None:
            yield frame

    @property
    def n_buffered(self) -> int:
        """Bytes fed and not yet returned in a frame; not 0 at the end of a stream means it was cut."""
        return len(self._buffer) - self._start

    def _take(self) -> Frame | None:
        if self.n_buffered < HEADER_SIZE:
            return None
        header = self._buffer[self._start : self._start + HEADER_SIZE]
        proto_type, size = decode_header(header, max_body_size=self._max_body_size)
        end = self._start + HEADER_SIZE + size
        if len(self._buffer) < end:
            return None
        body = bytes(memoryview(self._buffer)[self._start + HEADER_SIZE : end])
        self._start = end
        if proto_type is ProtoType.COMPRESSED:
            return decompress_body(body, max_body_size=self._max_body_size)
        return Frame(proto_type, body)

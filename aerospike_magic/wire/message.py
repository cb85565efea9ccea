"""Messages: the binary commands and answers, a header with fields and operations.

::

    header size u8 (22) | info1 | info2 | info3 | info4 | result code, u8 each
    generation u32 | record ttl u32 | transaction ttl u32 | n fields u16 | n ops u16
    field: size u32 (type and data) | type u8 | data
    op:    size u32 (all that follows) | op u8 | particle type u8 | flags u8 | name size u8 | name | data

All numbers are big-endian. A frame's body holds one message, or, in the answer to a batch or a query, several
end to end; the last one of such an answer carries `Info3.LAST`.

This is the plain, careful reading of both sides. The scan and the embedded server have compiled loops for
their records and are tested against this one.

Source: Aerospike server, as/include/base/proto.h (`as_msg`, `as_msg_field`, `as_msg_op`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from aerospike_magic.errors import WireError
from aerospike_magic.wire.proto import ProtoType, encode_proto
from aerospike_magic.wire.result import ResultCode as ResultCode
from aerospike_magic.wire.result import result_text as result_text

MESSAGE_HEADER_SIZE = 22

_HEADER = struct.Struct(">BBBBBBIIIHH")
_FIELD = struct.Struct(">IB")
_OP = struct.Struct(">IBBBB")
_OP_FIXED = 4  # what an op's size counts besides name and data


class Info1(IntFlag):
    """First flag byte: what is read."""

    READ = 1 << 0
    GET_ALL = 1 << 1
    SHORT_QUERY = 1 << 2
    BATCH = 1 << 3
    XDR = 1 << 4
    GET_NO_BINS = 1 << 5
    CONSISTENCY_LEVEL_ALL = 1 << 6
    COMPRESS_RESPONSE = 1 << 7


class Info2(IntFlag):
    """Second flag byte: what is written."""

    WRITE = 1 << 0
    DELETE = 1 << 1
    GENERATION = 1 << 2
    GENERATION_GT = 1 << 3
    DURABLE_DELETE = 1 << 4
    CREATE_ONLY = 1 << 5
    RELAX_AP_LONG_QUERY = 1 << 6
    RESPOND_ALL_OPS = 1 << 7


class Info3(IntFlag):
    """Third flag byte: how an answer is delimited, and how a write treats an existing record."""

    LAST = 1 << 0
    COMMIT_LEVEL_MASTER = 1 << 1
    PARTITION_DONE = 1 << 2
    UPDATE_ONLY = 1 << 3
    CREATE_OR_REPLACE = 1 << 4
    REPLACE_ONLY = 1 << 5
    SC_READ_TYPE = 1 << 6
    SC_READ_RELAX = 1 << 7


class Info4(IntFlag):
    """Fourth flag byte: transactions over several records."""

    MRT_VERIFY_READ = 1 << 0
    MRT_ROLL_FORWARD = 1 << 1
    MRT_ROLL_BACK = 1 << 2
    MRT_MONITOR_DRIVEN = 1 << 3
    MRT_ON_LOCKING_ONLY = 1 << 4


class FieldType(IntEnum):
    """What a field says."""

    NAMESPACE = 0
    SET = 1
    KEY = 2
    RECORD_VERSION = 3
    DIGEST = 4
    MRT_ID = 5
    MRT_DEADLINE = 6
    TASK_ID = 7
    SOCKET_TIMEOUT = 9
    RECORDS_PER_SECOND = 10
    PID_ARRAY = 11
    DIGEST_ARRAY = 12
    MAX_RECORDS = 13
    LAST_UPDATE_TIME = 14
    BVAL_ARRAY = 15
    INDEX_NAME = 21
    INDEX_RANGE = 22
    INDEX_CONTEXT = 23
    INDEX_EXPRESSION = 24
    INDEX_TYPE = 26
    UDF_FILENAME = 30
    UDF_FUNCTION = 31
    UDF_ARGLIST = 32
    UDF_OP = 33
    QUERY_BINLIST = 40
    BATCH = 41
    BATCH_WITH_SET = 42
    FILTER_EXPRESSION = 43


class OpType(IntEnum):
    """What an operation does to its bin."""

    READ = 1
    WRITE = 2
    CDT_READ = 3
    CDT_MODIFY = 4
    INCR = 5
    EXP_READ = 7
    EXP_MODIFY = 8
    APPEND = 9
    PREPEND = 10
    TOUCH = 11
    BITS_READ = 12
    BITS_MODIFY = 13
    DELETE_ALL = 14
    HLL_READ = 15
    HLL_MODIFY = 16


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its type (see `FieldType`; others are kept as they are) and its bytes."""

    type: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Op:
    """One operation, or one bin of an answer.

    Attributes:
        type: see `OpType`; other numbers are kept as they are.
        particle_type: what `data` is, see `ParticleType`.
        name: the bin, "" where the operation concerns the whole record.
        data: the particle's bytes, see `particle`. With bit 0 of `flags` they start with 8 bytes of last
            update time.
        flags: the byte before the name's length, 0 in all but XDR traffic.
    """

    type: int
    particle_type: int
    name: str
    data: bytes
    flags: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """One message, request or answer.

    Attributes:
        info1: `Info1` bits; likewise info2, info3, info4.
        result_code: see `ResultCode`; 0 in requests.
        generation: the record's generation; in PARTITION_DONE messages the partition id.
        record_ttl: in answers the record's expiry in seconds since the Citrusleaf epoch (2010-01-01 UTC), 0
            for never; in requests seconds to live; -1 as u32 for never.
        transaction_ttl: in requests the total timeout in ms, 0 for none; in batch answers the row's index.
        fields: in order.
        ops: in order.
    """

    info1: int = 0
    info2: int = 0
    info3: int = 0
    info4: int = 0
    result_code: int = 0
    generation: int = 0
    record_ttl: int = 0
    transaction_ttl: int = 0
    fields: tuple[Field, ...] = ()
    ops: tuple[Op, ...] = ()

    def field(self, type: int) -> bytes | None:
        """Returns the bytes of the first field of this type, or None."""
        for field in self.fields:
            if field.type == type:
                return field.data
        return None

    @property
    def is_last(self) -> bool:
        """Whether this ends an answer of several messages."""
        return bool(self.info3 & Info3.LAST)


def encode_field(field: Field) -> bytes:
    """Returns the field's bytes."""
    return _pack(_FIELD, len(field.data) + 1, field.type) + field.data


def encode_op(op: Op) -> bytes:
    """Returns the operation's bytes.

    Raises:
        WireError: a name of more than 255 bytes, or that is no valid Unicode.
    """
    try:
        name = op.name.encode()
    except UnicodeEncodeError:
        raise WireError("a bin name has characters that are not valid Unicode") from None
    if len(name) > 255:
        raise WireError(f"a bin name of {len(name)} bytes is too long")
    size = _OP_FIXED + len(name) + len(op.data)
    return _pack(_OP, size, op.type, op.particle_type, op.flags, len(name)) + name + op.data


def encode_message(message: Message) -> bytes:
    """Returns the message's bytes, without a frame header.

    Raises:
        WireError: a number that does not fit its place.
    """
    header = _pack(
        _HEADER,
        MESSAGE_HEADER_SIZE,
        message.info1,
        message.info2,
        message.info3,
        message.info4,
        message.result_code,
        message.generation,
        message.record_ttl,
        message.transaction_ttl,
        len(message.fields),
        len(message.ops),
    )
    parts = [header]
    parts += map(encode_field, message.fields)
    parts += map(encode_op, message.ops)
    return b"".join(parts)


def encode_message_proto(message: Message) -> bytes:
    """Returns a whole frame with this one message."""
    return encode_proto(ProtoType.MESSAGE, encode_message(message))


def decode_message(buffer: bytes | bytearray | memoryview, offset: int = 0) -> tuple[Message, int]:
    """Reads the message that starts at `offset`.

    Returns:
        The message, and the offset just behind it.

    Raises:
        WireError: truncated, another header size, a size that does not hold, or a bin name that is not UTF-8.
    """
    view = memoryview(buffer).cast("B")
    if not 0 <= offset <= len(view) - MESSAGE_HEADER_SIZE:
        raise WireError(f"a message header needs {MESSAGE_HEADER_SIZE} bytes, {max(len(view) - offset, 0)} left")
    header: tuple[int, ...] = _HEADER.unpack_from(view, offset)
    header_size, info1, info2, info3, info4, result_code, *counts = header
    generation, record_ttl, transaction_ttl, n_fields, n_ops = counts
    if header_size != MESSAGE_HEADER_SIZE:
        raise WireError(f"a message header of {header_size} bytes instead of {MESSAGE_HEADER_SIZE}")
    fields, offset = decode_fields(view, offset + MESSAGE_HEADER_SIZE, n_fields)
    ops, offset = decode_ops(view, offset, n_ops)
    flags = (info1, info2, info3, info4)
    return Message(*flags, result_code, generation, record_ttl, transaction_ttl, fields, ops), offset


def iter_messages(body: bytes | bytearray | memoryview) -> Iterator[Message]:
    """Yields the messages of a frame's body, which they must fill exactly.

    Raises:
        WireError: at the first message that is not one, after those before it were yielded.
    """
    offset = 0
    while offset < len(body):
        message, offset = decode_message(body, offset)
        yield message


def decode_fields(view: memoryview, offset: int, n_fields: int) -> tuple[tuple[Field, ...], int]:
    """Reads `n_fields` fields from `offset`; returns them and the offset behind them."""
    fields = []
    for _ in range(n_fields):
        if offset + _FIELD.size > len(view):
            raise WireError("a message ends inside its fields")
        size, kind = _FIELD.unpack_from(view, offset)
        end = offset + 4 + size
        if size < 1 or end > len(view):
            raise WireError(f"a field declares {size:,} bytes, {len(view) - offset - 4:,} left")
        fields.append(Field(kind, bytes(view[offset + _FIELD.size : end])))
        offset = end
    return tuple(fields), offset


def decode_ops(view: memoryview, offset: int, n_ops: int) -> tuple[tuple[Op, ...], int]:
    """Reads `n_ops` operations from `offset`; returns them and the offset behind them."""
    ops = []
    for _ in range(n_ops):
        if offset + _OP.size > len(view):
            raise WireError("a message ends inside its operations")
        size, kind, particle_type, flags, name_size = _OP.unpack_from(view, offset)
        end = offset + 4 + size
        data_start = offset + _OP.size + name_size
        if end > len(view) or data_start > end:
            left = len(view) - offset - 4
            raise WireError(f"an operation declares {size:,} bytes, a name of {name_size}; {left:,} left")
        try:
            name = str(view[offset + _OP.size : data_start], "utf-8")
        except UnicodeDecodeError:
            raise WireError("a bin name is not valid UTF-8") from None
        ops.append(Op(kind, particle_type, name, bytes(view[data_start:end]), flags))
        offset = end
    return tuple(ops), offset


def _pack(layout: struct.Struct, *numbers: int) -> bytes:
    try:
        return layout.pack(*numbers)
    except struct.error as error:
        raise WireError(f"a number does not fit its place in a message: {error}") from None

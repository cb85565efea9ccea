"""Batches: many single-record requests in one message.

The message carries one BATCH field: the number of rows, flags, and the rows. A row is the record's digest
and the form of the request for it, or, with the REPEAT flag, "as the row before". A read, a write or a
delete may stand beside each other ("batch any"). The answer is one message a row, in any order, with the
row's index in `transaction_ttl`, and one with LAST.

::

    n rows u32 | flags u8 | rows
    row: index u32 | digest 20 | flags u8 | unless REPEAT:
         info1 u8 | INFO: info2 u8, info3 u8 | INFO4: info4 u8 | GENERATION: u16 | TTL: u32
         n fields u16 | n ops u16 | fields, namespace first | ops

Sources: Aerospike server, as/src/base/batch.c (`as_batch_queue_task`); Aerospike C client, aerospike_batch.c
(`as_batch_header_write_new`, `as_batch_write_read`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntFlag

from aerospike_magic.errors import WireError
from aerospike_magic.wire.digest import DIGEST_SIZE
from aerospike_magic.wire.message import (
    Field,
    FieldType,
    Info1,
    Info3,
    Message,
    Op,
    OpType,
    decode_fields,
    decode_ops,
    encode_field,
    encode_message,
    encode_message_proto,
    encode_op,
    iter_messages,
)
from aerospike_magic.wire.particle_type import ParticleType

_HEADER = struct.Struct(">IB")
_ROW = struct.Struct(f">I{DIGEST_SIZE}sB")
_COUNTS = struct.Struct(">HH")
_U16, _U32 = struct.Struct(">H"), struct.Struct(">I")


class BatchFlag(IntFlag):
    """How the server runs a batch as a whole."""

    INLINE_IN_MEMORY = 1 << 0
    INLINE_ON_DEVICE = 1 << 1
    RESPOND_ALL_ROWS = 1 << 2
    RESPOND_ERROR_ROWS = 1 << 3


class RowFlag(IntFlag):
    """Which parts of a row are there."""

    REPEAT = 1 << 0
    INFO = 1 << 1
    GENERATION = 1 << 2
    TTL = 1 << 3
    INFO4 = 1 << 4


DEFAULT_BATCH_FLAGS = BatchFlag.INLINE_IN_MEMORY | BatchFlag.RESPOND_ALL_ROWS | BatchFlag.RESPOND_ERROR_ROWS
"""What the C client sends: rows that fail do not stop the others."""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One row of a batch request: a request for one record.

    Attributes:
        index: by which the answer names the row.
        digest: of the record, 20 bytes.
        flags: `RowFlag` bits. A decoded row with REPEAT has the same values as the one before, so that
        nobody but the
            encoder has to look at them.
        info1: `Info1` bits; likewise info2, info3, info4.
        generation: expected, 16 bits.
        record_ttl: seconds to live for a write.
        fields: namespace first, then set, filter, key.
        ops: bins to read, or operations.
    """

    index: int
    digest: bytes
    flags: int = int(RowFlag.INFO | RowFlag.TTL)
    info1: int = int(Info1.READ)
    info2: int = 0
    info3: int = 0
    info4: int = 0
    generation: int = 0
    record_ttl: int = 0
    fields: tuple[Field, ...] = ()
    ops: tuple[Op, ...] = ()

    def to_message(self, transaction_ttl: int = 0) -> Message:
        """Returns the same request as a message for one record, digest included.

        Args:
            transaction_ttl: the batch's total timeout in ms.
        """
        fields = (*self.fields, Field(FieldType.DIGEST, self.digest))
        flags = (self.info1, self.info2, self.info3, self.info4)
        return Message(*flags, 0, self.generation, self.record_ttl, transaction_ttl, fields, self.ops)


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """A batch request.

    Attributes:
        rows: in order.
        flags: `BatchFlag` bits.
        filter_expression: applied to every row, or None.
        total_timeout_ms: 0 for none.
        info1: the message's own bits.
        info3: likewise; old clients put consistency flags here.
    """

    rows: tuple[BatchRow, ...]
    flags: int = int(DEFAULT_BATCH_FLAGS)
    filter_expression: bytes | None = None
    total_timeout_ms: int = 0
    info1: int = int(Info1.BATCH)
    info3: int = 0


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The answer to one row.

    Attributes:
        index: of the row.
        result_code: see `ResultCode`; NOT_FOUND is one.
        generation: of the record.
        record_ttl: its expiry, see `Message`.
        ops: its bins; of a write, one without a value for each.
        fields: usually none.
    """

    index: int
    result_code: int = 0
    generation: int = 0
    record_ttl: int = 0
    ops: tuple[Op, ...] = ()
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchResponse:
    """What one frame of an answer holds.

    Attributes:
        results: answers, in any order.
        last_code: None while more frames follow; at the end the result code of the batch as a whole.
    """

    results: tuple[BatchResult, ...] = field(default=())
    last_code: int | None = None


def encode_batch_read_request(
    namespace: str,
    set_name: str,
    digests: Sequence[bytes],
    *,
    bins: Sequence[str] | None = None,
    no_bin_data: bool = False,
    filter_expression: bytes | None = None,
    total_timeout_ms: int = 1000,
    flags: int = int(DEFAULT_BATCH_FLAGS),
) -> bytes:
    """Returns the whole frame that reads these records, the same bytes as the C client sends.

    Args:
        namespace: of all records.
        set_name: of all records, "" for none.
        digests: 20 bytes each; row i of the answer is record i.
        bins: names to return, None for all.
        no_bin_data: return only metadata.
        filter_expression: packed filter expression; rows it leaves out answer FILTERED_OUT.
        total_timeout_ms: 0 for none.
        flags: `BatchFlag` bits.

    Raises:
        WireError: a digest that is none, or an empty list of bins.
    """
    if bins is not None and not bins:
        raise WireError("an empty list of bins would return all bins", hint="use no_bin_data")
    info1 = Info1.READ
    if no_bin_data:
        info1 |= Info1.GET_NO_BINS
    elif bins is None:
        info1 |= Info1.GET_ALL
    # The C client sends a set field also for an empty set.
    fields = (Field(FieldType.NAMESPACE, _utf8(namespace)), Field(FieldType.SET, _utf8(set_name)))
    ops = tuple(Op(OpType.READ, ParticleType.NULL, name, b"") for name in bins or ())
    first = int(RowFlag.INFO | RowFlag.TTL)
    rows = tuple(
        BatchRow(i, digest, first if not i else int(RowFlag.REPEAT), int(info1), fields=fields, ops=ops)
        for i, digest in enumerate(digests)
    )
    return encode_message_proto(encode_batch_request(BatchRequest(rows, flags, filter_expression, total_timeout_ms)))


def encode_batch_request(request: BatchRequest) -> Message:
    """Returns the message of a batch request.

    Raises:
        WireError: a REPEAT row that is the first or asks for something else than the one before, a digest
        that is
            none, a value for which the row's flags have no place, or a number that does not fit.
    """
    parts = [_pack(_HEADER, len(request.rows), request.flags)]
    previous: BatchRow | None = None
    for row in request.rows:
        parts += _encode_row(row, previous)
        previous = row
    batch = Field(FieldType.BATCH, b"".join(parts))
    fields: tuple[Field, ...] = (batch,)
    if request.filter_expression is not None:
        fields = (Field(FieldType.FILTER_EXPRESSION, request.filter_expression), batch)
    return Message(info1=request.info1, info3=request.info3, transaction_ttl=request.total_timeout_ms, fields=fields)


def decode_batch_request(message: Message) -> BatchRequest:
    """Reads a batch request, for the server.

    Raises:
        WireError: no batch field, more rows declared than there are bytes for, rows cut off or left over,
        or a first
            row that repeats.
    """
    data = message.field(FieldType.BATCH)
    if data is None:
        data = message.field(FieldType.BATCH_WITH_SET)
    if data is None or len(data) < _HEADER.size:
        raise WireError("a batch request has no rows field")
    n_rows, flags = _HEADER.unpack_from(data)
    if n_rows * _ROW.size > len(data):
        raise WireError(f"a batch declares {n_rows:,} rows, more than it has bytes for")
    return BatchRequest(
        tuple(_decode_rows(memoryview(data), n_rows)),
        flags,
        message.field(FieldType.FILTER_EXPRESSION),
        message.transaction_ttl,
        message.info1,
        message.info3,
    )


def encode_batch_result(result: BatchResult) -> bytes:
    """Returns the message's bytes that answer one row; a frame's body holds many."""
    return encode_message(
        Message(
            result_code=result.result_code,
            generation=result.generation,
            record_ttl=result.record_ttl,
            transaction_ttl=result.index,
            fields=result.fields,
            ops=result.ops,
        )
    )


def encode_batch_last(result_code: int = 0) -> bytes:
    """Returns the message's bytes that end an answer; the server sends them in a frame of their own."""
    return encode_message(Message(info3=int(Info3.LAST), result_code=result_code))


def decode_batch_response(body: bytes) -> BatchResponse:
    """Reads one frame of an answer; go on with the next frame until `last_code` is not None.

    Raises:
        WireError: not messages, or something behind the last one.
    """
    results = []
    last_code = None
    for message in iter_messages(body):
        if last_code is not None:
            raise WireError("a batch answer goes on behind its end")
        if message.is_last:
            last_code = message.result_code
            continue
        results.append(
            BatchResult(
                message.transaction_ttl,
                message.result_code,
                message.generation,
                message.record_ttl,
                message.ops,
                message.fields,
            )
        )
    return BatchResponse(tuple(results), last_code)


def _encode_row(row: BatchRow, previous: BatchRow | None) -> Iterable[bytes]:
    if len(row.digest) != DIGEST_SIZE:
        raise WireError(f"a digest has {len(row.digest)} bytes instead of {DIGEST_SIZE}")
    yield _pack(_ROW, row.index, row.digest, row.flags)
    if row.flags & RowFlag.REPEAT:
        if previous is None or _form(row) != _form(previous):
            raise WireError("a batch row repeats the one before, which asks for something else")
        return
    yield _pack_byte(row.info1)
    yield from _encode_optional(row)
    yield _pack(_COUNTS, len(row.fields), len(row.ops))
    yield from map(encode_field, row.fields)
    yield from map(encode_op, row.ops)


def _encode_optional(row: BatchRow) -> Iterable[bytes]:
    if row.flags & RowFlag.INFO:
        yield _pack_byte(row.info2) + _pack_byte(row.info3)
    elif row.info2 or row.info3:
        raise WireError("a batch row without the INFO flag has no place for info2 and info3")
    for flag, value, layout in (
        (RowFlag.INFO4, row.info4, _BYTE),
        (RowFlag.GENERATION, row.generation, _U16),
        (RowFlag.TTL, row.record_ttl, _U32),
    ):
        if row.flags & flag:
            yield _pack(layout, value)
        elif value:
            raise WireError(f"a batch row without the {flag.name} flag has no place for its value")


def _decode_rows(view: memoryview, n_rows: int) -> Iterator[BatchRow]:
    offset = _HEADER.size
    row: BatchRow | None = None
    for _ in range(n_rows):
        row, offset = _decode_row(view, offset, row)
        yield row
    if offset != len(view):
        raise WireError(f"a batch has {len(view) - offset:,} bytes left over behind its rows")


def _decode_row(view: memoryview, offset: int, previous: BatchRow | None) -> tuple[BatchRow, int]:
    if offset + _ROW.size > len(view):
        raise WireError("a batch ends inside its rows")
    index, digest, flags = _ROW.unpack_from(view, offset)
    offset += _ROW.size
    if flags & RowFlag.REPEAT:
        if previous is None:
            raise WireError("the first row of a batch repeats the one before")
        return BatchRow(index, digest, flags, *_form(previous)), offset
    try:
        info1 = view[offset]
        offset += 1
        info2 = info3 = info4 = generation = record_ttl = 0
        if flags & RowFlag.INFO:
            info2, info3 = view[offset], view[offset + 1]
            offset += 2
        if flags & RowFlag.INFO4:
            info4 = view[offset]
            offset += 1
        if flags & RowFlag.GENERATION:
            (generation,) = _U16.unpack_from(view, offset)
            offset += _U16.size
        if flags & RowFlag.TTL:
            (record_ttl,) = _U32.unpack_from(view, offset)
            offset += _U32.size
        n_fields, n_ops = _COUNTS.unpack_from(view, offset)
        offset += _COUNTS.size
    except (IndexError, struct.error):
        raise WireError("a batch row is cut off") from None
    # Clients of old wrote 0 fields, but always the namespace.
    fields, offset = decode_fields(view, offset, max(n_fields, 1))
    ops, offset = decode_ops(view, offset, n_ops)
    form = (info1, info2, info3, info4, generation, record_ttl, fields, ops)
    return BatchRow(index, digest, flags, *form), offset


_Form = tuple[int, int, int, int, int, int, tuple[Field, ...], tuple[Op, ...]]
_BYTE = struct.Struct("B")


def _form(row: BatchRow) -> _Form:
    numbers = (row.info1, row.info2, row.info3, row.info4, row.generation, row.record_ttl)
    return (*numbers, row.fields, row.ops)


def _pack_byte(value: int) -> bytes:
    return _pack(_BYTE, value)


def _pack(layout: struct.Struct, *values: int | bytes) -> bytes:
    try:
        return layout.pack(*values)
    except struct.error as error:
        raise WireError(f"a number does not fit its place in a batch: {error}") from None


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise WireError("a namespace or set has characters that are not valid Unicode") from None

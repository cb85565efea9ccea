"""Query requests: scans by partition and queries by secondary index, which share one form.

A request names the partitions it wants read from their start (PID_ARRAY) and, to go on in a partition that
was cut off, the digest of its last record (DIGEST_ARRAY; its partition follows from the digest), with the
index value of that record (BVAL_ARRAY) where a secondary index is read. The answer is frames of record
messages; partitions the node cannot serve come as messages with PARTITION_DONE, their id in `generation` and
a result code; the end is one message with LAST. A request that is refused as a whole (unknown namespace, no
such index) gets one message with the result code, and that without LAST.

Field order is that of the C client, so that requests are the same bytes.

Sources: Aerospike C client, aerospike_query.c (`as_query_command_init`); Aerospike server,
as/src/query/query.c (`get_range_field`, `get_query_socket_timeout`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from aerospike_magic.errors import WireError
from aerospike_magic.wire.digest import DIGEST_SIZE, N_PARTITIONS, partition_id
from aerospike_magic.wire.message import (
    Field,
    FieldType,
    Info1,
    Info2,
    Info3,
    Message,
    Op,
    OpType,
    encode_message_proto,
)
from aerospike_magic.wire.particle_type import ParticleType

DEFAULT_SOCKET_TIMEOUT_MS = 10_000
"""What the server assumes for a request without a SOCKET_TIMEOUT field (CF_SOCKET_TIMEOUT)."""

_T = TypeVar("_T")

_BVAL_SIZE = 8

_NO_TOUCH_TTL = 0xFFFFFFFF  # reading must not prolong a record's life: read-touch-ttl-percent -1


class IndexType(IntEnum):
    """Which part of a bin a secondary index is over."""

    DEFAULT = 0
    LIST = 1
    MAP_KEYS = 2
    MAP_VALUES = 3


@dataclass(frozen=True, slots=True)
class IndexRange:
    """The range of a secondary index to read, both ends included.

    Attributes:
        bin: the indexed bin.
        particle_type: INTEGER, STRING, BLOB or GEOJSON.
        low: bytes of the low end; 8, big-endian, for an integer.
        high: bytes of the high end; the same as `low` for everything but integers.
        index_type: which part of the bin.
        context: packed path to a nested element, empty for none.
    """

    bin: str
    particle_type: int
    low: bytes
    high: bytes
    index_type: IndexType = IndexType.DEFAULT
    context: bytes = b""

    @classmethod
    def integers(cls, bin: str, low: int, high: int, index_type: IndexType = IndexType.DEFAULT) -> IndexRange:
        """Returns the range low <= value <= high.

        Raises:
            WireError: an end that does not fit in 64 bits.
        """
        try:
            low_bytes, high_bytes = (value.to_bytes(8, "big", signed=True) for value in (low, high))
        except OverflowError:
            raise WireError("the end of an index range does not fit in 64 bits") from None
        return cls(bin, ParticleType.INTEGER, low_bytes, high_bytes, index_type)

    @classmethod
    def string(cls, bin: str, value: str, index_type: IndexType = IndexType.DEFAULT) -> IndexRange:
        """Returns the range of this one string."""
        data = _utf8(value)
        return cls(bin, ParticleType.STRING, data, data, index_type)

    @classmethod
    def blob(cls, bin: str, value: bytes, index_type: IndexType = IndexType.DEFAULT) -> IndexRange:
        """Returns the range of this one blob."""
        return cls(bin, ParticleType.BLOB, value, value, index_type)

    @property
    def integer_bounds(self) -> tuple[int, int]:
        """Low and high end of an integer range.

        Raises:
            WireError: not an integer range.
        """
        if self.particle_type != ParticleType.INTEGER or len(self.low) != 8 or len(self.high) != 8:
            raise WireError("not an index range over integers")
        return int.from_bytes(self.low, "big", signed=True), int.from_bytes(self.high, "big", signed=True)


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """A query request, as the server sees it.

    Attributes:
        namespace: of the records.
        set_name: "" for the whole namespace.
        partitions: ids to read from their start.
        digests: last record read of each partition to go on in.
        bvals: index value of each of `digests`, or empty; only for secondary indexes.
        bins: names of the bins to return; None for all.
        no_bin_data: only the records' metadata.
        filter_expression: packed expression, or None.
        max_records: 0 for no limit.
        records_per_second: 0 for no limit.
        socket_timeout_ms: how long the server waits for us to read.
        total_timeout_ms: 0 for none.
        task_id: names the query, to abort it.
        index_range: None reads the primary index.
        short_query: the client expects few records (`Info1.SHORT_QUERY`).
    """

    namespace: str
    set_name: str = ""
    partitions: tuple[int, ...] = ()
    digests: tuple[bytes, ...] = ()
    bvals: tuple[int, ...] = ()
    bins: tuple[str, ...] | None = None
    no_bin_data: bool = False
    filter_expression: bytes | None = None
    max_records: int = 0
    records_per_second: int = 0
    socket_timeout_ms: int = DEFAULT_SOCKET_TIMEOUT_MS
    total_timeout_ms: int = 0
    task_id: int = 0
    index_range: IndexRange | None = None
    short_query: bool = False


def encode_query_request(
    namespace: str,
    set_name: str,
    *,
    partitions: Sequence[int],
    digests: Mapping[int, bytes] | Sequence[bytes] = (),
    bvals: Mapping[int, int] | Sequence[int] = (),
    bins: Sequence[str] | None = None,
    no_bin_data: bool = False,
    filter_expression: bytes | None = None,
    max_records: int = 0,
    records_per_second: int = 0,
    socket_timeout_ms: int = 30_000,
    total_timeout_ms: int = 0,
    task_id: int,
    index_range: IndexRange | None = None,
    short_query: bool = False,
) -> bytes:
    """Returns the whole frame of a query request, the same bytes as the C client sends.

    Args:
        namespace: of the records.
        set_name: "" for the whole namespace.
        partitions: ids to read, 0..4095. One that also has a resume digest goes on from there, it need not be
            taken out first.
        digests: last record already read, by partition or in any order; the server goes on behind it.
        bvals: index value of the record of each digest, as its BVAL_ARRAY field told; by partition if
            `digests` is, else in the order of `digests`. Only with `index_range`.
        bins: names to return, None for all. An empty sequence means all to the server, so it is refused: use
            `no_bin_data`.
        no_bin_data: return only metadata and stored keys.
        filter_expression: packed filter expression.
        max_records: stop after so many records on this node; 0 for no limit.
        records_per_second: throttle on this node; 0 for no limit.
        socket_timeout_ms: how long the server waits for us to read before it gives the query up.
        total_timeout_ms: 0 for none.
        task_id: unsigned 64 bits, unique on this node among running queries.
        index_range: None reads the primary index.
        short_query: expect few records.

    Raises:
        WireError: a partition or digest that is none, or a number that does not fit its place.
    """
    ordered_digests, ordered_bvals = _order_resume(digests, bvals)
    resumed = {partition_id(digest) for digest in ordered_digests}
    if bins is not None and not bins:
        raise WireError("an empty list of bins would return all bins", hint="use no_bin_data")
    return encode_message_proto(
        encode_query(
            QueryRequest(
                namespace=namespace,
                set_name=set_name,
                partitions=tuple(pid for pid in partitions if pid not in resumed),
                digests=ordered_digests,
                bvals=ordered_bvals,
                bins=None if bins is None else tuple(bins),
                no_bin_data=no_bin_data,
                filter_expression=filter_expression,
                max_records=max_records,
                records_per_second=records_per_second,
                socket_timeout_ms=socket_timeout_ms,
                total_timeout_ms=total_timeout_ms,
                task_id=task_id,
                index_range=index_range,
                short_query=short_query,
            )
        )
    )


def encode_query(request: QueryRequest) -> Message:
    """Returns the message of a query request.

    Raises:
        WireError: a value that does not fit its place.
    """
    info1 = Info1.READ
    if request.no_bin_data:
        info1 |= Info1.GET_NO_BINS
    if request.short_query:
        info1 |= Info1.SHORT_QUERY
    return Message(
        info1=int(info1),
        info3=int(Info3.PARTITION_DONE),
        record_ttl=_NO_TOUCH_TTL,
        transaction_ttl=request.total_timeout_ms,
        fields=tuple(_query_fields(request)),
        ops=tuple(Op(OpType.READ, ParticleType.NULL, name, b"") for name in request.bins or ()),
    )


def decode_query_request(message: Message) -> QueryRequest:
    """Reads a query request, for the server.

    Raises:
        WireError: no namespace, a field of a wrong size, a partition that is none, a background or UDF query.
    """
    if message.info2 & Info2.WRITE or message.field(FieldType.UDF_OP) is not None:
        raise WireError("a background query or a user-defined function, not a plain query")
    namespace = message.field(FieldType.NAMESPACE)
    if namespace is None:
        raise WireError("a query request has no namespace")
    digests = _array(message, FieldType.DIGEST_ARRAY, DIGEST_SIZE, bytes)
    bvals = _array(message, FieldType.BVAL_ARRAY, _BVAL_SIZE, decode_bval)
    if bvals and len(bvals) != len(digests):
        raise WireError(f"a query request has {len(bvals)} index values for {len(digests)} digests")
    return QueryRequest(
        namespace=_text(namespace, "namespace"),
        set_name=_text(message.field(FieldType.SET) or b"", "set name"),
        partitions=_partitions(message),
        digests=digests,
        bvals=bvals,
        bins=tuple(op.name for op in message.ops) if message.ops else None,
        no_bin_data=bool(message.info1 & Info1.GET_NO_BINS),
        filter_expression=message.field(FieldType.FILTER_EXPRESSION),
        max_records=_number(message, FieldType.MAX_RECORDS, 8),
        records_per_second=_number(message, FieldType.RECORDS_PER_SECOND, 4),
        socket_timeout_ms=_number(message, FieldType.SOCKET_TIMEOUT, 4, DEFAULT_SOCKET_TIMEOUT_MS),
        total_timeout_ms=message.transaction_ttl,
        task_id=_number(message, FieldType.TASK_ID, 8),
        index_range=_decode_index_range(message),
        short_query=bool(message.info1 & Info1.SHORT_QUERY),
    )


def decode_bval(data: bytes) -> int:
    """Reads the index value of one record from the BVAL_ARRAY field of its message, to go on behind it.

    Raises:
        WireError: not 8 bytes.
    """
    if len(data) != _BVAL_SIZE:
        raise WireError(f"an index value has {len(data)} bytes instead of {_BVAL_SIZE}")
    return int.from_bytes(data, "little", signed=True)


def _order_resume(
    digests: Mapping[int, bytes] | Sequence[bytes], bvals: Mapping[int, int] | Sequence[int]
) -> tuple[tuple[bytes, ...], tuple[int, ...]]:
    if isinstance(digests, Mapping):
        for pid, digest in digests.items():
            if partition_id(digest) != pid:
                raise WireError(f"the resume digest is not one of partition {pid}")
        if isinstance(bvals, Mapping):
            if bvals and bvals.keys() != digests.keys():
                raise WireError("resume digests and index values are of different partitions")
            bvals = [bvals[pid] for pid in digests] if bvals else []
        digests = tuple(digests.values())
    elif isinstance(bvals, Mapping):
        raise WireError("index values by partition need digests by partition")
    if bvals and len(bvals) != len(digests):
        raise WireError(f"{len(bvals)} index values for {len(digests)} resume digests")
    return tuple(digests), tuple(bvals)


def _query_fields(request: QueryRequest) -> Iterable[Field]:
    yield Field(FieldType.NAMESPACE, _utf8(request.namespace))
    if request.set_name:
        yield Field(FieldType.SET, _utf8(request.set_name))
    if request.records_per_second:
        yield Field(FieldType.RECORDS_PER_SECOND, _pack(">I", request.records_per_second))
    yield Field(FieldType.SOCKET_TIMEOUT, _pack(">I", request.socket_timeout_ms))
    yield Field(FieldType.TASK_ID, _pack(">Q", request.task_id))
    if request.index_range is not None:
        yield from _index_fields(request.index_range)
    if request.filter_expression is not None:
        yield Field(FieldType.FILTER_EXPRESSION, request.filter_expression)
    if request.partitions:
        for pid in request.partitions:
            if not 0 <= pid < N_PARTITIONS:
                raise WireError(f"{pid} is no partition id, 0..{N_PARTITIONS - 1}")
        yield Field(FieldType.PID_ARRAY, _pack(f"<{len(request.partitions)}H", *request.partitions))
    if request.digests:
        yield Field(FieldType.DIGEST_ARRAY, b"".join(request.digests))
    if request.bvals:
        yield Field(FieldType.BVAL_ARRAY, _pack(f"<{len(request.bvals)}q", *request.bvals))
    if request.max_records:
        yield Field(FieldType.MAX_RECORDS, _pack(">Q", request.max_records))


def _index_fields(index_range: IndexRange) -> Iterable[Field]:
    if index_range.index_type is not IndexType.DEFAULT:
        yield Field(FieldType.INDEX_TYPE, bytes((index_range.index_type,)))
    name = _utf8(index_range.bin)
    if len(name) > 255:
        raise WireError(f"a bin name of {len(name)} bytes is too long")
    ends = b"".join(_pack(">I", len(end)) + end for end in (index_range.low, index_range.high))
    yield Field(FieldType.INDEX_RANGE, bytes((1, len(name))) + name + _pack("B", index_range.particle_type) + ends)
    if index_range.context:
        yield Field(FieldType.INDEX_CONTEXT, index_range.context)


def _decode_index_range(message: Message) -> IndexRange | None:
    data = message.field(FieldType.INDEX_RANGE)
    if data is None:
        return None
    if len(data) < 2 or data[0] != 1:
        raise WireError("an index range field must hold exactly one range")
    name_end = 2 + data[1]
    if len(data) <= name_end:
        raise WireError("an index range field ends inside its bin name")
    low, offset = _range_end(data, name_end + 1)
    high, offset = _range_end(data, offset)
    if offset != len(data):
        raise WireError("an index range field has bytes left over")
    kind = message.field(FieldType.INDEX_TYPE) or b"\0"
    try:
        index_type = IndexType(kind[0])
    except ValueError:
        raise WireError(f"unknown index type {kind[0]}") from None
    return IndexRange(
        _text(data[2:name_end], "bin name"),
        data[name_end],
        low,
        high,
        index_type,
        message.field(FieldType.INDEX_CONTEXT) or b"",
    )


def _range_end(data: bytes, offset: int) -> tuple[bytes, int]:
    start = offset + 4
    end = start + int.from_bytes(data[offset:start], "big")
    if len(data) < start or len(data) < end:
        raise WireError("an index range field ends inside its values")
    return data[start:end], end


def _partitions(message: Message) -> tuple[int, ...]:
    partitions = _array(message, FieldType.PID_ARRAY, 2, lambda data: data[0] | data[1] << 8)
    if partitions and max(partitions) >= N_PARTITIONS:
        raise WireError(f"{max(partitions)} is no partition id, 0..{N_PARTITIONS - 1}")
    return partitions


def _array(message: Message, kind: FieldType, item_size: int, read: Callable[[bytes], _T]) -> tuple[_T, ...]:
    data = message.field(kind) or b""
    if len(data) % item_size:
        raise WireError(f"the field {kind.name} has {len(data)} bytes, no multiple of {item_size}")
    return tuple(read(data[i : i + item_size]) for i in range(0, len(data), item_size))


def _number(message: Message, kind: FieldType, size: int, default: int = 0) -> int:
    data = message.field(kind)
    if data is None:
        return default
    if len(data) != size:
        raise WireError(f"the field {kind.name} has {len(data)} bytes instead of {size}")
    return int.from_bytes(data, "big")


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise WireError("a name or value has characters that are not valid Unicode") from None


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise WireError(f"a {what} is not valid UTF-8") from None


def _pack(layout: str, *numbers: int) -> bytes:
    try:
        return struct.pack(layout, *numbers)
    except struct.error as error:
        raise WireError(f"a number does not fit its place in a query request: {error}") from None

"""Columns as the service's blocks: Arrow buffers ↔ bytes, without a Python object a value.

A block is a struct with one field, its kind; that is a struct of NULL flags (left out where there are none), and of
values, or of sizes and bytes. What stands in a NULL's place is ignored, except that bytes are those of the other values
only. Large pieces of an encoded block are views: of Arrow's memory, or of a numpy array.

Source: ``TrinoThriftBlock`` and the structures in it, in Trino's ``TrinoThriftService.thrift``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aerospike_magic.errors import WireError
from aerospike_magic.gateway import thrift
from aerospike_magic.gateway.thrift import STOP, Part, Reader, Type

Parts = list[Part]


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of block.

    Attributes:
        field: its number in a block.
        arrow: what it is read as.
        accepted: the Arrow types it is written from; all of one layout with `arrow`.
        element: the type of its values, or of the sizes.
        wire: numpy's name for the values on the wire.
    """

    field: int
    arrow: pa.DataType
    accepted: tuple[pa.DataType, ...]
    element: Type
    wire: str


_LARGE = (pa.large_string(), pa.large_binary())
_STRINGS = (pa.string(), pa.binary(), *_LARGE)
_MILLISECONDS = (pa.int64(), pa.timestamp("ms"), pa.timestamp("ms", "UTC"))

_KINDS: Mapping[str, _Kind] = {
    "integer": _Kind(1, pa.int32(), (pa.int32(),), Type.I32, ">i4"),
    "bigint": _Kind(2, pa.int64(), (pa.int64(),), Type.I64, ">i8"),
    "double": _Kind(3, pa.float64(), (pa.float64(),), Type.DOUBLE, ">f8"),
    "varchar": _Kind(4, pa.string(), _STRINGS, Type.I32, ">i4"),
    "boolean": _Kind(5, pa.bool_(), (pa.bool_(),), Type.BOOL, "u1"),
    "date": _Kind(6, pa.int32(), (pa.int32(), pa.date32()), Type.I32, ">i4"),
    "timestamp": _Kind(7, pa.int64(), _MILLISECONDS, Type.I64, ">i8"),
    "json": _Kind(8, pa.string(), _STRINGS, Type.I32, ">i4"),
    "hyperloglog": _Kind(9, pa.binary(), _STRINGS, Type.I32, ">i4"),
    "array(bigint)": _Kind(10, pa.list_(pa.int64()), (), Type.I32, ">i4"),
}
TYPES = tuple(_KINDS)
"""The types that a column can have."""

_BY_FIELD = {kind.field: name for name, kind in _KINDS.items()}


def encode_block(type: str, column: pa.Array | pa.ChunkedArray) -> Parts:
    """Encode a column.

    Args:
        type: one of `TYPES`.
        column: its values, of the Arrow type that belongs to it, see `Page`; in one piece or several, sliced as they
            may be.

    Raises:
        ValueError: the column is of another Arrow type.
    """
    kind = _KINDS[type]
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    head = thrift.field(Type.STRUCT, kind.field)
    nulls = _null_flags(chunks, len(column))
    parts: Parts = [head] if nulls is None else [head + _list_field(1, Type.BOOL, len(nulls)), nulls.data]
    if column.type == pa.null():
        return [*parts, STOP + STOP]
    if column.type not in kind.accepted and not (type == "array(bigint)" and _is_list_of_int64(column.type)):
        raise ValueError(f"a column of type {type} cannot be made of {column.type}")
    if type == "array(bigint)":
        whole = pa.concat_arrays(chunks) if chunks else pa.array([], column.type)
        return [*parts, *_lists(whole, nulls), STOP + STOP]
    if column.type in _STRINGS:
        return [*parts, *_strings(chunks, len(column)), STOP + STOP]
    values = _bits(chunks, len(column)) if type == "boolean" else _fixed(chunks, kind.wire, len(column))
    return [*parts, _list_field(2, kind.element, len(column)), values.data, STOP + STOP]


def decode_block(reader: Reader) -> tuple[str, pa.Array]:
    """Decode a column.

    Returns:
        Its type and its values.

    Raises:
        WireError: the bytes are no block.
    """
    found = reader.struct(_BLOCK)
    if len(found) != 1:
        raise WireError(f"a block with {len(found)} columns in it")
    ((number, array),) = found.items()
    return _BY_FIELD[number], array


def _list_field(number: int, element: Type, count: int) -> bytes:
    return thrift.field(Type.LIST, number) + thrift.list_head(element, count)


def _is_list_of_int64(found: pa.DataType) -> bool:
    # The name and nullability of a list's items are part of its type, and no matter here.
    return (pa.types.is_list(found) or pa.types.is_large_list(found)) and found.value_type == pa.int64()


def _new(count: int, dtype: str) -> npt.NDArray[Any]:
    """An array of Arrow's pool, which keeps the pages that it gets back; new ones cost as much as what is done here."""
    return np.frombuffer(pa.allocate_buffer(count * np.dtype(dtype).itemsize), dtype)


def _filled(
    chunks: Sequence[pa.Array], count: int, dtype: str, fill: Callable[[pa.Array, npt.NDArray[Any]], None]
) -> npt.NDArray[Any]:
    """An array with a place for each value, filled chunk by chunk."""
    made = _new(count, dtype)
    at = 0
    for chunk in chunks:
        fill(chunk, made[at : at + len(chunk)])
        at += len(chunk)
    return made


def _null_flags(chunks: Sequence[pa.Array], count: int) -> npt.NDArray[np.uint8] | None:
    """Return 1 for each NULL; None where there is none."""
    if not any(chunk.null_count for chunk in chunks):
        return None

    def fill(chunk: pa.Array, out: npt.NDArray[np.uint8]) -> None:
        bitmap = chunk.buffers()[0]
        if not chunk.null_count:
            out[:] = 0
        elif bitmap is None:  # of type null
            out[:] = 1
        else:
            np.bitwise_xor(_unpack(bitmap, chunk.offset, len(chunk)), 1, out=out)

    return _filled(chunks, count, "u1", fill)


def _unpack(bitmap: pa.Buffer, offset: int, count: int) -> npt.NDArray[np.uint8]:
    first, skipped = divmod(offset, 8)
    packed = np.frombuffer(bitmap, np.uint8)[first : (offset + count + 7) // 8]
    return np.unpackbits(packed, bitorder="little")[skipped : skipped + count]


def _bits(chunks: Sequence[pa.Array], count: int) -> npt.NDArray[np.uint8]:
    def fill(chunk: pa.Array, out: npt.NDArray[np.uint8]) -> None:
        if len(chunk):
            out[:] = _unpack(chunk.buffers()[1], chunk.offset, len(chunk))

    return _filled(chunks, count, "u1", fill)


def _fixed(chunks: Sequence[pa.Array], wire: str, count: int) -> npt.NDArray[np.uint8]:
    """Return the bytes of the values as they go on the wire."""
    native = np.dtype(wire).newbyteorder("=")

    def fill(chunk: pa.Array, out: npt.NDArray[Any]) -> None:
        buffer = chunk.buffers()[1]
        if buffer is None:
            out[:] = 0
        elif len(chunk):
            out[:] = np.frombuffer(buffer, native, len(chunk), chunk.offset * native.itemsize)

    return _filled(chunks, count, wire, fill).view(np.uint8)


def _offsets_of(array: pa.Array) -> npt.NDArray[np.signedinteger[Any]]:
    """Return where each string or list begins, and where the last ends."""
    is_large = array.type in _LARGE or pa.types.is_large_list(array.type)
    dtype = np.dtype(np.int64 if is_large else np.int32)
    buffer = array.buffers()[1]
    if len(array) == 0 or buffer is None:
        return np.zeros(len(array) + 1, dtype)
    return np.frombuffer(buffer, dtype, len(array) + 1, array.offset * dtype.itemsize)


def _strings(chunks: Sequence[pa.Array], count: int) -> Parts:
    texts: Parts = []
    n_bytes = 0

    def fill(chunk: pa.Array, out: npt.NDArray[Any]) -> None:
        nonlocal n_bytes
        offsets = _offsets_of(chunk)
        if chunk.null_count:
            sizes = np.diff(offsets)
            if sizes[~_unpack(chunk.buffers()[0], chunk.offset, len(chunk)).view(bool)].any():
                # Bytes behind a NULL must not be sent; this is rare, and copies.
                fill(pc.fill_null(chunk, pa.scalar(b"").cast(chunk.type)), out)
                return
        np.subtract(offsets[1:], offsets[:-1], out=out, casting="unsafe")
        start, end = int(offsets[0]), int(offsets[-1])
        if end > start:
            texts.append(memoryview(chunk.buffers()[2])[start:end])
            n_bytes += end - start

    sizes = _filled(chunks, count, ">i4", fill)
    return [*_sizes_field(sizes), thrift.field(Type.STRING, 3) + thrift.i32(n_bytes), *texts]


def _sizes_field(sizes: npt.NDArray[Any]) -> Parts:
    return [_list_field(2, Type.I32, len(sizes)), sizes.view(np.uint8).data]


def _lists(array: pa.Array, nulls: npt.NDArray[np.uint8] | None) -> Parts:
    sizes = np.diff(_offsets_of(array))
    if nulls is not None:
        sizes = np.where(nulls, 0, sizes)
    # Without what stands behind NULLs, and within the slice.
    values = array.flatten()
    inner = _null_flags([values], len(values))
    head = thrift.field(Type.STRUCT, 3)
    parts = [*_sizes_field(sizes.astype(">i4")), head]
    if inner is not None:
        parts += [_list_field(1, Type.BOOL, len(inner)), inner.data]
    return [*parts, _list_field(2, Type.I64, len(values)), _fixed([values], ">i8", len(values)).data, STOP]


def _flags(reader: Reader) -> npt.NDArray[np.bool_]:
    return reader.numbers(Type.BOOL, "u1") != 0


def _validity(nulls: npt.NDArray[np.bool_] | None) -> pa.Buffer | None:
    if nulls is None or not nulls.any():
        return None
    return pa.py_buffer(np.packbits(~nulls, bitorder="little"))


def _row_count(nulls: npt.NDArray[np.bool_] | None, values: npt.NDArray[Any] | None) -> int:
    if nulls is not None and values is not None and len(nulls) != len(values):
        raise WireError(f"a column with {len(nulls):,} NULL flags and {len(values):,} values")
    return len(nulls) if nulls is not None else len(values) if values is not None else 0


def _check_all_null(nulls: npt.NDArray[np.bool_] | None, values: npt.NDArray[Any] | None) -> None:
    if values is None and nulls is not None and not nulls.all():
        raise WireError("a column without its values")


def _read_fixed(kind: _Kind) -> Callable[[Reader], pa.Array]:
    def read(reader: Reader) -> pa.Array:
        found = reader.struct(
            {1: (Type.LIST, _flags), 2: (Type.LIST, lambda inner: inner.numbers(kind.element, kind.wire))}
        )
        nulls, values = found.get(1), found.get(2)
        count = _row_count(nulls, values)
        _check_all_null(nulls, values)
        if values is None:
            return pa.nulls(count, kind.arrow)
        if kind.arrow == pa.bool_():
            buffer = pa.py_buffer(np.packbits(values != 0, bitorder="little"))
        else:
            buffer = pa.py_buffer(values.astype(values.dtype.newbyteorder("=")))
        return pa.Array.from_buffers(kind.arrow, count, [_validity(nulls), buffer])

    return read


def _offsets(nulls: npt.NDArray[np.bool_] | None, sizes: npt.NDArray[Any], n_there: int) -> pa.Buffer:
    """Return the offsets of strings or lists, whose sizes must add up to what is there."""
    wide = sizes.astype(np.int64)
    if nulls is not None:
        wide[nulls] = 0
    if (wide < 0).any() or int(wide.sum()) != n_there:
        raise WireError(f"a column whose sizes do not add up to the {n_there:,} that are there")
    offsets = np.zeros(len(wide) + 1, np.int32)
    np.cumsum(wide, out=offsets[1:])
    return pa.py_buffer(offsets)


def _read_strings(kind: _Kind) -> Callable[[Reader], pa.Array]:
    def read(reader: Reader) -> pa.Array:
        found = reader.struct(
            {
                1: (Type.LIST, _flags),
                2: (Type.LIST, lambda inner: inner.numbers(Type.I32, ">i4")),
                3: (Type.STRING, Reader.binary),
            }
        )
        nulls, sizes = found.get(1), found.get(2)
        count = _row_count(nulls, sizes)
        _check_all_null(nulls, sizes)
        if sizes is None:
            return pa.nulls(count, kind.arrow)
        data = found.get(3, b"")
        buffers = [_validity(nulls), _offsets(nulls, sizes, len(data)), pa.py_buffer(data)]
        array = pa.Array.from_buffers(kind.arrow, count, buffers)
        try:
            array.validate(full=True)
        except pa.ArrowInvalid:
            raise WireError("a column of text that is not UTF-8") from None
        return array

    return read


def _read_lists(kind: _Kind) -> Callable[[Reader], pa.Array]:
    read_values = _read_fixed(_KINDS["bigint"])

    def read(reader: Reader) -> pa.Array:
        found = reader.struct(
            {
                1: (Type.LIST, _flags),
                2: (Type.LIST, lambda inner: inner.numbers(Type.I32, ">i4")),
                3: (Type.STRUCT, read_values),
            }
        )
        nulls, sizes = found.get(1), found.get(2)
        count = _row_count(nulls, sizes)
        _check_all_null(nulls, sizes)
        if sizes is None:
            return pa.nulls(count, kind.arrow)
        values = found.get(3, pa.array([], pa.int64()))
        buffers = [_validity(nulls), _offsets(nulls, sizes, len(values))]
        return pa.Array.from_buffers(kind.arrow, count, buffers, children=[values])

    return read


def _reader_of(name: str, kind: _Kind) -> Callable[[Reader], pa.Array]:
    if name == "array(bigint)":
        return _read_lists(kind)
    return _read_strings(kind) if kind.arrow in _STRINGS else _read_fixed(kind)


_BLOCK: Mapping[int, thrift.Field] = {
    kind.field: (Type.STRUCT, _reader_of(name, kind)) for name, kind in _KINDS.items()
}

"""From pieces of a scan to pages: how many rows fit, and values in the form that the wire has.

Sizes are those of the encoded block: a byte a value for NULL or not, eight a number, four and its bytes a text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aerospike_magic.gateway.messages import Page
from aerospike_magic.gateway.tables import WireColumn

_FIXED_SIZE = {"bigint": 9, "double": 9, "boolean": 2, "integer": 5, "date": 5, "timestamp": 9}
_TEXT_OVERHEAD = 5
_HEX = np.array([int.from_bytes(f"{i:02X}".encode(), "little") for i in range(256)], "<u2")


def encoded_size(batch: pa.RecordBatch, columns: Sequence[WireColumn]) -> int:
    """Return about how many bytes a batch takes in a page."""
    n_rows = batch.num_rows
    if not n_rows:
        return 0
    n_bytes = 0
    for array, wire in zip(batch.columns, columns, strict=True):
        offsets = _text_offsets(array, wire)
        if offsets is None:
            n_bytes += n_rows * _fixed_size(array, wire)
        else:
            n_bytes += n_rows * _TEXT_OVERHEAD + _factor(wire) * int(offsets[-1] - offsets[0])
    return n_bytes


def rows_within(batch: pa.RecordBatch, columns: Sequence[WireColumn], n_bytes: int) -> int:
    """Return how many of a batch's first rows fit in so many bytes of a page."""
    sizes = np.zeros(batch.num_rows, np.int64)
    for array, wire in zip(batch.columns, columns, strict=True):
        offsets = _text_offsets(array, wire)
        if offsets is None:
            sizes += _fixed_size(array, wire)
        else:
            sizes += _TEXT_OVERHEAD + _factor(wire) * np.diff(offsets).astype(np.int64)
    return int(np.searchsorted(np.cumsum(sizes), n_bytes, side="right"))


def to_page(
    batches: Sequence[pa.RecordBatch], columns: Sequence[WireColumn], n_rows: int, next_token: bytes | None
) -> Page:
    """Put batches together to a page."""
    arrays = tuple(_joined([batch.column(i) for batch in batches], wire) for i, wire in enumerate(columns))
    return Page(tuple(wire.type for wire in columns), arrays, n_rows, next_token)


def to_hex(array: pa.Array) -> pa.Array:
    """Return bytes as strings of upper-case hexadecimal."""
    n = len(array)
    if pa.types.is_fixed_size_binary(array.type):
        width = array.type.byte_width
        offsets = np.arange(n + 1, dtype=np.int64) * width + array.offset * width
        data = array.buffers()[1]
    else:
        _, offset_buffer, data = array.buffers()
        offsets = np.frombuffer(offset_buffer, np.int32)[array.offset : array.offset + n + 1].astype(np.int64)
    raw = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]] if data is not None else np.empty(0, np.uint8)
    digits = _HEX[raw]
    valid = None if array.null_count == 0 else array.is_valid().buffers()[1]
    ends = (2 * (offsets - offsets[0])).astype(np.int32)
    return pa.Array.from_buffers(pa.string(), n, [valid, pa.py_buffer(ends), pa.py_buffer(digits)], array.null_count)


def _joined(arrays: Sequence[pa.Array], wire: WireColumn) -> pa.Array | pa.ChunkedArray:
    shown = [to_hex(array) for array in arrays] if wire.is_hex else arrays
    return pa.chunked_array(shown) if len(shown) != 1 else shown[0]


def _fixed_size(array: pa.Array, wire: WireColumn) -> int:
    if pa.types.is_fixed_size_binary(array.type):
        return _factor(wire) * int(array.type.byte_width) + _TEXT_OVERHEAD
    return _FIXED_SIZE[wire.type]


def _factor(wire: WireColumn) -> int:
    """Bytes of text for a byte of the value."""
    return 2 if wire.is_hex else 1


def _text_offsets(array: pa.Array, wire: WireColumn) -> npt.NDArray[np.int32] | None:
    """Where each value begins and the last ends, if values differ in length."""
    if wire.type not in ("varchar", "json") or pa.types.is_fixed_size_binary(array.type):
        return None
    return np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]

"""Lists, maps and structs by `nested_kernels`: the tree that they walk, and Arrow arrays of what they fill."""

from __future__ import annotations

import threading
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aerospike_magic.schema.type_text import Kind, kind_of

# Arrow's offsets for lists and strings have 32 bits.
_MAX_BYTES = (1 << 31) - 1
# A struct's fields are ticked off in one integer.
_MAX_FIELDS = 63

_Ints = npt.NDArray[np.int64]


class NestedDecoder:
    """Decodes columns of one nested type; has no state, so threads may share it.

    Args:
        dtype: a list, map or struct type.
    """

    def __init__(self, dtype: pa.DataType) -> None:
        self._type = dtype
        self._types: list[pa.DataType] = [dtype]
        rows: list[list[int]] = []
        names: list[bytes] = [b""]
        # Breadth first, so that the children of a node stand together.
        for node_type in self._types:
            children = _children(node_type)
            rows.append([int(kind_of(node_type)), len(self._types), len(children)])
            self._types += [child for _, child in children]
            names += [name.encode() for name, _ in children]
        sizes = np.array([len(name) for name in names], dtype=np.int64)
        unused = np.zeros((len(rows), 4), dtype=np.int64)
        columns = [np.array(rows, np.int64), np.cumsum(sizes) - sizes, sizes, unused]
        self._table = np.ascontiguousarray(np.column_stack(columns))
        self._names = np.frombuffer(b"".join(names) + b"\0", dtype=np.uint8)

    @staticmethod
    def can_decode(dtype: pa.DataType) -> bool:
        """Whether a type is nested, and in no place too wide for the kernels."""
        if pa.types.is_struct(dtype) and not 0 < dtype.num_fields <= _MAX_FIELDS:
            return False
        children = [child for _, child in _children(dtype)]
        return kind_of(dtype) >= Kind.LIST and all(
            kind_of(child) < Kind.LIST or NestedDecoder.can_decode(child) for child in children
        )

    def decode(
        self, particle_types: npt.NDArray[np.uint8], payloads: pa.Array
    ) -> tuple[pa.Array, npt.NDArray[np.int64]] | None:
        """Decode rows; see `convert_column`.

        Returns:
            (array, rows that were left for Python to decide and are NULL here); None if all is left, for there
            is more than Arrow's offsets hold.
        """
        from aerospike_magic.schema.nested_kernels import BASE, COUNT, HEAP_BASE, USED, walk_rows

        data, starts = payload_bytes(payloads)
        if int(starts[-1]) - int(starts[0]) > _MAX_BYTES:
            return None
        particles = np.where(null_rows(payloads), np.uint8(0), particle_types).astype(np.uint8, copy=False)
        left = np.zeros(len(particles), dtype=np.uint8)
        table, counting = self._table.copy(), self._table.copy()
        walk_rows(data, starts, particles, left, False, counting, self._names, *_buffers(0, 0, 0))
        counts, sizes = counting[:, COUNT], counting[:, USED]
        table[:, BASE], table[:, HEAP_BASE] = np.cumsum(counts) - counts, np.cumsum(sizes) - sizes
        buffers = _buffers(int(counts.sum()), len(table), int(sizes.sum()))
        walk_rows(data, starts, particles, left, True, table, self._names, *buffers)
        return self._array(0, table, *buffers), np.flatnonzero(left)

    def _array(self, node: int, table: _Ints, fixed: _Ints, valid: Any, offsets: Any, heap: Any) -> pa.Array:
        kind, child, n_children, _, _, start, heap_start, n, used = table[node].tolist()
        dtype = self._types[node]
        states = valid[start : start + n]
        mask = None if states.all() else pa.py_buffer(np.packbits(states, bitorder="little"))
        values = fixed[start : start + n]
        if kind == Kind.INT64:
            return pa.Array.from_buffers(dtype, n, [mask, pa.py_buffer(values)])
        if kind == Kind.DOUBLE:
            return pa.Array.from_buffers(dtype, n, [mask, pa.py_buffer(_doubles(values, states))])
        if kind == Kind.BOOL:
            bits = np.packbits(values.astype(np.uint8), bitorder="little")
            return pa.Array.from_buffers(dtype, n, [mask, pa.py_buffer(bits)])
        ends = pa.py_buffer(offsets[start + node : start + node + n + 1])
        if kind in (Kind.STRING, Kind.BINARY):
            text = pa.py_buffer(heap[heap_start : heap_start + used])
            return pa.Array.from_buffers(dtype, n, [mask, ends, text])
        children = [self._array(child + i, table, fixed, valid, offsets, heap) for i in range(n_children)]
        if kind == Kind.STRUCT:
            return pa.Array.from_buffers(dtype, n, [mask], children=children)
        if kind == Kind.MAP:
            entries = pa.struct([dtype.key_field, dtype.item_field])
            children = [pa.Array.from_buffers(entries, len(children[0]), [None], children=children)]
        return pa.Array.from_buffers(dtype, n, [mask, ends], children=children)


def _doubles(values: _Ints, states: Any) -> npt.NDArray[np.float64]:
    from aerospike_magic.schema.nested_kernels import AS_INTEGER

    doubles = values.view(np.float64)
    integers = states == AS_INTEGER
    doubles[integers] = values[integers].astype(np.float64)
    return doubles


class _Compiler:
    """Compiles the kernels in the background, once a process; from the disk cache it takes a moment."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._compile, name="aerospike-magic-compile", daemon=True)
        self._thread.start()

    def _compile(self) -> None:
        from aerospike_magic.schema.json_column import json_array

        decoder = NestedDecoder(pa.list_(pa.int64()))
        for payload_type in (pa.binary(), pa.large_binary()):
            decoder.decode(np.array([20], np.uint8), pa.array([b"\x91\x01"], payload_type))
        json_array(np.array([20], np.uint8), pa.array([b"\x91\x01"]))
        self._done.set()

    def is_ready(self, timeout_s: float) -> bool:
        return self._done.wait(timeout_s) if timeout_s else self._done.is_set()


@cache
def _compiler() -> _Compiler:
    return _Compiler()


def kernels_ready(timeout_s: float = 0.0) -> bool:
    """Whether the kernels are compiled; the first call starts that in the background.

    Args:
        timeout_s: seconds to wait for it.
    """
    return _compiler().is_ready(timeout_s)


@lru_cache(maxsize=256)
def nested_decoder(dtype: pa.DataType) -> NestedDecoder:
    """Return the decoder of a type; made once, for a scan asks with every batch."""
    return NestedDecoder(dtype)


def _children(dtype: pa.DataType) -> list[tuple[str, pa.DataType]]:
    if pa.types.is_list(dtype):
        return [("", dtype.value_type)]
    if pa.types.is_map(dtype):
        return [("", dtype.key_type), ("", dtype.item_type)]
    if pa.types.is_struct(dtype):
        return [(field.name, field.type) for field in dtype]
    return []


def _buffers(n_values: int, n_nodes: int, n_bytes: int) -> tuple[Any, ...]:
    """Return (fixed, valid, offsets, heap) for so many values over all nodes; see `walk_rows`."""
    offsets = np.zeros(n_values + n_nodes, dtype=np.int32)
    return np.empty(n_values, np.int64), np.empty(n_values, np.uint8), offsets, np.empty(n_bytes, np.uint8)


def payload_bytes(payloads: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return the bytes of all rows end to end, and where each begins and the last ends."""
    width = np.int64 if pa.types.is_large_binary(payloads.type) else np.int32
    _, offsets, data = payloads.buffers()
    n = len(payloads)
    starts = np.zeros(1, np.int64)
    if offsets is not None and offsets.size:
        starts = np.frombuffer(offsets, width)[payloads.offset : payloads.offset + n + 1].astype(np.int64)
    # The kernels are compiled for arrays that may be written; these are only read.
    raw = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    return raw, starts


def null_rows(payloads: pa.Array) -> Any:
    """Return which rows have no payload."""
    return payloads.is_null().to_numpy(zero_copy_only=False) if payloads.null_count else np.bool_(False)

"""JSON columns by `json_kernels`: room for the text, and the Arrow array of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aerospike_magic.schema.nested import null_rows, payload_bytes

# Arrow's offsets have 32 bits.
_MAX_BYTES = (1 << 31) - 1
_FIRST_GROWTH = 2

_Bytes = npt.NDArray[np.uint8]
_Ints = npt.NDArray[np.int64]


def json_array(
    particle_types: npt.NDArray[np.uint8], payloads: pa.Array
) -> tuple[pa.Array, npt.NDArray[np.int64]] | None:
    """Write the JSON text of rows; see `convert.convert_column`.

    Returns:
        (array of strings, rows that were left for Python to decide and are NULL here); None if all is left, for
        there is more text than Arrow's offsets hold.
    """
    data, starts = payload_bytes(payloads)
    particles = np.where(null_rows(payloads), np.uint8(0), particle_types).astype(np.uint8, copy=False)
    long = np.zeros(2 + int(starts[-1] - starts[0]) // 8, np.int64)
    written = _written(data, starts, particles, long, np.empty(0, np.uint8), np.empty(0, np.int64))
    if written is not None and long[0]:
        text, text_ends = _texts_of(long[2 : 2 + int(long[0])].view(np.float64))
        long[0] = 0
        written = _written(data, starts, particles, long, text, text_ends)
    if written is None:
        return None
    out, ends, left = written
    valid = left == 0
    mask = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    buffers = [mask, pa.py_buffer(ends), pa.py_buffer(out[: ends[-1]])]
    return pa.Array.from_buffers(pa.string(), len(particles), buffers), np.flatnonzero(left == 2)


def _written(
    data: _Bytes, starts: _Ints, particles: _Bytes, long: _Ints, text: _Bytes, text_ends: _Ints
) -> tuple[_Bytes, npt.NDArray[np.int32], _Bytes] | None:
    """Return (text, where each row's ends, 1 or 2 for rows without), in as much room as it takes."""
    from aerospike_magic.schema.json_kernels import GROWTH, SLACK, write_rows

    n_rows = len(particles)
    left = np.zeros(n_rows, np.uint8)
    ends = np.zeros(n_rows + 1, np.int32)
    out = np.empty(_FIRST_GROWTH * int(starts[-1] - starts[0]) + 8 * n_rows + GROWTH * 256 + SLACK, np.uint8)
    row = 0
    while True:
        row = int(write_rows(data, starts, particles, row, out, ends, left, int(ends[row]), long, text, text_ends))
        if row == n_rows:
            return out, ends, left
        used = int(ends[row])
        size = 2 * len(out) + GROWTH * int(starts[row + 1] - starts[row]) + SLACK
        if size > _MAX_BYTES:
            return None
        out = np.concatenate([out[:used], np.empty(size - used, np.uint8)])


def _texts_of(values: npt.NDArray[np.float64]) -> tuple[_Bytes, _Ints]:
    """The shortest text of doubles that are written without an exponent, as Arrow and Python write it alike."""
    _, offsets, data = pa.array(values).cast(pa.string()).buffers()
    ends = np.frombuffer(offsets, np.int32)[: len(values) + 1].astype(np.int64)
    return np.frombuffer(data, np.uint8).copy(), ends

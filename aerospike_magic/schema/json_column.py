"""JSON columns by `json_kernels`: room for the text, and the Arrow array of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aerospike_magic.schema.nested import null_rows, payload_bytes

# Arrow's offsets have 32 bits.
_MAX_BYTES = (1 << 31) - 1
_FIRST_GROWTH = 2


def json_array(
    particle_types: npt.NDArray[np.uint8], payloads: pa.Array
) -> tuple[pa.Array, npt.NDArray[np.int64]] | None:
    """Write the JSON text of rows; see `convert.convert_column`.

    Returns:
        (array of strings, rows that were left for Python to decide and are NULL here); None if all is left, for
        there is more text than Arrow's offsets hold.
    """
    from aerospike_magic.schema.json_kernels import GROWTH, SLACK, write_rows

    data, starts = payload_bytes(payloads)
    n_rows = len(particle_types)
    particles = np.where(null_rows(payloads), np.uint8(0), particle_types).astype(np.uint8, copy=False)
    left = np.zeros(n_rows, np.uint8)
    ends = np.zeros(n_rows + 1, np.int32)
    total = int(starts[-1]) - int(starts[0])
    out = np.empty(_FIRST_GROWTH * total + 8 * n_rows + GROWTH * 256 + SLACK, np.uint8)
    row = 0
    while True:
        row = int(write_rows(data, starts, particles, row, out, ends, left, int(ends[row])))
        if row == n_rows:
            break
        used = int(ends[row])
        size = 2 * len(out) + GROWTH * int(starts[row + 1] - starts[row]) + SLACK
        if size > _MAX_BYTES:
            return None
        out = np.concatenate([out[:used], np.empty(size - used, np.uint8)])
    valid = left == 0
    mask = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    text = pa.py_buffer(out[: ends[-1]])
    return pa.Array.from_buffers(pa.string(), n_rows, [mask, pa.py_buffer(ends), text]), np.flatnonzero(left == 2)

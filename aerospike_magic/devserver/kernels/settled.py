"""Whether the bytes of a list or map are as they would be stored, so that nothing has to be done to them.

They are when every number and header has its shortest form, maps have integers and strings as keys, in order and each
once, and nothing is marked as sorted. What else is fine too, but rare, is left to `cdt.settle`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from aerospike_magic.devserver.kernels.layout import jit, read_i64, read_u32

_MAX_DEPTH = 32
_OTHER, _INTEGER, _STRING, _LIST, _MAP, _REFUSED = 0, 1, 2, 3, 4, 5
_STRING_PARTICLE, _MAP_PARTICLE, _LIST_PARTICLE = 3, 19, 20


@jit
def _read_header(data: np.ndarray, at: int, end: int) -> tuple[int, int, int]:
    """Read what an element starts with: what it is, its value or size, and where its header ends."""
    if at >= end:
        return _REFUSED, 0, at
    code: Any = np.int64(data[at])
    at += 1
    if code < 0x80:
        return _INTEGER, code, at
    if code >= 0xE0:
        return _INTEGER, code - 256, at
    if code < 0x90:
        return _MAP, code & 0x0F, at
    if code < 0xA0:
        return _LIST, code & 0x0F, at
    if code < 0xC0:
        return _STRING, code & 0x1F, at
    if code == 0xC0 or code == 0xC2 or code == 0xC3:
        return _OTHER, 0, at
    n_bytes = 0
    if code == 0xCC or code == 0xD0 or code == 0xD9:
        n_bytes = 1
    elif code == 0xCD or code == 0xD1 or code == 0xDA or code == 0xDC or code == 0xDE:
        n_bytes = 2
    elif code == 0xCA or code == 0xCE or code == 0xD2 or code == 0xDB or code == 0xDD or code == 0xDF:
        n_bytes = 4
    elif code == 0xCB or code == 0xCF or code == 0xD3:
        n_bytes = 8
    if n_bytes == 0 or at + n_bytes > end:
        return _REFUSED, 0, at
    if code == 0xCA or code == 0xCB:
        return _OTHER, 0, at + n_bytes
    value: Any = np.int64(0)
    if n_bytes == 8:
        value = read_i64(data, at)
    elif n_bytes == 4:
        value = np.int64(read_u32(data, at))
    else:
        for k in range(n_bytes):
            value = (value << 8) | np.int64(data[at + k])
    at += n_bytes
    if code >= 0xD0 and code <= 0xD3:
        if n_bytes < 8 and value >> (8 * n_bytes - 1):
            value -= np.int64(1) << (8 * n_bytes)
        limit = 32 if n_bytes == 1 else np.int64(1) << (4 * n_bytes - 1)
        return (_INTEGER if value < -limit else _REFUSED), value, at
    if code >= 0xCC and code <= 0xCF:
        limit = 0x7F if n_bytes == 1 else (np.int64(1) << (4 * n_bytes)) - 1
        return (_INTEGER if value > limit else _REFUSED), value, at
    if code <= 0xDB:
        limit = 0x1F if n_bytes == 1 else (np.int64(1) << (4 * n_bytes)) - 1
        return (_STRING if value > limit else _REFUSED), value, at
    limit = 0x0F if n_bytes == 2 else 0xFFFF
    kind = _LIST if code <= 0xDD else _MAP
    return (kind if value > limit else _REFUSED), value, at


@jit
def _is_below(data: np.ndarray, first: int, second: int, end: int) -> bool:
    """Say whether a key comes before another."""
    kind_a, a, at_a = _read_header(data, first, end)
    kind_b, b, at_b = _read_header(data, second, end)
    if kind_a != kind_b:
        return kind_a < kind_b
    if kind_a == _INTEGER:
        return a < b
    for k in range(min(a, b)):
        if data[at_a + k] != data[at_b + k]:
            return data[at_a + k] < data[at_b + k]
    return a < b


@jit
def is_settled(data: np.ndarray, at: int, end: int, is_map: bool) -> bool:
    """Say whether bytes are a list or map as it is stored.

    Args:
        data: where they are.
        at: where they start.
        end: where they end.
        is_map: whether it is to be a map, not a list.

    Returns:
        False also where it would take more to know.
    """
    left = np.empty(_MAX_DEPTH, np.int64)
    previous = np.empty(_MAX_DEPTH, np.int64)
    in_map = np.empty(_MAX_DEPTH, np.bool_)
    depth = -1
    while True:
        kind, size, after = _read_header(data, at, end)
        if kind == _REFUSED or (depth < 0 and kind != (_MAP if is_map else _LIST)):
            return False
        if kind == _STRING and (size < 1 or after + size > end):
            return False
        if depth >= 0:
            if in_map[depth] and left[depth] & 1 == 0:
                if kind == _STRING:
                    if data[after] != _STRING_PARTICLE:
                        return False
                elif kind != _INTEGER:
                    return False
                if previous[depth] >= 0 and not _is_below(data, previous[depth], at, end):
                    return False
                previous[depth] = at
            left[depth] -= 1
        at = after + size if kind == _STRING else after
        if (kind in (_LIST, _MAP)) and size > 0:
            depth += 1
            if depth == _MAX_DEPTH:
                return False
            left[depth] = size if kind == _LIST else 2 * size
            previous[depth] = -1
            in_map[depth] = kind == _MAP
        while depth >= 0 and left[depth] == 0:
            depth -= 1
        if depth < 0:
            return at == end


@jit
def find_unsettled(data: np.ndarray, at: int, n_rows: int, head_size: int, out: np.ndarray) -> int:
    """Find the lists and maps of a plain batch that are not as they would be stored.

    Args:
        data: the batch field, all its rows plain writes.
        at: where the first row starts.
        n_rows: how many rows.
        head_size: the size of the namespace and set fields.
        out: receives where their operations start, as far as there is room.

    Returns:
        how many there are.
    """
    n = 0
    for _ in range(n_rows):
        n_fields = np.int64(data[at + 35])
        n_ops = (np.int64(data[at + 36]) << 8) | np.int64(data[at + 37])
        at += 38 + head_size
        if n_fields == 3:
            at += 4 + read_u32(data, at)
        for _ in range(n_ops):
            end = at + 4 + read_u32(data, at)
            kind = data[at + 5]
            is_complex = kind in (_MAP_PARTICLE, _LIST_PARTICLE)
            value_at = at + 8 + np.int64(data[at + 7])
            if is_complex and not is_settled(data, value_at, end, kind == _MAP_PARTICLE):
                if n < len(out):
                    out[n] = at
                n += 1
            at = end
    return n

"""The JSON text of particles, from their bytes, without the GIL: what `json_text.json_text` writes, to the last byte.

A value that a kernel does not write is *left*: its row becomes NULL and is flagged, and `convert` writes it in Python.
It leaves what is rare (blobs, GeoJSON, extensions, keys that are no plain strings, strings that are not UTF-8) and
doubles that are written with an exponent. Another double is written with the fewest digits after the point whose
decimal reads back as the same double: the quotient of two whole numbers that are doubles themselves is rounded but
once, and no two decimals of 15 digits are the same double. One that needs more digits is *long*: the first walk over
all rows collects these, Arrow writes them, and a second walk takes their text.

numba's cache notices a change of this file only, not of what is imported from `nested_kernels`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from aerospike_magic.schema.nested_kernels import (
    LIST,
    MAP,
    STRING,
    _big_endian,
    _enter,
    _is_utf8,
    _read_int,
    _read_size,
)

_INTEGER_PARTICLE, _DOUBLE_PARTICLE, _STRING_PARTICLE, _BOOL_PARTICLE = 1, 2, 3, 17
_MAP_PARTICLE, _LIST_PARTICLE = 19, 20
_LEFT = -1
_MAX_DEPTH = 64
# Keys of a map that is not kept sorted are compared with one another; of many, Python finds the doubled ones.
_MAX_KEYS = 64
_MAX_DIGITS = 1e15
_LEAST = 1e-4
_MOST_FRACTION = 18
# From about here on, Arrow writes an exponent.
_MOST_LONG = 1e10

GROWTH = 7
"""Bytes of text that a byte of a value needs at most: ``false, ``."""
SLACK = 64
"""Bytes of text beyond that."""

# Columns of the stack: elements to come, LIST or MAP, where its keys begin among all (-1: it is sorted), how many there
# were, and where the last one of a sorted map stands.
_TO_COME, _KIND, _KEYS_AT, _N_KEYS, _LAST_AT, _LAST_SIZE = range(6)


@njit(nogil=True, cache=True)
def _write_int(value: Any, out: Any, to: Any) -> Any:
    """Write an integer; return the place after it."""
    rest = np.uint64(value)
    if value < 0:
        out[to] = 45
        to += 1
        rest = np.uint64(0) - rest
    n_digits = 1
    above = rest // np.uint64(10)
    while above:
        n_digits += 1
        above //= np.uint64(10)
    for i in range(n_digits):
        out[to + n_digits - 1 - i] = 48 + np.uint8(rest % np.uint64(10))
        rest //= np.uint64(10)
    return to + n_digits


@njit(nogil=True, cache=True)
def _write_double(bits: Any, long: Any, text: Any, text_ends: Any, out: Any, to: Any) -> Any:
    """Write a double, given as its bits; -1 if it is left. See `write_rows` for the arrays."""
    long[1] = bits
    size = abs(long[1:2].view(np.float64)[0])
    if not (size == 0.0 or _LEAST <= size < _MAX_DIGITS):
        return _LEFT
    scale = 1.0
    for n_after in range(_MOST_FRACTION):
        whole = np.rint(size * scale)
        if whole >= _MAX_DIGITS:
            break
        if whole / scale == size:
            if bits < 0:
                out[to] = 45
                to += 1
            digits, unit = np.int64(whole), np.int64(scale)
            to = _write_int(digits // unit, out, to)
            out[to] = 46
            fraction = digits % unit
            n = max(n_after, 1)
            for i in range(n):
                out[to + n - i] = 48 + fraction % 10
                fraction //= 10
            return to + 1 + n
        scale *= 10.0
    return _write_long(bits, long, text, text_ends, out, to)


@njit(nogil=True, cache=True)
def _write_long(bits: Any, long: Any, text: Any, text_ends: Any, out: Any, to: Any) -> Any:
    if abs(long[1:2].view(np.float64)[0]) >= _MOST_LONG:
        return _LEFT
    n = long[0]
    long[0] = n + 1
    if len(text_ends) == 0:
        long[n + 2] = bits
        return to
    for i in range(text_ends[n], text_ends[n + 1]):
        out[to] = text[i]
        to += 1
    return to


@njit(nogil=True, cache=True)
def _write_quoted(data: Any, at: Any, end: Any, out: Any, to: Any) -> Any:
    """Write a string in quotes; -1 if it is not UTF-8."""
    if not _is_utf8(data, at, end):
        return _LEFT
    out[to] = 34
    to += 1
    for i in range(at, end):
        c = data[i]
        short = 0
        if c == 34 or c == 92:
            short = c
        elif c < 32:
            short = 98 if c == 8 else 116 if c == 9 else 110 if c == 10 else 102 if c == 12 else 114 if c == 13 else 117
        if not short:
            out[to] = c
            to += 1
            continue
        out[to], out[to + 1] = 92, short
        to += 2
        if short == 117:
            low = c & 15
            out[to], out[to + 1], out[to + 2] = 48, 48, 48 + (c >> 4)
            out[to + 3] = 48 + low if low < 10 else 87 + low
            to += 4
    out[to] = 34
    return to + 1


@njit(nogil=True, cache=True)
def _write_word(code: Any, out: Any, to: Any) -> Any:
    """Write null, false or true."""
    if code == 0xC0:
        out[to], out[to + 1], out[to + 2], out[to + 3] = 110, 117, 108, 108
        return to + 4
    if code == 0xC3:
        out[to], out[to + 1], out[to + 2], out[to + 3] = 116, 114, 117, 101
        return to + 4
    out[to], out[to + 1], out[to + 2], out[to + 3], out[to + 4] = 102, 97, 108, 115, 101
    return to + 5


@njit(nogil=True, cache=True)
def _is_new(data: Any, start: Any, size: Any, keys: Any, first: Any, n_keys: Any) -> bool:
    """Whether a key is none of those before it."""
    for k in range(first, first + n_keys):
        if keys[k, 1] != size:
            continue
        same = True
        for i in range(size):
            if data[keys[k, 0] + i] != data[start + i]:
                same = False
                break
        if same:
            return False
    return True


@njit(nogil=True, cache=True)
def _is_above(data: Any, start: Any, size: Any, last_at: Any, last_size: Any) -> bool:
    """Whether a key comes after another in the server's order of strings."""
    for i in range(min(size, last_size)):
        if data[start + i] != data[last_at + i]:
            return data[start + i] > data[last_at + i]
    return size > last_size


@njit(nogil=True, cache=True)
def _write_key(data: Any, at: Any, end: Any, out: Any, to: Any, frame: Any, keys: Any) -> Any:
    """Write a map's key and the colon; return (place after the key, place in the text), -1 if it is left."""
    size, start = _read_size(data, at, end, STRING)
    if start < 0 or size == 0 or start + size > end or data[start] != _STRING_PARTICLE:
        return _LEFT, to
    if size > 1 and data[start + 1] == 36:
        return _LEFT, to
    if frame[_KEYS_AT] >= 0:
        here = frame[_KEYS_AT] + frame[_N_KEYS]
        if here >= len(keys) or not _is_new(data, start, size, keys, frame[_KEYS_AT], frame[_N_KEYS]):
            return _LEFT, to
        keys[here, 0], keys[here, 1] = start, size
        frame[_N_KEYS] += 1
    else:
        if not _is_above(data, start, size, frame[_LAST_AT], frame[_LAST_SIZE]):
            return _LEFT, to
        frame[_LAST_AT], frame[_LAST_SIZE] = start, size
    to = _write_quoted(data, start + 1, start + size, out, to)
    if to < 0:
        return _LEFT, to
    out[to], out[to + 1] = 58, 32
    return start + size, to + 2


@njit(nogil=True, cache=True)
def _write_scalar(
    data: Any, at: Any, end: Any, out: Any, to: Any, long: Any, text: Any, text_ends: Any
) -> Any:  # fmt: skip
    """Write an element that is neither list nor map; return (place after it, place in the text), -1 if it is left."""
    code = np.int64(data[at])
    if code == 0xC0 or code == 0xC2 or code == 0xC3:
        return at + 1, _write_word(code, out, to)
    if code == 0xCB:
        if at + 9 > end:
            return _LEFT, to
        to = _write_double(np.int64(_big_endian(data, at + 1, 8)), long, text, text_ends, out, to)
        return (at + 9 if to >= 0 else _LEFT), to
    value, after = _read_int(data, at, end)
    if after >= 0:
        return after, _write_int(value, out, to)
    size, start = _read_size(data, at, end, STRING)
    if start < 0 or size == 0 or start + size > end or data[start] != _STRING_PARTICLE:
        return _LEFT, to
    to = _write_quoted(data, start + 1, start + size, out, to)
    return (start + size if to >= 0 else _LEFT), to


@njit(nogil=True, cache=True)
def _kind_at(code: Any) -> Any:
    """LIST, MAP, or neither."""
    if 0x90 <= code < 0xA0 or code == 0xDC or code == 0xDD:
        return LIST
    if 0x80 <= code < 0x90 or code == 0xDE or code == 0xDF:
        return MAP
    return 0


@njit(nogil=True, cache=True)
def _write_nested(
    data: Any, at: Any, end: Any, out: Any, to: Any, stack: Any, keys: Any, long: Any, text: Any, text_ends: Any
) -> Any:  # fmt: skip
    """Write a list or map; return (place after it, place in the text), -1 if it is left."""
    depth = 0
    n_keys = 0
    while at < end:
        kind = _kind_at(np.int64(data[at]))
        if kind:
            if depth == _MAX_DEPTH:
                return _LEFT, to
            header = at
            listed = _read_size(data, at, end, kind)[0]
            size, at = _enter(data, at, end, kind)
            if at < 0:
                return _LEFT, to
            is_sorted = kind == MAP and size < listed and _is_sorted(data, header, end)
            if kind == MAP and not is_sorted and size > _MAX_KEYS:
                return _LEFT, to
            out[to] = 91 if kind == LIST else 123
            to += 1
            stack[depth, _TO_COME], stack[depth, _KIND] = size + 1, kind
            stack[depth, _KEYS_AT], stack[depth, _N_KEYS] = -1 if is_sorted else n_keys, 0
            stack[depth, _LAST_AT], stack[depth, _LAST_SIZE] = 0, 0
            depth += 1
            is_first = True
        else:
            at, to = _write_scalar(data, at, end, out, to, long, text, text_ends)
            if at < 0:
                return _LEFT, to
            is_first = False
        while depth:
            frame = stack[depth - 1]
            frame[_TO_COME] -= 1
            if frame[_TO_COME]:
                break
            out[to] = 93 if frame[_KIND] == LIST else 125
            to += 1
            depth -= 1
            if frame[_KEYS_AT] >= 0:
                n_keys = frame[_KEYS_AT]
            is_first = False
        if not depth:
            return at, to
        if not is_first:
            out[to], out[to + 1] = 44, 32
            to += 2
        frame = stack[depth - 1]
        if frame[_KIND] == MAP:
            if at >= end:
                return _LEFT, to
            at, to = _write_key(data, at, end, out, to, frame, keys)
            if at < 0:
                return _LEFT, to
            if frame[_KEYS_AT] >= 0:
                n_keys = frame[_KEYS_AT] + frame[_N_KEYS]
    return _LEFT, to


@njit(nogil=True, cache=True)
def _is_sorted(data: Any, header: Any, end: Any) -> bool:
    """Whether a map, whose header this is, has the flag that it is sorted by key."""
    at = _read_size(data, header, end, MAP)[1]
    code = np.int64(data[at])
    flags_at = at + 1 if 0xD4 <= code <= 0xD8 else at + 1 + (1 << (code - 0xC7))
    return data[flags_at] & 1 == 1


@njit(nogil=True, cache=True)
def write_rows(
    data: Any, starts: Any, particles: Any, first: Any, out: Any, ends: Any, left: Any, used: Any, long: Any, text: Any,
    text_ends: Any,
) -> Any:  # fmt: skip
    """Write the text of rows until they end or the room does.

    Args:
        data: uint8, the payloads end to end.
        starts: int64, where each row's payload starts, and where the last one ends.
        particles: uint8, a particle type a row; 0 is NULL.
        first: the row to begin with.
        out: uint8, the text.
        ends: int32 a row, with a 0 before: where its text ends.
        left: uint8 a row: 1 for NULL, 2 where it was left.
        used: bytes of text that are written.
        long: int64: how many long doubles there were, a place to work, then the bits of each; room for one in 8 bytes.
        text: uint8, the text of the long doubles end to end.
        text_ends: int64, where the text of each begins and the last ends; empty in the walk that collects them.

    Returns:
        the row to go on with, once there is more room; the number of rows when all are written.
    """
    stack = np.zeros((_MAX_DEPTH, 6), np.int64)
    keys = np.zeros((4 * _MAX_KEYS, 2), np.int64)
    to = np.int64(used)
    for row in range(first, len(particles)):
        at, end = starts[row], starts[row + 1]
        if len(out) - to < GROWTH * (end - at) + SLACK:
            return np.int64(row)
        particle, size = particles[row], end - at
        before = to
        after = np.int64(_LEFT)
        if particle == 0:
            left[row] = 1
        elif particle in (_LIST_PARTICLE, _MAP_PARTICLE):
            wanted = LIST if particle == _LIST_PARTICLE else MAP
            if size > 0 and _kind_at(np.int64(data[at])) == wanted:
                after, to = _write_nested(data, at, end, out, to, stack, keys, long, text, text_ends)
        elif particle == _INTEGER_PARTICLE and size == 8:
            after, to = end, _write_int(np.int64(_big_endian(data, at, 8)), out, to)
        elif particle == _DOUBLE_PARTICLE and size == 8:
            to = _write_double(np.int64(_big_endian(data, at, 8)), long, text, text_ends, out, to)
            after = end if to >= 0 else np.int64(_LEFT)
        elif particle == _BOOL_PARTICLE and size == 1 and data[at] < 2:
            after, to = end, _write_word(0xC2 + np.int64(data[at]), out, to)
        elif particle == _STRING_PARTICLE:
            to = _write_quoted(data, at, end, out, to)
            after = end if to >= 0 else np.int64(_LEFT)
        if after != end:
            to = before
            if particle != 0:
                left[row] = 2
        ends[row + 1] = to
    return np.int64(len(particles))

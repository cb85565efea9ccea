"""Lists and maps from MessagePack straight into Arrow's buffers, without the GIL.

A column's type is a tree, given as a table: a row a node, with its kind, its children, and how far its buffers are
filled. One walk over a value's bytes visits the tree; the first walk over all values counts what every node
needs, the second fills buffers of just that size. A value that the walk does not understand, or that does
not fit, is *left*: its row is flagged and becomes NULL, and `convert` decides about it in Python. So a
kernel may leave anything, but what it takes must be what `convert` would have made of it.

Importing this module costs the import of numba: only `nested` does, when there are nested columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

INT64, DOUBLE, STRING, BOOL, BINARY, LIST, MAP, STRUCT = 0, 1, 2, 3, 4, 7, 8, 9
_LEFT = -1
_STRING_PARTICLE, _BLOB_PARTICLE = 3, 4
_LIST_PARTICLE, _MAP_PARTICLE = 20, 19
_COMPARE_EXTENSION = 255
_EXACT = 1 << 53

# Columns of the table. All that a walk needs to know is in few arrays: each one more costs every call.
KIND, CHILD, N_CHILDREN, NAME_AT, NAME_SIZE, BASE, HEAP_BASE, COUNT, USED = range(9)
N_COLUMNS = 9

# What `valid` says of a value; AS_INTEGER is a double that was written as an integer and stands in its buffer so.
NULL, VALID, AS_INTEGER = 0, 1, 2


@njit(nogil=True, cache=True)
def _big_endian(data: Any, at: int, size: int) -> Any:
    value = np.uint64(0)
    for i in range(size):
        value = (value << np.uint64(8)) | np.uint64(data[at + i])
    return value


@njit(nogil=True, cache=True)
def _read_int(data: Any, at: Any, end: int) -> Any:
    """Return (integer, place after it); the place is -1 where there is no integer of 64 bits."""
    code = np.int64(data[at])
    if code < 0x80:
        return code, at + 1
    if code >= 0xE0:
        return code - 256, at + 1
    if code < 0xCC or code > 0xD3:
        return 0, _LEFT
    size = 1 << ((code - 0xCC) & 3)
    if at + 1 + size > end:
        return 0, _LEFT
    value = np.int64(_big_endian(data, at + 1, size))
    if code >= 0xD0:
        shift = 64 - 8 * size
        value = (value << shift) >> shift
    elif value < 0:
        return 0, _LEFT
    return value, at + 1 + size


@njit(nogil=True, cache=True)
def _read_size(data: Any, at: Any, end: int, kind: int) -> Any:
    """Return (elements or bytes, place after the header) of a string, list or map; the place is -1 for others."""
    code = np.int64(data[at])
    width: Any = 0
    if kind == LIST:
        if 0x90 <= code < 0xA0:
            return code & 0x0F, at + 1
        width = 2 if code == 0xDC else 4 if code == 0xDD else 0
    elif kind == MAP:
        if 0x80 <= code < 0x90:
            return code & 0x0F, at + 1
        width = 2 if code == 0xDE else 4 if code == 0xDF else 0
    else:
        if 0xA0 <= code < 0xC0:
            return code & 0x1F, at + 1
        if 0xC4 <= code <= 0xC6:
            width = 1 << (code - 0xC4)
        elif 0xD9 <= code <= 0xDB:
            width = 1 << (code - 0xD9)
    if width == 0 or at + 1 + width > end:
        return 0, _LEFT
    return np.int64(_big_endian(data, at + 1, width)), at + 1 + width


@njit(nogil=True, cache=True)
def _skip_flags(data: Any, at: Any, end: Any) -> Any:
    """Return the place after a leading extension with a list's or map's flags; `at` itself where there is none."""
    code = np.int64(data[at])
    header: Any = 0
    size: Any = 0
    if 0xD4 <= code <= 0xD8:
        header, size = 1, 1 << (code - 0xD4)
    elif 0xC7 <= code <= 0xC9:
        width = 1 << (code - 0xC7)
        if at + 1 + width > end:
            return _LEFT
        header, size = 1 + width, np.int64(_big_endian(data, at + 1, width))
    else:
        return at
    after = at + header + 1 + size
    if after > end or data[at + header] == _COMPARE_EXTENSION:
        return _LEFT
    return after


@njit(nogil=True, cache=True)
def _is_utf8(data: Any, at: Any, end: int) -> bool:
    while at < end:
        lead = data[at]
        if lead < 0x80:
            at += 1
            continue
        if lead < 0xC2 or lead > 0xF4:
            return False
        more = 1 if lead < 0xE0 else 2 if lead < 0xF0 else 3
        if at + more >= end:
            return False
        second = data[at + 1]
        # Overlong forms, surrogates and code points beyond U+10FFFF show in the second byte.
        low = 0xA0 if lead == 0xE0 else 0x90 if lead == 0xF0 else 0x80
        high = 0x9F if lead == 0xED else 0x8F if lead == 0xF4 else 0xBF
        if second < low or second > high:
            return False
        for i in range(2, more + 1):
            if data[at + i] & 0xC0 != 0x80:
                return False
        at += more + 1
    return True


@njit(nogil=True, cache=True)
def _append_null(first: Any, fill: bool, table: Any, fixed: Any, valid: Any, offsets: Any, pending: Any) -> None:
    """Append NULL to a node, and so to the fields of a struct; `pending` has room for every node."""
    pending[0] = first
    n_pending = 1
    while n_pending:
        n_pending -= 1
        node = pending[n_pending]
        kind = table[node, KIND]
        place = table[node, BASE] + table[node, COUNT]
        table[node, COUNT] += 1
        if fill:
            valid[place] = NULL
            if kind in (STRING, BINARY):
                offsets[place + node + 1] = table[node, USED]
            elif kind < LIST:
                fixed[place] = 0
            elif kind != STRUCT:
                offsets[place + node + 1] = table[table[node, CHILD], COUNT]
        if kind == STRUCT:
            for i in range(table[node, N_CHILDREN]):
                pending[n_pending] = table[node, CHILD] + i
                n_pending += 1


@njit(nogil=True, cache=True)
def _walk_text(
    data: Any, at: int, end: int, node: int, fill: bool, table: Any, valid: Any, offsets: Any, heap: Any
) -> Any:
    kind = table[node, KIND]
    size, start = _read_size(data, at, end, STRING)
    particle = _STRING_PARTICLE if kind == STRING else _BLOB_PARTICLE
    if start < 0 or size == 0 or start + size > end or data[start] != particle:
        return _LEFT
    after = start + size
    used = table[node, USED]
    if fill:
        to = table[node, HEAP_BASE] + used
        for i in range(size - 1):
            heap[to + i] = data[start + 1 + i]
        place = table[node, BASE] + table[node, COUNT]
        offsets[place + node + 1] = used + size - 1
        valid[place] = VALID
    elif kind == STRING and not _is_utf8(data, start + 1, after):
        return _LEFT
    table[node, USED] = used + size - 1
    table[node, COUNT] += 1
    return after


@njit(nogil=True, cache=True)
def _walk_number(data: Any, at: int, end: int, node: int, fill: bool, table: Any, fixed: Any, valid: Any) -> Any:
    kind = table[node, KIND]
    code = np.int64(data[at])
    how = VALID
    value: Any = np.int64(0)
    after: Any = np.int64(_LEFT)
    if kind == BOOL:
        if code in (0xC2, 0xC3):
            value, after = code - 0xC2, at + 1
    elif kind == DOUBLE and code == 0xCB:
        if at + 9 <= end:
            value, after = np.int64(_big_endian(data, at + 1, 8)), at + 9
    else:
        value, after = _read_int(data, at, end)
        if kind == DOUBLE:
            how = AS_INTEGER
            if value > _EXACT or value < -_EXACT:
                return _LEFT
    if after >= 0:
        if fill:
            place = table[node, BASE] + table[node, COUNT]
            fixed[place] = value
            valid[place] = how
        table[node, COUNT] += 1
    return after


@njit(nogil=True, cache=True)
def _find_field(data: Any, at: int, end: int, node: int, table: Any, names: Any) -> Any:
    """Return (index of the struct's field that this key names, place after the key); (-1, -1) if it is left."""
    size, start = _read_size(data, at, end, STRING)
    if start < 0 or size == 0 or start + size > end or data[start] != _STRING_PARTICLE:
        return _LEFT, _LEFT
    for i in range(table[node, N_CHILDREN]):
        child = table[node, CHILD] + i
        if table[child, NAME_SIZE] != size - 1:
            continue
        same = True
        for j in range(size - 1):
            if names[table[child, NAME_AT] + j] != data[start + 1 + j]:
                same = False
                break
        if same:
            return i, start + size
    return _LEFT, _LEFT


@njit(nogil=True, cache=True)
def _enter(data: Any, at: int, end: int, kind: int) -> Any:
    """Return (elements, place of the first) of a list or map, behind its flags; the place is -1 if it is left."""
    size, at = _read_size(data, at, end, LIST if kind == LIST else MAP)
    if at < 0 or size == 0:
        return size, at
    if at >= end:
        return 0, _LEFT
    after = _skip_flags(data, at, end)
    if after == at:
        return size, at
    if after >= 0 and kind != LIST:
        # A sorted map's flags are a key; nil is its value.
        after = after + 1 if after < end and data[after] == 0xC0 else _LEFT
    return size - 1, after


@njit(nogil=True, cache=True)
def _walk(
    data: Any, at: Any, end: Any, fill: bool, table: Any, names: Any, fixed: Any, valid: Any, offsets: Any,
    heap: Any, stack: Any, pending: Any,
) -> Any:  # fmt: skip
    """Append the value of one row; return the place after it, -1 if it is left.

    With a stack of its own: numba cannot load a function that calls itself from its cache.
    """
    depth = 0
    node: Any = np.int64(0)
    while at < end:
        kind = table[node, KIND]
        if data[at] == 0xC0:
            _append_null(node, fill, table, fixed, valid, offsets, pending)
            at += 1
        elif kind in (STRING, BINARY):
            at = _walk_text(data, at, end, node, fill, table, valid, offsets, heap)
        elif kind < LIST:
            at = _walk_number(data, at, end, node, fill, table, fixed, valid)
        else:
            size, at = _enter(data, at, end, kind)
            place = table[node, BASE] + table[node, COUNT]
            table[node, COUNT] += 1
            if fill:
                valid[place] = VALID
            stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3] = node, size, place, 0
            depth += 1
        if at < 0:
            return _LEFT
        while depth and stack[depth - 1, 1] == 0:
            depth -= 1
            _leave(stack[depth], fill, table, fixed, valid, offsets, pending)
        if not depth:
            return at
        node, at = _next_node(data, at, end, stack[depth - 1], fill, table, names, fixed, valid, offsets, heap)
        if at < 0:
            return _LEFT
    return _LEFT


@njit(nogil=True, cache=True)
def _leave(frame: Any, fill: bool, table: Any, fixed: Any, valid: Any, offsets: Any, pending: Any) -> None:
    """End a list, map or struct."""
    node, place, seen = frame[0], frame[2], frame[3]
    child = table[node, CHILD]
    if table[node, KIND] != STRUCT:
        if fill:
            offsets[place + node + 1] = table[child, COUNT]
        return
    for i in range(table[node, N_CHILDREN]):
        if not (seen >> i) & 1:
            _append_null(child + i, fill, table, fixed, valid, offsets, pending)


@njit(nogil=True, cache=True)
def _next_node(
    data: Any, at: Any, end: Any, frame: Any, fill: bool, table: Any, names: Any, fixed: Any, valid: Any,
    offsets: Any, heap: Any,
) -> Any:  # fmt: skip
    """Return (node of the next element, its place), behind the element's key; the place is -1 if it is left."""
    node = frame[0]
    frame[1] -= 1
    kind, child = table[node, KIND], table[node, CHILD]
    if kind == LIST:
        return child, at
    if at >= end or data[at] == 0xC0:
        return child, _LEFT
    if kind == MAP:
        if table[child, KIND] == STRING:
            return child + 1, _walk_text(data, at, end, child, fill, table, valid, offsets, heap)
        return child + 1, _walk_number(data, at, end, child, fill, table, fixed, valid)
    index, at = _find_field(data, at, end, node, table, names)
    if at < 0 or (frame[3] >> index) & 1:
        return child, _LEFT
    frame[3] |= 1 << index
    return child + index, at


@njit(nogil=True, cache=True)
def walk_rows(
    data: Any, starts: Any, particles: Any, left: Any, fill: bool, table: Any, names: Any, fixed: Any, valid: Any,
    offsets: Any, heap: Any,
) -> None:  # fmt: skip
    """Walk over all rows.

    Args:
        data: uint8, the payloads end to end.
        starts: int64, where each row's payload starts, and where the last one ends.
        particles: uint8, a particle type a row; 0 is NULL.
        left: uint8 a row: written by the counting walk (1: left), read by the filling one.
        fill: whether to fill the buffers, after counting.
        table: int64 (nodes × N_COLUMNS), with COUNT and USED at 0.
        names: uint8, the names of struct fields.
        fixed: int64, numbers, doubles as their bits.
        valid: uint8 a value.
        offsets: int32; a node's start at its BASE plus its number, for each has one more than values.
        heap: uint8, the bytes of strings and blobs.
    """
    wanted = _LIST_PARTICLE if table[0, KIND] == LIST else _MAP_PARTICLE
    n_nodes = len(table)
    before = np.zeros((n_nodes, 2), np.int64)
    # A type is never deeper than it has nodes.
    stack = np.zeros((n_nodes, 4), np.int64)
    pending = np.zeros(n_nodes, np.int64)
    for row in range(len(particles)):
        if particles[row] == 0 or (fill and left[row]):
            _append_null(0, fill, table, fixed, valid, offsets, pending)
            continue
        for i in range(n_nodes):
            before[i, 0] = table[i, COUNT]
            before[i, 1] = table[i, USED]
        at = np.int64(_LEFT)
        start, end = starts[row], starts[row + 1]
        if particles[row] == wanted and start < end and data[start] != 0xC0:
            at = _walk(data, start, end, fill, table, names, fixed, valid, offsets, heap, stack, pending)
        if at != end:
            for i in range(n_nodes):
                table[i, COUNT] = before[i, 0]
                table[i, USED] = before[i, 1]
            left[row] = 1
            _append_null(0, fill, table, fixed, valid, offsets, pending)

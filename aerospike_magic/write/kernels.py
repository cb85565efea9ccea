"""The write kernels: Arrow columns → batch requests, and answers → result codes, compiled by numba, without the GIL.

Mechanism: the sizes of all rows are measured column by column; requests are cut by them; then each request's rows are
written one after another into a buffer of exactly that size. A row cannot say "as the row before" (REPEAT): that
repeats the values too.

The kernels see no array object, only addresses (see `scan/kernels.py` for why). Invariants: `encode_rows` writes what
`measure_rows` has measured, and up to 16 bytes more, which the next thing written covers; `read_answers` reads no byte
behind the frame it is given.

Protocol: see `wire/batch.py`, whose encoder gives the same bytes.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from aerospike_magic.scan.intrinsics import (
    copy_bytes,
    load_be16,
    load_be32,
    load_be64,
    load_i64,
    load_le32,
    load_u8,
    store_le64,
    store_u8,
)

# Kinds of columns. The widths of offsets differ; everything else is cast before.
K_INT64, K_DOUBLE, K_BOOL, K_BYTES32, K_BYTES64, K_NULL = range(6)

# Indices into `tables`: addresses (A_…) and numbers (C_…).
(
    C_COLUMNS,
    A_KINDS,  # int64 a column, as are the next five
    A_VALUES,  # addresses of values, bitmaps or offsets
    A_DATA,  # addresses of bytes, for K_BYTES
    A_VALIDITY,  # addresses of bitmaps, 0 = no NULL
    A_SHIFTS,  # index of the first row in the buffers
    A_PARTICLES,  # particle types
    A_NAMES,  # 16 bytes a column: the bin's name
    A_NAME_SIZES,
    C_NULLS,  # 1 where a NULL becomes an operation that removes the bin, 0 where it is left out
    A_FIELDS,  # namespace and set, as every row has them
    C_FIELDS,  # their size
    C_KEY,  # column of the key in the key's own tables; -1 = keys are not sent
    C_INFO2,
    C_INFO3,
    A_GENERATIONS,  # int64 a row, 0 = none is expected
    A_TTLS,  # int64 a row, 0 = all have C_TTL
    C_TTL,
    A_DIGESTS,  # 20 bytes a row
    A_OPS,  # int64 a row: number of operations
) = range(20)
N_TABLES = 24

ROW_HEAD = 38
"""Index, digest, flags, three infos, generation, time to live, and the two counts."""
OP_HEAD = 8
PADDING = 16
_ROW_FLAGS = 0x0E  # INFO, GENERATION, TTL
_FIELD_KEY = 2
_OP_WRITE = 2

MESSAGE_HEADER = 22
MORE, LAST, MALFORMED = range(3)


@njit(nogil=True, cache=True)
def _get(base, index):
    return load_i64(np.uintp(base) + np.uintp(8 * index))


@njit(nogil=True, cache=True)
def _set(base, index, value):
    store_le64(np.uintp(base) + np.uintp(8 * index), np.uint64(value))


@njit(nogil=True, cache=True)
def _store_be16(address, value):
    store_u8(address, (value >> 8) & 0xFF)
    store_u8(address + np.uintp(1), value & 0xFF)


@njit(nogil=True, cache=True)
def _store_be32(address, value):
    store_u8(address, (value >> 24) & 0xFF)
    store_u8(address + np.uintp(1), (value >> 16) & 0xFF)
    store_u8(address + np.uintp(2), (value >> 8) & 0xFF)
    store_u8(address + np.uintp(3), value & 0xFF)


@njit(nogil=True, cache=True)
def _is_set(bitmap, index):
    return (load_u8(np.uintp(bitmap) + np.uintp(index >> 3)) >> (index & 7)) & 1


@njit(nogil=True, cache=True)
def _bytes_start(kind, offsets, index):
    if kind == K_BYTES32:
        return load_le32(np.uintp(offsets) + np.uintp(4 * index))
    return _get(offsets, index)


@njit(nogil=True, cache=True)
def measure_rows(tables, n_rows, sizes):
    """Measure rows and count their operations.

    Args:
        tables: address of the tables; A_OPS receives the number of operations of each row.
        n_rows: how many rows there are.
        sizes: address of int64 a row, receives each row's bytes in a request.
    """
    n_ops = _get(tables, A_OPS)
    columns = _get(tables, C_COLUMNS)
    nulls = _get(tables, C_NULLS)
    for i in range(n_rows):
        _set(sizes, i, ROW_HEAD + _get(tables, C_FIELDS))
        _set(n_ops, i, 0)
    for c in range(columns):
        kind = _get(_get(tables, A_KINDS), c)
        values = _get(_get(tables, A_VALUES), c)
        validity = _get(_get(tables, A_VALIDITY), c)
        shift = _get(_get(tables, A_SHIFTS), c)
        head = OP_HEAD + _get(_get(tables, A_NAME_SIZES), c)
        for i in range(n_rows):
            width = 0
            if kind == K_NULL or (validity != 0 and not _is_set(validity, shift + i)):
                if nulls == 0:
                    continue
            elif kind == K_BOOL:
                width = 1
            elif kind in (K_BYTES32, K_BYTES64):
                width = _bytes_start(kind, values, shift + i + 1) - _bytes_start(kind, values, shift + i)
            else:
                width = 8
            _set(sizes, i, _get(sizes, i) + head + width)
            _set(n_ops, i, _get(n_ops, i) + 1)


@njit(nogil=True, cache=True)
def key_size(kind, values, index):
    """Bytes of a key, without its particle type."""
    if kind == K_INT64:
        return 8
    return _bytes_start(kind, values, index + 1) - _bytes_start(kind, values, index)


@njit(nogil=True, cache=True)
def measure_keys(kind, values, shift, n_rows, sizes):
    """Add to `sizes` what a row's key field takes."""
    for i in range(n_rows):
        _set(sizes, i, _get(sizes, i) + 6 + key_size(kind, values, shift + i))


@njit(nogil=True, cache=True)
def encode_rows(tables, key, rows, n_rows, out):
    """Write rows of a request, behind the batch field's header.

    Args:
        tables: address of the tables.
        key: address of five int64: the key's kind, values, data, shift and particle type.
        rows: address of int64: which rows; row k answers with index k.
        n_rows: how many.
        out: address to write to; PADDING bytes behind the end are written over.

    Returns:
        the address behind the last byte.
    """
    at = np.uintp(out)
    fields = np.uintp(_get(tables, A_FIELDS))
    n_fields = _get(tables, C_FIELDS)
    sends_key = _get(tables, C_KEY) >= 0
    generations = _get(tables, A_GENERATIONS)
    ttls = _get(tables, A_TTLS)
    ttl = _get(tables, C_TTL)
    digests = np.uintp(_get(tables, A_DIGESTS))
    for k in range(n_rows):
        i = _get(rows, k)
        _store_be32(at, k)
        copy_bytes(at + np.uintp(4), digests + np.uintp(20 * i), 20)
        store_u8(at + np.uintp(24), _ROW_FLAGS)
        store_u8(at + np.uintp(25), 0)
        store_u8(at + np.uintp(26), _get(tables, C_INFO2))
        store_u8(at + np.uintp(27), _get(tables, C_INFO3))
        _store_be16(at + np.uintp(28), _get(generations, i) if generations != 0 else 0)
        _store_be32(at + np.uintp(30), _get(ttls, i) if ttls != 0 else ttl)
        _store_be16(at + np.uintp(34), 3 if sends_key else 2)
        _store_be16(at + np.uintp(36), _get(_get(tables, A_OPS), i))
        at += np.uintp(ROW_HEAD)
        copy_bytes(at, fields, n_fields)
        at += np.uintp(n_fields)
        if sends_key:
            at = _encode_key(key, i, at)
        at = _encode_ops(tables, i, at)
    return at


@njit(nogil=True, cache=True)
def _encode_key(key, i, at):
    kind, values, index = _get(key, 0), _get(key, 1), i + _get(key, 3)
    size = key_size(kind, values, index)
    _store_be32(at, size + 2)
    store_u8(at + np.uintp(4), _FIELD_KEY)
    store_u8(at + np.uintp(5), _get(key, 4))
    if kind == K_INT64:
        store_le64(at + np.uintp(6), load_be64(np.uintp(values) + np.uintp(8 * index)))
    else:
        start = _bytes_start(kind, values, index)
        copy_bytes(at + np.uintp(6), np.uintp(_get(key, 2)) + np.uintp(start), size)
    return at + np.uintp(6 + size)


@njit(nogil=True, cache=True)
def _encode_ops(tables, i, at):
    names = np.uintp(_get(tables, A_NAMES))
    kinds, all_values = _get(tables, A_KINDS), _get(tables, A_VALUES)
    validities, shifts = _get(tables, A_VALIDITY), _get(tables, A_SHIFTS)
    name_sizes, particles = _get(tables, A_NAME_SIZES), _get(tables, A_PARTICLES)
    nulls = _get(tables, C_NULLS)
    for c in range(_get(tables, C_COLUMNS)):
        kind = _get(kinds, c)
        values = np.uintp(_get(all_values, c))
        validity = _get(validities, c)
        index = i + _get(shifts, c)
        name_size = _get(name_sizes, c)
        is_null = kind == K_NULL or (validity != 0 and not _is_set(validity, index))
        if is_null and nulls == 0:
            continue
        value_at = at + np.uintp(OP_HEAD + name_size)
        store_u8(at + np.uintp(4), _OP_WRITE)
        store_u8(at + np.uintp(5), 0 if is_null else _get(particles, c))
        store_u8(at + np.uintp(6), 0)
        store_u8(at + np.uintp(7), name_size)
        copy_bytes(at + np.uintp(8), names + np.uintp(16 * c), 16)
        width = 0
        if is_null:
            pass
        elif kind in (K_INT64, K_DOUBLE):
            width = 8
            store_le64(value_at, load_be64(values + np.uintp(8 * index)))
        elif kind == K_BOOL:
            width = 1
            store_u8(value_at, _is_set(values, index))
        else:
            start = _bytes_start(kind, values, index)
            width = _bytes_start(kind, values, index + 1) - start
            copy_bytes(value_at, np.uintp(_get(_get(tables, A_DATA), c)) + np.uintp(start), width)
        _store_be32(at, 4 + name_size + width)
        at = value_at + np.uintp(width)
    return at


@njit(nogil=True, cache=True)
def read_answers(body, size, codes, n_rows, last_code):
    """Read one frame of an answer.

    Args:
        body: address of the frame's body.
        size: its bytes.
        codes: address of int64 a row of the request: receives the result codes of rows that are answered.
        n_rows: how many rows the request had.
        last_code: address of one int64, receives the code of the batch as a whole.

    Returns:
        MORE, or LAST where this was the last frame, or MALFORMED.
    """
    at = 0
    base = np.uintp(body)
    while at < size:
        if at + MESSAGE_HEADER > size or load_u8(base + np.uintp(at)) != MESSAGE_HEADER:
            return MALFORMED
        message = base + np.uintp(at)
        code = load_u8(message + np.uintp(5))
        index = load_be32(message + np.uintp(14))
        n_fields = load_be16(message + np.uintp(18))
        n_parts = n_fields + load_be16(message + np.uintp(20))
        at += MESSAGE_HEADER
        for _ in range(n_parts):
            if at + 4 > size:
                return MALFORMED
            at += 4 + load_be32(base + np.uintp(at))
        if at > size:
            return MALFORMED
        if load_u8(message + np.uintp(3)) & 1:
            _set(last_code, 0, code)
            return LAST if at == size else MALFORMED
        if index >= n_rows:
            return MALFORMED
        _set(codes, index, code)
    return MORE

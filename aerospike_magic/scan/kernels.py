"""The decode kernel: a chunk of a node's answer → columns, compiled by numba, without the GIL.

Mechanism: one pass over the bytes as they arrive, records straight into the buffers that become an Arrow record
batch (see `columns.py`, which allocates them). The chunk may end anywhere, also within a record: the row begun is
taken back and the call returns NEED_DATA with the offset where that record starts.

A bin is found by guessing that bins come in the order of the last record, then by a hash of its name.
Invariants: no address is read that was not compared with `limit` before (16 bytes of padding behind the chunk make
name loads safe); a row is complete or not there; for every partition `last_digest` is the digest of the last
complete row, so that a scan can resume from it.

All of it stands in one file on purpose: numba's cache on disk notices a change of a function's own file only.

Protocol facts: Aerospike server `as/include/base/proto.h` (as_proto, as_msg, as_msg_field, as_msg_op).
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
    load_le16,
    load_le32,
    load_le64,
    load_u8,
    store_double,
    store_le32,
    store_le64,
    store_u8,
)

# What `decode` returns.
NEED_DATA, BATCH_FULL, GROW_HEAP, LAST_MESSAGE, SERVER_REFUSED, MALFORMED = range(6)

# Indices into `state`, which carries the position from one call to the next.
(
    ROW,
    PROTO_LEFT,
    OFFSET,
    RESULT_CODE,
    GROW_SLOT,
    GROW_BYTES,
    N_RECORDS,
    N_UNAVAILABLE,
    NEW_EXAMPLES,
    N_UNSEEN,
    UNSEEN_OVERFLOW,
    ERROR_OFFSET,
) = range(12)
N_STATE = 16

# Indices into `tables`: addresses (A_…) and numbers (C_…). The kernel sees no array object, only addresses: numba
# counts an array's references atomically at every call that takes it, which cost more than the decoding.
(
    A_CHUNK,  # the bytes received, PADDING readable bytes behind them
    C_END,  # how many
    C_CAPACITY,  # rows of the batch under construction; a multiple of 8
    C_COLUMNS,
    C_BOOLS,
    C_VARIABLE,
    A_NAME_LO,  # uint64 a column: bytes 1..8 of the bin's name
    A_NAME_HI,  # uint64 a column: bytes 9..15, then the length; all ones for what is not a bin
    A_HASH,  # int32[C_HASH]: hash of a name → column, -1 = free
    C_HASH,  # a power of two
    A_ORDER,  # int64[columns+1]: the column that followed each one in the last record; last entry: the first column
    A_KINDS,  # int64 a column
    A_SLOTS,  # int64 a column: row of its storage (values; bools; offsets, particles and heap)
    C_KEY,  # column of __key, slots of __generation and __ttl; -1 = not asked
    C_GENERATION,
    C_TTL,
    C_INDEX_VALUE,  # slot of the secondary-index value; -1 = not asked
    C_NOW,  # seconds since 2010, for __ttl
    C_NOTE_UNSEEN,  # 1 where all bins travel
    A_VALUES,  # 8 bytes [fixed, capacity]
    A_BITS,  # booleans, bitmaps [bools, capacity/8]
    A_VALID,  # validity bitmaps [columns, capacity/8], all ones to begin with
    A_NULL_COUNTS,  # int64 a column
    A_LAST_ROWS,  # int64 a column: the last row that has a value; ALWAYS where every row has one
    C_ALWAYS,  # columns where every row has a value (digest, generation, ttl)
    A_OFFSETS,  # int32 [variable, capacity+1]
    A_PARTICLES,  # uint8 [variable, capacity]
    A_HEAPS,  # addresses [variable]
    A_HEAP_USED,  # int64 [variable]
    A_HEAP_CAPACITY,  # int64 [variable]
    A_DIGESTS,  # 20 bytes [capacity]; 0 = not asked
    A_LAST_DIGESTS,  # 24 bytes [4096]: 20 of digest, 4 of padding
    A_LAST_VALUES,  # uint64 [4096]: secondary-index value of the last record
    A_HAS_DIGEST,  # uint8 [4096]
    A_MISMATCHES,  # int64 a column
    A_MISMATCH_FLAGS,  # uint8 a column: of the row under construction
    A_MISMATCH_EXAMPLES,  # int64 [columns, 3]: offset, length, particle; offset -1 = none yet
    A_UNSEEN_NAMES,  # uint64 [MAX_UNSEEN, 2], as A_NAME_LO and A_NAME_HI
    A_UNSEEN_COUNTS,  # int64 [MAX_UNSEEN]
    A_UNSEEN_FLAGS,  # uint8 [MAX_UNSEEN]
    A_UNSEEN_EXAMPLES,  # int64 [MAX_UNSEEN, 3]
    A_UNAVAILABLE,  # int32 [4096]: partitions the node cannot serve
) = range(42)
N_TABLES = 48

# Column kinds, as in schema.types.Kind; those above are kept as raw particles (JSON, LIST, MAP, STRUCT).
K_INT64, K_DOUBLE, K_STRING, K_BOOL, K_BINARY, K_GEOJSON = range(6)

MAX_UNSEEN = 64
MAX_PROTO_SIZE = 128 << 20
PADDING = 16
NEVER, ALWAYS = -1, -2

_STORED, _MISMATCH, _GROW = range(3)
_HASH_A = np.uint64(0x9E3779B97F4A7C15)
_HASH_B = np.uint64(0xC2B2AE3D27D4EB4F)
_HIGH_BITS = np.uint64(0x8080808080808080)
_MAX_INT_AS_DOUBLE = 9007199254740992


@njit(nogil=True, cache=True)
def _at(base, index, width):
    """Address of element `index` of `width` bytes."""
    return np.uintp(base) + np.uintp(index * width)


@njit(nogil=True, cache=True)
def _get(base, index):
    return load_i64(np.uintp(base) + np.uintp(8 * index))


@njit(nogil=True, cache=True)
def _set(base, index, value):
    store_le64(np.uintp(base) + np.uintp(8 * index), np.uint64(value))


@njit(nogil=True, cache=True)
def _low_bytes(n):
    """A mask of the n low bytes, 0 <= n <= 8."""
    if n >= 8:
        return np.uint64(0xFFFFFFFFFFFFFFFF)
    return (np.uint64(1) << np.uint64(8 * n)) - np.uint64(1)


@njit(nogil=True, cache=True)
def hash_name(lo, hi, mask):
    """The hash slot of a bin name given as two little-endian words; `mask` is the table size less one."""
    h = lo * _HASH_A ^ hi * _HASH_B
    return np.int64((h >> np.uint64(32)) & np.uint64(mask))


@njit(nogil=True, cache=True)
def _is_utf8(address, n):
    """Whether n bytes are well-formed UTF-8 (Unicode 15, table 3-7)."""
    i = 0
    while i < n:
        b = load_u8(address + np.uintp(i))
        if b < 0x80:
            i += 1
            continue
        low, high, more = 0x80, 0xBF, 0
        if 0xC2 <= b <= 0xDF:
            more = 1
        elif 0xE0 <= b <= 0xEF:
            more = 2
            if b == 0xE0:
                low = 0xA0
            elif b == 0xED:
                high = 0x9F
        elif 0xF0 <= b <= 0xF4:
            more = 3
            if b == 0xF0:
                low = 0x90
            elif b == 0xF4:
                high = 0x8F
        else:
            return False
        if i + more >= n:
            return False
        for k in range(1, more + 1):
            c = load_u8(address + np.uintp(i + k))
            if c < low or c > high:
                return False
            low, high = 0x80, 0xBF
        i += more + 1
    return True


@njit(nogil=True, cache=True)
def _is_ascii(address, n):
    seen = np.uint64(0)
    i = 0
    while i + 8 <= n:
        seen |= load_le64(_at(address, i, 1))
        i += 8
    if i < n:
        seen |= load_le64(_at(address, i, 1)) & _low_bytes(n - i)
    return (seen & _HIGH_BITS) == 0


@njit(nogil=True, cache=True)
def _append(tables, slot, address, n):
    """Append n bytes to a column's heap, or say that it must grow. Short values go as two wide stores."""
    used_at = _at(_get(tables, A_HEAP_USED), slot, 8)
    used = load_i64(used_at)
    if used + n + PADDING > load_i64(_at(_get(tables, A_HEAP_CAPACITY), slot, 8)):
        return _GROW
    target = _at(load_i64(_at(_get(tables, A_HEAPS), slot, 8)), used, 1)
    if n <= 16:
        store_le64(target, load_le64(address))
        store_le64(_at(target, 8, 1), load_le64(_at(address, 8, 1)))
    else:
        copy_bytes(target, address, n)
    store_le64(used_at, np.uint64(used + n))
    return _STORED


@njit(nogil=True, cache=True)
def _append_text(tables, slot, address, n):
    if not _is_ascii(address, n) and not _is_utf8(address, n):
        return _MISMATCH
    return _append(tables, slot, address, n)


@njit(nogil=True, cache=True)
def _geojson_text(address, n):
    """Offset of the text in a geojson particle: flags (1 byte), cell count (2, big-endian), cells (8 each)."""
    if n < 3:
        return np.int64(-1)
    start = 3 + 8 * load_be16(_at(address, 1, 1))
    return start if start <= n else np.int64(-1)


@njit(nogil=True, cache=True)
def _store_double(value_at, particle, address, n):
    """A double as it is; an integer where a double holds it exactly."""
    if n != 8:
        return _MISMATCH
    if particle == 2:
        store_le64(value_at, load_be64(address))
        return _STORED
    if particle != 1:
        return _MISMATCH
    whole = np.int64(load_be64(address))
    near = np.float64(whole)
    if (whole > _MAX_INT_AS_DOUBLE or whole < -_MAX_INT_AS_DOUBLE) and (
        near >= 9223372036854775808.0 or np.int64(near) != whole
    ):
        return _MISMATCH
    store_double(value_at, near)
    return _STORED


@njit(nogil=True, cache=True)
def _store_other(tables, kind, slot, row, particle, address, n):
    """The kinds that are seldom or costly: bool, binary, geojson, raw particles."""
    if kind == K_BOOL:
        if particle != 17 or n != 1:
            return _MISMATCH
        if load_u8(address) != 0:
            byte_at = _at(_get(tables, A_BITS), slot * (_get(tables, C_CAPACITY) >> 3) + (row >> 3), 1)
            store_u8(byte_at, load_u8(byte_at) | (1 << (row & 7)))
        return _STORED
    if kind == K_BINARY:
        # Blob, the language blobs (Java, C#, Python, Ruby, PHP, Erlang) and HLL are plain bytes to SQL.
        if particle == 4 or (7 <= particle <= 12) or particle == 18:
            return _append(tables, slot, address, n)
        return _MISMATCH
    if kind == K_GEOJSON:
        start = _geojson_text(address, n) if particle == 23 else np.int64(-1)
        if start < 0:
            return _MISMATCH
        return _append_text(tables, slot, _at(address, start, 1), n - start)
    status = _append(tables, slot, address, n)
    if status == _STORED:
        store_u8(_at(_get(tables, A_PARTICLES), slot * _get(tables, C_CAPACITY) + row, 1), particle)
    return status


@njit(nogil=True, cache=True)
def _store_value(tables, column, row, particle, address, n):
    """Put one particle into its column; _STORED, _MISMATCH (it does not fit) or _GROW (nothing was changed)."""
    kind = load_i64(_at(_get(tables, A_KINDS), column, 8))
    slot = load_i64(_at(_get(tables, A_SLOTS), column, 8))
    if kind == K_INT64:
        if particle != 1 or n != 8:
            return _MISMATCH
        store_le64(_at(_get(tables, A_VALUES), slot * _get(tables, C_CAPACITY) + row, 8), load_be64(address))
        status = _STORED
    elif kind == K_STRING:
        if particle != 3:
            return _MISMATCH
        status = _append_text(tables, slot, address, n)
    elif kind == K_DOUBLE:
        value_at = _at(_get(tables, A_VALUES), slot * _get(tables, C_CAPACITY) + row, 8)
        status = _store_double(value_at, particle, address, n)
    else:
        status = _store_other(tables, kind, slot, row, particle, address, n)
    if status == _STORED:
        store_le64(_at(_get(tables, A_LAST_ROWS), column, 8), np.uint64(row))
    return status


@njit(nogil=True, cache=True)
def _has_value(tables, column, row):
    return load_i64(_at(_get(tables, A_LAST_ROWS), column, 8)) == row


@njit(nogil=True, cache=True)
def _mark_nulls(tables, row):
    """Clear the validity bits of the columns that have no value in this row."""
    n_bytes, keep = _get(tables, C_CAPACITY) >> 3, 0xFF ^ (1 << (row & 7))
    for c in range(_get(tables, C_COLUMNS)):
        last_row = load_i64(_at(_get(tables, A_LAST_ROWS), c, 8))
        if last_row != row and last_row != ALWAYS:
            byte_at = _at(_get(tables, A_VALID), c * n_bytes + (row >> 3), 1)
            store_u8(byte_at, load_u8(byte_at) & keep)
            count_at = _at(_get(tables, A_NULL_COUNTS), c, 8)
            store_le64(count_at, np.uint64(load_i64(count_at) + 1))


@njit(nogil=True, cache=True)
def _keep_example(at, value_at, value_len, particle):
    store_le64(at, np.uint64(value_at))
    store_le64(_at(at, 1, 8), np.uint64(value_len))
    store_le64(_at(at, 2, 8), np.uint64(particle))


@njit(nogil=True, cache=True)
def _flag_unseen(tables, state, lo, hi, particle, value_at, value_len):
    """Flag a bin that has no column; the first MAX_UNSEEN names are kept, each with an example."""
    known = _get(state, N_UNSEEN)
    names = _get(tables, A_UNSEEN_NAMES)
    for i in range(known):
        if load_le64(_at(names, 2 * i, 8)) == lo and load_le64(_at(names, 2 * i + 1, 8)) == hi:
            store_u8(_at(_get(tables, A_UNSEEN_FLAGS), i, 1), 1)
            return
    if known == MAX_UNSEEN:
        _set(state, UNSEEN_OVERFLOW, _get(state, UNSEEN_OVERFLOW) + 1)
        return
    store_le64(_at(names, 2 * known, 8), lo)
    store_le64(_at(names, 2 * known + 1, 8), hi)
    _keep_example(_at(_get(tables, A_UNSEEN_EXAMPLES), 3 * known, 8), value_at, value_len, particle)
    store_u8(_at(_get(tables, A_UNSEEN_FLAGS), known, 1), 1)
    _set(state, N_UNSEEN, known + 1)
    _set(state, NEW_EXAMPLES, 1)


@njit(nogil=True, cache=True)
def _flag_mismatch(tables, state, column, particle, value_at, value_len):
    store_u8(_at(_get(tables, A_MISMATCH_FLAGS), column, 1), 1)
    example_at = _at(_get(tables, A_MISMATCH_EXAMPLES), 3 * column, 8)
    if load_i64(example_at) < 0:
        _keep_example(example_at, value_at, value_len, particle)
        _set(state, NEW_EXAMPLES, 1)


@njit(nogil=True, cache=True)
def _count_flags(flags, counts, n):
    """Count what the finished row has flagged, and clear the flags."""
    for i in range(n):
        flag_at, count_at = _at(flags, i, 1), _at(counts, i, 8)
        store_le64(count_at, np.uint64(load_i64(count_at) + load_u8(flag_at)))
        store_u8(flag_at, 0)


@njit(nogil=True, cache=True)
def _take_back_row(tables, row):
    """Undo what a row that is not complete has left in its columns; it will be decoded again."""
    n_bytes, keep = _get(tables, C_CAPACITY) >> 3, 0xFF ^ (1 << (row & 7))
    for c in range(_get(tables, C_COLUMNS)):
        store_u8(_at(_get(tables, A_MISMATCH_FLAGS), c, 1), 0)
        if _has_value(tables, c, row):
            store_le64(_at(_get(tables, A_LAST_ROWS), c, 8), np.uint64(NEVER))
    for b in range(_get(tables, C_BOOLS)):
        byte_at = _at(_get(tables, A_BITS), b * n_bytes + (row >> 3), 1)
        store_u8(byte_at, load_u8(byte_at) & keep)
    for v in range(_get(tables, C_VARIABLE)):
        start = load_le32(_at(_get(tables, A_OFFSETS), v * (_get(tables, C_CAPACITY) + 1) + row, 4))
        store_le64(_at(_get(tables, A_HEAP_USED), v, 8), np.uint64(start))
    for i in range(MAX_UNSEEN):
        store_u8(_at(_get(tables, A_UNSEEN_FLAGS), i, 1), 0)


@njit(nogil=True, cache=True)
def _skip(base, position, limit, n_parts):
    """The end of n fields or operations, -1 when they run past `limit`."""
    for _ in range(n_parts):
        if limit - position < 4:
            return np.int64(-1)
        position += 4 + load_be32(_at(base, position, 1))
        if position > limit:
            return np.int64(-1)
    return position


@njit(nogil=True, cache=True)
def _is_name(tables, column, lo, hi):
    return (
        load_le64(_at(_get(tables, A_NAME_LO), column, 8)) == lo
        and load_le64(_at(_get(tables, A_NAME_HI), column, 8)) == hi
    )


@njit(nogil=True, cache=True)
def _look_up(tables, lo, hi):
    """The column of a bin name by its hash, or -1."""
    mask = _get(tables, C_HASH) - 1
    slot = hash_name(lo, hi, mask)
    while True:
        column = np.int64(np.int32(load_le32(_at(_get(tables, A_HASH), slot, 4))))
        if column < 0 or _is_name(tables, column, lo, hi):
            return column
        slot = (slot + 1) & mask


@njit(nogil=True, cache=True)
def _remember(tables, digest_at, index_value_at):
    """Note the record as the last one read of its partition (the first 12 bits of its digest, little-endian)."""
    partition = load_le16(digest_at) & 4095
    to = _at(_get(tables, A_LAST_DIGESTS), partition, 24)
    store_le64(to, load_le64(digest_at))
    store_le64(_at(to, 8, 1), load_le64(_at(digest_at, 8, 1)))
    store_le32(_at(to, 16, 1), load_le32(_at(digest_at, 16, 1)))
    store_u8(_at(_get(tables, A_HAS_DIGEST), partition, 1), 1)
    if index_value_at != 0:
        store_le64(_at(_get(tables, A_LAST_VALUES), partition, 8), load_le64(index_value_at))


@njit(nogil=True, cache=True)
def _finish_row(tables, row, header, digest_at, index_value_at):
    """What every complete row gets: metadata columns and the ends of its variable-length values."""
    if _get(tables, A_DIGESTS) != 0 and digest_at != 0:
        copy_bytes(_at(_get(tables, A_DIGESTS), row, 20), digest_at, np.int64(20))
    capacity = _get(tables, C_CAPACITY)
    if _get(tables, C_GENERATION) >= 0:
        generation = load_be32(_at(header, 6, 1))
        store_le64(_at(_get(tables, A_VALUES), _get(tables, C_GENERATION) * capacity + row, 8), np.uint64(generation))
    if _get(tables, C_TTL) >= 0:
        void_time = load_be32(_at(header, 10, 1))
        ttl = np.int64(-1) if void_time == 0 else max(void_time - _get(tables, C_NOW), np.int64(0))
        store_le64(_at(_get(tables, A_VALUES), _get(tables, C_TTL) * capacity + row, 8), np.uint64(ttl))
    if _get(tables, C_INDEX_VALUE) >= 0:
        value = load_le64(index_value_at) if index_value_at != 0 else np.uint64(0)
        store_le64(_at(_get(tables, A_VALUES), _get(tables, C_INDEX_VALUE) * capacity + row, 8), value)
    for v in range(_get(tables, C_VARIABLE)):
        used = load_i64(_at(_get(tables, A_HEAP_USED), v, 8))
        store_le32(_at(_get(tables, A_OFFSETS), v * (capacity + 1) + row + 1, 4), used)


@njit(nogil=True, cache=True)
def _decode_record(tables, state, at, limit, cut, row, header):
    """Decode one record message into row `row`; its end, or -1 - reason where it stopped (row to be taken back)."""
    base = _get(tables, A_CHUNK)
    position = at + 22
    digest_at = index_value_at = np.uintp(0)
    n_values = _get(tables, C_ALWAYS)
    n_mismatches = n_unseen = 0
    for _ in range(load_be16(_at(header, 18, 1))):
        if limit - position < 5:
            return -1 - cut
        size = load_be32(_at(base, position, 1))
        if size < 1:
            return np.int64(-1 - MALFORMED)
        if size > limit - position - 4:
            return -1 - cut
        field = load_u8(_at(base, position + 4, 1))
        if field == 4:
            if size != 21:
                return np.int64(-1 - MALFORMED)
            digest_at = _at(base, position + 5, 1)
        elif field == 15 and size == 9:
            index_value_at = _at(base, position + 5, 1)
        elif field == 2 and _get(tables, C_KEY) >= 0 and size >= 2:
            column = _get(tables, C_KEY)
            if _has_value(tables, column, row):
                return np.int64(-1 - MALFORMED)
            particle = load_u8(_at(base, position + 5, 1))
            stored = _store_value(tables, column, row, particle, _at(base, position + 6, 1), size - 2)
            if stored == _GROW:
                _set(state, GROW_SLOT, load_i64(_at(_get(tables, A_SLOTS), column, 8)))
                _set(state, GROW_BYTES, size)
                return np.int64(-1 - GROW_HEAP)
            if stored == _STORED:
                n_values += 1
            else:
                _flag_mismatch(tables, state, column, particle, position + 6, size - 2)
                n_mismatches += 1
        position += 4 + size

    n_columns = _get(tables, C_COLUMNS)
    previous = n_columns
    for _ in range(load_be16(_at(header, 20, 1))):
        if limit - position < 8:
            return -1 - cut
        op = _at(base, position, 1)
        size = load_be32(op)
        name_len = load_u8(_at(op, 7, 1))
        if size < 4 + name_len or name_len > 15:
            return np.int64(-1 - MALFORMED)
        if size > limit - position - 4:
            return -1 - cut
        particle = load_u8(_at(op, 5, 1))
        value_at = position + 8 + name_len
        value_len = size - 4 - name_len
        position += 4 + size
        # At most 15 bytes of name: the last of its 16 holds the length.
        hi = np.uint64(name_len) << np.uint64(56)
        lo = load_le64(_at(op, 8, 1))
        if name_len > 8:
            hi |= load_le64(_at(op, 16, 1)) & _low_bytes(name_len - 8)
        else:
            lo &= _low_bytes(name_len)
        order_at = _at(_get(tables, A_ORDER), previous, 8)
        column = load_i64(order_at)
        if column >= n_columns or not _is_name(tables, column, lo, hi):
            column = _look_up(tables, lo, hi)
            if column < 0:
                if _get(tables, C_NOTE_UNSEEN) == 1 and particle != 0:
                    _flag_unseen(tables, state, lo, hi, particle, value_at, value_len)
                    n_unseen += 1
                continue
            store_le64(order_at, np.uint64(column))
        previous = column
        if particle == 0:
            continue
        if _has_value(tables, column, row):
            return np.int64(-1 - MALFORMED)  # the same bin twice in one record
        stored = _store_value(tables, column, row, particle, _at(base, value_at, 1), value_len)
        if stored == _GROW:
            _set(state, GROW_SLOT, load_i64(_at(_get(tables, A_SLOTS), column, 8)))
            _set(state, GROW_BYTES, value_len)
            return np.int64(-1 - GROW_HEAP)
        if stored == _STORED:
            n_values += 1
        else:
            _flag_mismatch(tables, state, column, particle, value_at, value_len)
            n_mismatches += 1

    if n_values != n_columns:
        _mark_nulls(tables, row)
    if n_mismatches:
        _count_flags(_get(tables, A_MISMATCH_FLAGS), _get(tables, A_MISMATCHES), n_columns)
    if n_unseen:
        _count_flags(_get(tables, A_UNSEEN_FLAGS), _get(tables, A_UNSEEN_COUNTS), MAX_UNSEEN)
    if digest_at != 0:
        _remember(tables, digest_at, index_value_at)
    _finish_row(tables, row, header, digest_at, index_value_at)
    return position


@njit(nogil=True, cache=True)
def _end_message(tables, state, header, info3, code):
    """A message that is no record: the end, a refusal, or a partition that the node cannot serve."""
    if info3 & 4:
        n = _get(state, N_UNAVAILABLE)
        if n < 4096:
            store_le32(_at(_get(tables, A_UNAVAILABLE), n, 4), load_be32(_at(header, 6, 1)) & 4095)
            _set(state, N_UNAVAILABLE, n + 1)
        if not info3 & 1:
            return NEED_DATA
    else:
        _set(state, RESULT_CODE, code)
    return LAST_MESSAGE if info3 & 1 else SERVER_REFUSED


@njit("int64(uintp, uintp)", nogil=True, cache=True)
def decode(tables, state):
    """Decode until the chunk, the batch or the answer ends.

    Args:
        tables: address of N_TABLES addresses and numbers, see the names above; what they point to must stay alive.
        state: address of N_STATE numbers; position and counts go on from call to call.

    Returns:
        Why it stopped: NEED_DATA, BATCH_FULL, GROW_HEAP, LAST_MESSAGE, SERVER_REFUSED or MALFORMED.
    """
    base, end = _get(tables, A_CHUNK), _get(tables, C_END)
    at, row, proto_left = _get(state, OFFSET), _get(state, ROW), _get(state, PROTO_LEFT)
    status = NEED_DATA
    while True:
        if proto_left == 0:
            if end - at < 8:
                break
            head = load_be64(_at(base, at, 1))
            proto_left = np.int64(head & np.uint64(0xFFFFFFFFFFFF))
            if (head >> np.uint64(48)) != np.uint64(0x0203) or proto_left < 22 or proto_left > MAX_PROTO_SIZE:
                proto_left = 0
                status = MALFORMED
                break
            at += 8
        limit = min(end, at + proto_left)
        # A message cut by the end of the chunk waits for more; one cut by the end of its proto is malformed.
        cut = NEED_DATA if at + proto_left > end else MALFORMED
        if limit - at < 22:
            status = cut
            break
        header = _at(base, at, 1)
        if load_u8(header) != 22:
            status = MALFORMED
            break
        info3, code = load_u8(_at(header, 3, 1)), load_u8(_at(header, 5, 1))
        if info3 & 5 or code != 0:
            position = _skip(base, at + 22, limit, load_be16(_at(header, 18, 1)) + load_be16(_at(header, 20, 1)))
            if position < 0:
                status = cut
                break
            proto_left -= position - at
            at = position
            status = _end_message(tables, state, header, info3, code)
            if status == NEED_DATA:
                continue
            break
        if row >= _get(tables, C_CAPACITY):
            status = BATCH_FULL
            break
        position = _decode_record(tables, state, at, limit, cut, row, header)
        if position < 0:
            _take_back_row(tables, row)
            status = -1 - position
            break
        row += 1
        _set(state, N_RECORDS, _get(state, N_RECORDS) + 1)
        proto_left -= position - at
        at = position
    _set(state, OFFSET, at)
    _set(state, ROW, row)
    _set(state, PROTO_LEFT, proto_left)
    _set(state, ERROR_OFFSET, at)
    return status

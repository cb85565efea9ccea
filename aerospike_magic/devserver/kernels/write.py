"""Plain batch writes: new records of one set, straight from the request's bytes into the arena.

A row is plain when it writes values into bins and asks for nothing else: no read, no condition, no deletion, no other
set than the first row's. Rows that are not, and rows whose record exists, are left to the careful path.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from aerospike_magic.devserver.kernels.index import find_digest
from aerospike_magic.devserver.kernels.layout import (
    FIELDS_AT,
    HEADER_SIZE,
    copy_bytes,
    jit,
    read_u32,
    write_u32,
)

ROW_HEAD = 38
"""Index, digest, flags, info1 to info3, generation, ttl: what a row of a write starts with, up to its counts."""

MAX_OPS = 256
MAX_RECORD = 1 << 20


@jit
def plain_row_end(data: np.ndarray, at: int, head: np.ndarray, head_size: int) -> int:
    """Check a row of a batch.

    Args:
        data: the batch field.
        at: where the row starts.
        head: the namespace and set fields that it must have.
        head_size: their size.

    Returns:
        where the row ends, or -1 if it is not a plain write.
    """
    size = len(data)
    if at + ROW_HEAD + head_size + 4 > size or data[at + 24] != 0x0E:
        return -1
    # No reads, a write that may answer each bin, no policy, no generation.
    if data[at + 25] != 0 or data[at + 26] & 0x7F != 1 or data[at + 27] != 0:
        return -1
    n_fields = (np.int64(data[at + 34]) << 8) | np.int64(data[at + 35])
    n_ops = (np.int64(data[at + 36]) << 8) | np.int64(data[at + 37])
    if n_ops < 1 or n_ops > MAX_OPS or n_fields < 2 or n_fields > 3:
        return -1
    p = at + 38
    for k in range(head_size):
        if data[p + k] != head[k]:
            return -1
    p += head_size
    if n_fields == 3:
        if p + 5 > size or data[p + 4] != 2 or p + 4 + read_u32(data, p) > size or read_u32(data, p) < 3:
            return -1
        p += 4 + read_u32(data, p)
    first = p
    for i in range(n_ops):
        if p + 8 > size:
            return -1
        end = p + 4 + read_u32(data, p)
        name_size = np.int64(data[p + 7])
        value_size = end - p - 8 - name_size
        kind = data[p + 5]
        if end > size or data[p + 4] != 2 or data[p + 6] != 0 or kind == 0 or name_size < 1 or name_size > 15:
            return -1
        if value_size < 0 or ((kind == 1 or kind == 2) and value_size != 8) or (kind == 17 and value_size != 1):
            return -1
        if (kind > 4 and kind != 17 and kind != 19 and kind != 20) or (kind == 17 and data[p + 8 + name_size] > 1):
            return -1
        q = first
        for _ in range(i):
            if np.int64(data[q + 7]) == name_size:
                same = True
                for k in range(name_size):
                    if data[q + 8 + k] != data[p + 8 + k]:
                        same = False
                        break
                if same:
                    return -1
            q += 4 + read_u32(data, q)
        p = end
    if p - at > MAX_RECORD:
        return -1
    return p


@jit
def plain_rows_end(data: np.ndarray, at: int, n_rows: int, head: np.ndarray, head_size: int) -> tuple[int, int]:
    """Check the rows of a batch.

    Returns:
        where the last one ends, -1 if one of them is not a plain write; and the bytes of the largest.
    """
    largest = 0
    for _ in range(n_rows):
        end = plain_row_end(data, at, head, head_size)
        if end < 0:
            return -1, 0
        largest = max(largest, end - at)
        at = end
    return at, largest


@jit
def write_rows(
    data: np.ndarray,
    at: int,
    n_rows: int,
    head: np.ndarray,
    set_id: int,
    now_ms: int,
    digest_at: int,
    arena: np.ndarray,
    arena16: np.ndarray,
    arena32: np.ndarray,
    arena64: np.ndarray,
    arena_at: int,
    pool: np.ndarray,
    starts: np.ndarray,
    counts: np.ndarray,
    capacities: np.ndarray,
    pool_used: np.ndarray,
    out: np.ndarray,
    existing: np.ndarray,
) -> tuple[int, int, int, int]:
    """Put the rows of a batch, all of them plain, whose records do not exist yet.

    Args:
        data: the batch field.
        at: where the first row starts.
        n_rows: how many there are.
        head: the namespace and set fields.
        set_id: the set.
        now_ms: milliseconds since the Aerospike epoch.
        digest_at: where a record's digest starts.
        arena: the namespace's bytes with room for all, then the same as 16, 32 and 64-bit words.
        arena16: see above.
        arena32: see above.
        arena64: see above.
        arena_at: where to write in the arena.
        pool: the directory's regions with room for every move, then their starts, counts, capacities and end.
        starts: see above.
        counts: see above.
        capacities: see above.
        pool_used: see above.
        out: receives the answers of the rows that were put.
        existing: receives where the rows start whose records exist.

    Returns:
        where the arena now ends, the size of the answers, how many records were put, how many rows exist.
    """
    # The namespace field comes first in a record, then the digest, then the set.
    n_namespace = 4 + read_u32(head, 0)
    out_at = 0
    n_put = 0
    n_existing = 0
    for _ in range(n_rows):
        row = at
        n_fields = np.int64(data[row + 35])
        n_ops = (np.int64(data[row + 36]) << 8) | np.int64(data[row + 37])
        p = row + 38 + len(head)
        key_size = 0
        if n_fields == 3:
            key_size = 4 + read_u32(data, p)
        ops_from = p + key_size
        end = ops_from
        for _ in range(n_ops):
            end += 4 + read_u32(data, end)
        at = end
        digest = data[row + 4 : row + 24]
        partition = np.int64(digest[0]) | ((np.int64(digest[1]) & 0x0F) << 8)
        count = counts[partition]
        region = pool[starts[partition] : starts[partition] + count]
        position = find_digest(arena, region, count, digest_at, digest)
        if position >= 0:
            existing[n_existing] = row
            n_existing += 1
            continue
        position = -1 - position
        if count == capacities[partition]:
            capacity = max(4, 2 * count)
            moved: Any = np.int64(pool_used[0])
            for k in range(count):
                pool[moved + k] = pool[starts[partition] + k]
            starts[partition] = moved
            capacities[partition] = capacity
            pool_used[0] = moved + capacity
        start = starts[partition]
        k = start + count
        while k > start + position:
            pool[k] = pool[k - 1]
            k -= 1
        pool[start + position] = arena_at
        counts[partition] = count + 1
        # The record.
        ttl = read_u32(data, row + 30)
        void_time = 0
        if ttl != 0 and ttl < 0xFFFFFFFE:
            void_time = now_ms // 1000 + ttl
        p = arena_at + HEADER_SIZE
        for k in range(22):
            arena[p + k] = 0
        arena[p] = 22
        arena[p + 9] = 1
        write_u32(arena, p + 10, void_time)
        arena[p + 19] = n_fields + 1
        arena[p + 20] = n_ops >> 8
        arena[p + 21] = n_ops & 0xFF
        p = arena_at + FIELDS_AT
        copy_bytes(head, 0, arena, p, n_namespace)
        p += n_namespace
        write_u32(arena, p, 21)
        arena[p + 4] = 4
        copy_bytes(digest, 0, arena, p + 5, 20)
        p += 25
        copy_bytes(head, n_namespace, arena, p, len(head) - n_namespace)
        p += len(head) - n_namespace
        copy_bytes(data, ops_from - key_size, arena, p, key_size)
        p += key_size
        ops_at = p - arena_at
        copy_bytes(data, ops_from, arena, p, end - ops_from)
        q = p
        for _ in range(n_ops):
            arena[q + 4] = 1
            q += 4 + read_u32(arena, q)
        message_size = q - arena_at - HEADER_SIZE
        size = int((HEADER_SIZE + message_size + 7) & ~7)
        arena32[arena_at >> 2] = size
        arena32[(arena_at >> 2) + 1] = message_size
        arena64[(arena_at >> 3) + 1] = now_ms
        arena32[(arena_at >> 2) + 4] = ops_at
        arena16[(arena_at >> 1) + 10] = set_id
        arena16[(arena_at >> 1) + 11] = 1 if key_size else 0
        # The answer.
        for k in range(22):
            out[out_at + k] = 0
        out[out_at] = 22
        out[out_at + 9] = 1
        write_u32(out, out_at + 10, void_time)
        copy_bytes(data, row, out, out_at + 14, 4)
        answered = out_at
        out_at += 22
        if data[row + 26] & 0x80:
            out[answered + 20] = n_ops >> 8
            out[answered + 21] = n_ops & 0xFF
            q = ops_from
            for _ in range(n_ops):
                name_size = np.int64(data[q + 7])
                write_u32(out, out_at, 4 + name_size)
                out[out_at + 4] = 2
                out[out_at + 5] = 0
                out[out_at + 6] = 0
                out[out_at + 7] = name_size
                copy_bytes(data, q + 8, out, out_at + 8, name_size)
                out_at = int(out_at + 8 + name_size)
                q += 4 + read_u32(data, q)
        arena_at = int(arena_at + size)
        n_put += 1
    return arena_at, out_at, n_put, n_existing


@jit
def copy_live(
    arena: np.ndarray,
    arena32: np.ndarray,
    pool: np.ndarray,
    starts: np.ndarray,
    counts: np.ndarray,
    target: np.ndarray,
) -> int:
    """Copy every record that a directory knows to a new arena, in order, and point the directory there.

    Args:
        arena: the old bytes.
        arena32: the same as 32-bit words.
        pool: the directory's regions, then their starts and counts.
        starts: see above.
        counts: see above.
        target: the new bytes.

    Returns:
        where the new arena ends.
    """
    end = 0
    for partition in range(len(starts)):
        for i in range(starts[partition], starts[partition] + counts[partition]):
            at = pool[i]
            size: Any = np.int64(arena32[at >> 2])
            copy_bytes(arena, at, target, end, size)
            pool[i] = end
            end += size
    return end

"""Pick the records of a query and write its response.

Two passes over a short run of records that stays in the cache: `select_records` keeps those of the set that are alive,
`write_whole` or `write_parts` copies them out. What sits between (a compiled filter, the reference evaluator) only
ever shortens the list of offsets.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from aerospike_magic.devserver.kernels.layout import (
    HEADER_SIZE,
    VOID_TIME_AT,
    copy_bytes,
    jit,
    read_u32,
)


@jit
def select_records(
    arena: np.ndarray,
    arena16: np.ndarray,
    offsets: np.ndarray,
    start: int,
    stop: int,
    set_id: int,
    now_s: int,
    kept: np.ndarray,
) -> int:
    """Keep the records of a set that have not expired.

    Args:
        arena: the namespace's bytes.
        arena16: the same as 16-bit words.
        offsets: record offsets.
        start: first to look at.
        stop: one past the last.
        set_id: the set wanted, -1 for all.
        now_s: seconds since the Aerospike epoch.
        kept: receives the offsets kept, in order; at least stop - start long.

    Returns:
        how many were kept.
    """
    n = 0
    for i in range(start, stop):
        at = offsets[i]
        if set_id >= 0 and arena16[(at >> 1) + 10] != set_id:
            continue
        void_time = read_u32(arena, at + VOID_TIME_AT)
        if void_time != 0 and void_time <= now_s:
            continue
        kept[n] = at
        n += 1
    return n


@jit
def write_whole(
    arena: np.ndarray,
    arena32: np.ndarray,
    offsets: np.ndarray,
    start: int,
    stop: int,
    out: np.ndarray,
    out_at: int,
    room: int,
) -> tuple[int, int]:
    """Copy whole messages until the output holds `room` bytes.

    Returns:
        the index of the first record not written, and where the output now ends.
    """
    i = start
    while i < stop:
        at = offsets[i]
        size: Any = np.int64(arena32[(at >> 2) + 1])
        if out_at + size > room:
            break
        copy_bytes(arena, at + HEADER_SIZE, out, out_at, size)
        out_at += size
        i += 1
    return i, out_at


@jit
def find_op(arena: np.ndarray, at: int, end: int, names: np.ndarray, name_from: int, name_to: int) -> int:
    """Find a bin in a run of operations by its name; -1 if it is not there."""
    size = name_to - name_from
    while at < end:
        if np.int64(arena[at + 7]) == size:
            same = True
            for k in range(size):
                if arena[at + 8 + k] != names[name_from + k]:
                    same = False
                    break
            if same:
                return at
        at += 4 + read_u32(arena, at)
    return -1


@jit
def write_parts(
    arena: np.ndarray,
    arena32: np.ndarray,
    offsets: np.ndarray,
    values: np.ndarray,
    start: int,
    stop: int,
    max_records: int,
    no_bins: bool,
    names: np.ndarray,
    name_ends: np.ndarray,
    out: np.ndarray,
    out_at: int,
    room: int,
) -> tuple[int, int, int]:
    """Write messages with some bins, none, or an index value beside them.

    Args:
        arena: the namespace's bytes.
        arena32: the same as 32-bit words.
        offsets: record offsets.
        values: the index value of each record, sent as field 15; empty if this is no index query.
        start: first record.
        stop: one past the last.
        max_records: write no more than this.
        no_bins: send metadata only.
        names: the bin names asked for, end to end; empty for all bins.
        name_ends: where each name ends.
        out: receives the messages.
        out_at: where to start.
        room: where to stop at the latest.

    Returns:
        the index of the first record not looked at, where the output ends, and how many were written. A record that
        has none of the bins asked for is left out, as the server does.
    """
    i = start
    n_written = 0
    n_names = len(name_ends)
    while i < stop and n_written < max_records:
        at = offsets[i]
        message_size = np.int64(arena32[(at >> 2) + 1])
        ops_at = at + np.int64(arena32[(at >> 2) + 4])
        end = at + HEADER_SIZE + message_size
        if out_at + message_size + 13 > room:
            break
        p = out_at
        copy_bytes(arena, at + HEADER_SIZE, out, p, ops_at - at - HEADER_SIZE)
        p += ops_at - at - HEADER_SIZE
        if len(values) > 0:
            out[p] = 0
            out[p + 1] = 0
            out[p + 2] = 0
            out[p + 3] = 9
            out[p + 4] = 15
            value = values[i]
            for k in range(8):
                out[p + 5 + k] = (value >> (8 * k)) & 0xFF
            p += 13
            out[out_at + 19] += 1
        if no_bins:
            out[out_at + 1] = 0x20
            out[out_at + 20] = 0
            out[out_at + 21] = 0
        elif n_names == 0:
            copy_bytes(arena, ops_at, out, p, end - ops_at)
            p += end - ops_at
        else:
            n_found = 0
            name_from = 0
            for b in range(n_names):
                op = find_op(arena, ops_at, end, names, name_from, name_ends[b])
                name_from = name_ends[b]
                if op >= 0 and p + 4 + read_u32(arena, op) <= len(out):
                    size = 4 + read_u32(arena, op)
                    copy_bytes(arena, op, out, p, size)
                    p += size
                    n_found += 1
            i += 1
            if n_found == 0:
                continue
            out[out_at + 20] = n_found >> 8
            out[out_at + 21] = n_found & 0xFF
            i -= 1
        out_at = p
        i += 1
        n_written += 1
    return i, out_at, n_written

"""Records that lie in the arena already: make them reachable, and collect them to be written down."""

from __future__ import annotations

from typing import Any

import numpy as np

from aerospike_magic.devserver.kernels.index import find_digest
from aerospike_magic.devserver.kernels.layout import copy_bytes, jit


@jit
def count_partitions(
    arena: np.ndarray, arena32: np.ndarray, start: int, end: int, digest_at: int, counts: np.ndarray
) -> None:
    """Count the records of a run by partition.

    Args:
        arena: the namespace's bytes.
        arena32: the same as 32-bit words.
        start: where the first record starts.
        end: where the last one ends.
        digest_at: where a record's digest starts, from its offset.
        counts: receives the counts, is added to.
    """
    at: Any = np.int64(start)
    while at < end:
        partition = np.int64(arena[at + digest_at]) | ((np.int64(arena[at + digest_at + 1]) & 0x0F) << 8)
        counts[partition] += 1
        at += np.int64(arena32[at >> 2])


@jit
def adopt_records(
    arena: np.ndarray,
    arena16: np.ndarray,
    arena32: np.ndarray,
    start: int,
    end: int,
    digest_at: int,
    pool: np.ndarray,
    starts: np.ndarray,
    counts: np.ndarray,
    objects: np.ndarray,
    used_bytes: np.ndarray,
) -> int:
    """Enter the records of a run into a directory that has room for them, in place of those of the same digest.

    Args:
        arena: the namespace's bytes, then the same as 16 and 32-bit words.
        arena16: see above.
        arena32: see above.
        start: where the first record starts.
        end: where the last one ends.
        digest_at: where a record's digest starts, from its offset.
        pool: the directory's regions, then their starts and counts.
        starts: see above.
        counts: see above.
        objects: by set id, is changed by the records gained.
        used_bytes: by set id, is changed by the bytes gained.

    Returns:
        the bytes of the records that were replaced.
    """
    garbage: Any = 0
    at: Any = np.int64(start)
    while at < end:
        size = np.int64(arena32[at >> 2])
        set_id = arena16[(at >> 1) + 10]
        digest = arena[at + digest_at : at + digest_at + 20]
        partition = np.int64(digest[0]) | ((np.int64(digest[1]) & 0x0F) << 8)
        count = counts[partition]
        first = starts[partition]
        position = -1 - count
        # Runs are mostly in order of digest: then each goes behind the last.
        if count and not _is_before(arena, pool[first + count - 1] + digest_at, at + digest_at):
            position = find_digest(arena, pool[first : first + count], count, digest_at, digest)
        if position >= 0:
            old = pool[first + position]
            old_size = np.int64(arena32[old >> 2])
            old_set = arena16[(old >> 1) + 10]
            objects[old_set] -= 1
            used_bytes[old_set] -= old_size
            garbage += old_size
        else:
            position = -1 - position
            k = first + count
            while k > first + position:
                pool[k] = pool[k - 1]
                k -= 1
            counts[partition] = count + 1
        pool[first + position] = at
        objects[set_id] += 1
        used_bytes[set_id] += size
        at += size
    return garbage


@jit
def _is_before(arena: np.ndarray, one: int, other: int) -> bool:
    for k in range(20):
        a = arena[one + k]
        b = arena[other + k]
        if a != b:
            return a < b
    return False


@jit
def gather_records(
    arena: np.ndarray, arena32: np.ndarray, offsets: np.ndarray, first: int, out: np.ndarray
) -> tuple[int, int]:
    """Copy records end to end, as many as there is room for.

    Args:
        arena: the namespace's bytes.
        arena32: the same as 32-bit words.
        offsets: the records.
        first: the first of them to copy.
        out: receives the bytes.

    Returns:
        which record comes next, and the bytes copied.
    """
    at: Any = np.int64(0)
    i: Any = np.int64(first)
    while i < len(offsets):
        size = np.int64(arena32[offsets[i] >> 2])
        if at + size > len(out):
            break
        copy_bytes(arena, offsets[i], out, at, size)
        at += size
        i += 1
    return i, at

"""Collect the entries of a secondary index, and put look-up results in order."""

from __future__ import annotations

from typing import Any

import numpy as np

from aerospike_magic.devserver.kernels.layout import HEADER_SIZE, jit, read_i64, read_u32
from aerospike_magic.devserver.kernels.scan import find_op


@jit
def hash_bytes(data: np.ndarray, start: int, stop: int) -> Any:
    """FNV-1a over a run of bytes, as a signed 64-bit integer."""
    value = np.uint64(0xCBF29CE484222325)
    for k in range(start, stop):
        value = (value ^ np.uint64(data[k])) * np.uint64(0x100000001B3)
    return np.int64(value)


@jit
def collect_values(
    arena: np.ndarray,
    arena16: np.ndarray,
    arena32: np.ndarray,
    offsets: np.ndarray,
    set_id: int,
    name: np.ndarray,
    particle_type: int,
    values: np.ndarray,
    found: np.ndarray,
) -> int:
    """Collect a bin's integers, or the hashes of its strings.

    Args:
        arena: the namespace's bytes.
        arena16: the same as 16-bit words.
        arena32: the same as 32-bit words.
        offsets: records to look at.
        set_id: the set, -1 for all.
        name: the bin.
        particle_type: 1 or 3; other particles are not entered.
        values: receives the values.
        found: receives the records' offsets.

    Returns:
        how many were found.
    """
    n = 0
    for i in range(len(offsets)):
        at = offsets[i]
        if set_id >= 0 and arena16[(at >> 1) + 10] != set_id:
            continue
        end = at + HEADER_SIZE + np.int64(arena32[(at >> 2) + 1])
        op = find_op(arena, at + np.int64(arena32[(at >> 2) + 4]), end, name, 0, len(name))
        if op < 0 or np.int64(arena[op + 5]) != particle_type:
            continue
        start = op + 8 + len(name)
        if particle_type == 1:
            values[n] = read_i64(arena, start)
        else:
            values[n] = hash_bytes(arena, start, op + 4 + read_u32(arena, op))
        found[n] = at
        n += 1
    return n


@jit
def is_behind(arena: np.ndarray, at: int, value: int, resume_value: int, resume_digest: np.ndarray) -> bool:
    """Say whether (value, digest at) comes after the place where a partition's look-up stopped."""
    if value != resume_value:
        return value > resume_value
    for k in range(20):
        a = arena[at + k]
        b = resume_digest[k]
        if a != b:
            return a > b
    return False


@jit
def order_keys(
    arena: np.ndarray,
    arena32: np.ndarray,
    offsets: np.ndarray,
    values: np.ndarray,
    digest_at: int,
    allowed: np.ndarray,
    resumed: np.ndarray,
    resume_value: np.ndarray,
    resume_digest: np.ndarray,
    name: np.ndarray,
    text: np.ndarray,
    is_string: bool,
    ids: np.ndarray,
) -> None:
    """Write each entry's partition id, or -1 where it does not belong in the answer."""
    for i in range(len(offsets)):
        at = offsets[i]
        digest = at + digest_at
        partition = np.int64(arena[digest]) | ((np.int64(arena[digest + 1]) & 0x0F) << 8)
        keep = allowed[partition]
        if keep and resumed[partition]:
            keep = is_behind(arena, digest, values[i], resume_value[partition], resume_digest[partition])
        if keep and is_string:
            end = at + HEADER_SIZE + np.int64(arena32[(at >> 2) + 1])
            op = find_op(arena, at + np.int64(arena32[(at >> 2) + 4]), end, name, 0, len(name))
            start = op + 8 + len(name)
            if op + 4 + read_u32(arena, op) - start != len(text):
                keep = False
            else:
                for k in range(len(text)):
                    if arena[start + k] != text[k]:
                        keep = False
                        break
        ids[i] = partition if keep else -1

"""Build records in bulk from columns."""

from __future__ import annotations

import numpy as np

from aerospike_magic.devserver.kernels.layout import (
    FIELDS_AT,
    HEADER_SIZE,
    copy_bytes,
    jit,
    write_i64,
    write_u32,
)


@jit
def size_records(
    lengths: np.ndarray, name_sizes: np.ndarray, key_sizes: np.ndarray, head: int, sizes: np.ndarray
) -> int:
    """Compute each record's message size.

    Args:
        lengths: columns × rows, bytes of each value, -1 for none.
        name_sizes: bytes of each column's name.
        key_sizes: bytes of each row's key field with its header, 0 for none.
        head: bytes of the message up to the key field.
        sizes: receives the message sizes.

    Returns:
        the bytes all records take in the arena.
    """
    n_columns, n_rows = lengths.shape
    total = 0
    for row in range(n_rows):
        size = head + key_sizes[row]
        for c in range(n_columns):
            if lengths[c, row] >= 0:
                size += 8 + name_sizes[c] + lengths[c, row]
        sizes[row] = size
        total += (HEADER_SIZE + size + 7) & ~7
    return total


@jit
def fill_records(
    order: np.ndarray,
    digests: np.ndarray,
    head: np.ndarray,
    n_head_fields: int,
    digest_from: int,
    key_type: int,
    key_text: np.ndarray,
    key_starts: np.ndarray,
    key_sizes: np.ndarray,
    kinds: np.ndarray,
    names: np.ndarray,
    name_starts: np.ndarray,
    values: np.ndarray,
    lengths: np.ndarray,
    text: np.ndarray,
    message_sizes: np.ndarray,
    set_id: int,
    last_update: int,
    arena: np.ndarray,
    arena16: np.ndarray,
    arena32: np.ndarray,
    arena64: np.ndarray,
    start: int,
) -> None:
    """Write records into the arena in a given order.

    Args:
        order: rows in the order wanted.
        digests: rows × 20.
        head: the message header and the fields up to the set, the digest's place left open.
        n_head_fields: how many fields that is.
        digest_from: where in `head` the digest goes.
        key_type: particle type of the keys, 0 to store none.
        key_text: the keys' bytes.
        key_starts: where each key starts.
        key_sizes: how long each key is.
        kinds: particle type of each column.
        names: the columns' names, end to end.
        name_starts: where each name starts, and where the last one ends.
        values: columns × rows: the integer, the double's bits, 0 or 1, or where in `text` the string starts.
        lengths: columns × rows, bytes of each value, -1 for none.
        text: bytes of all strings.
        message_sizes: from `size_records`.
        set_id: the set.
        last_update: milliseconds since the Aerospike epoch.
        arena: the namespace's bytes, then the same as 16, 32 and 64-bit words.
        arena16: see above.
        arena32: see above.
        arena64: see above.
        start: where in the arena to begin.
    """
    at = start
    n_columns = len(kinds)
    for i in range(len(order)):
        row = order[i]
        size = (HEADER_SIZE + message_sizes[row] + 7) & ~7
        p = at + HEADER_SIZE
        copy_bytes(head, 0, arena, p, len(head))
        for k in range(20):
            arena[p + digest_from + k] = digests[row, k]
        p += len(head)
        n_fields = n_head_fields
        if key_type:
            write_u32(arena, p, key_sizes[row] + 2)
            arena[p + 4] = 2
            arena[p + 5] = key_type
            copy_bytes(key_text, key_starts[row], arena, p + 6, key_sizes[row])
            p += 6 + key_sizes[row]
            n_fields += 1
        ops_at = p - at
        n_ops = 0
        for c in range(n_columns):
            length = lengths[c, row]
            if length < 0:
                continue
            name_size = name_starts[c + 1] - name_starts[c]
            write_u32(arena, p, 4 + name_size + length)
            arena[p + 4] = 1
            arena[p + 5] = kinds[c]
            arena[p + 6] = 0
            arena[p + 7] = name_size
            copy_bytes(names, name_starts[c], arena, p + 8, name_size)
            p += 8 + name_size
            if kinds[c] == 3 or kinds[c] == 4 or kinds[c] >= 19:
                copy_bytes(text, values[c, row], arena, p, length)
            elif length == 8:
                write_i64(arena, p, values[c, row])
            else:
                arena[p] = values[c, row]
            p += length
            n_ops += 1
        arena[at + FIELDS_AT - 3] = n_fields
        arena[at + FIELDS_AT - 2] = n_ops >> 8
        arena[at + FIELDS_AT - 1] = n_ops & 0xFF
        arena32[at >> 2] = size
        arena32[(at >> 2) + 1] = message_sizes[row]
        arena64[(at >> 3) + 1] = last_update
        arena32[(at >> 2) + 4] = ops_at
        arena16[(at >> 1) + 10] = set_id
        arena16[(at >> 1) + 11] = 1 if key_type else 0
        at += size

"""Where a record is: binary search by digest in a partition, and the orders that bulk loads need."""

from __future__ import annotations

import numpy as np

from aerospike_magic.devserver.kernels.layout import jit


@jit
def find_digest(arena: np.ndarray, offsets: np.ndarray, count: int, digest_at: int, digest: np.ndarray) -> int:
    """Find a digest in a partition.

    Args:
        arena: the namespace's bytes.
        offsets: the partition's record offsets, the first `count` in order of digest.
        count: number of records.
        digest_at: where a record's digest starts, from its offset.
        digest: 20 bytes.

    Returns:
        the position of the record, or -1 - p where p is where it would go.
    """
    low = 0
    high = count
    while low < high:
        middle = (low + high) >> 1
        at = offsets[middle] + digest_at
        order = 0
        for k in range(20):
            a = arena[at + k]
            b = digest[k]
            if a != b:
                order = -1 if a < b else 1
                break
        if order == 0:
            return middle
        if order < 0:
            low = middle + 1
        else:
            high = middle
    return -1 - low


@jit
def digest_words(digests: np.ndarray, first: np.ndarray, second: np.ndarray, third: np.ndarray) -> None:
    """Split digests (n × 20) into three unsigned words whose order is the order of (partition, digest)."""
    for i in range(len(digests)):
        row = digests[i]
        partition = np.uint64(row[0]) | (np.uint64(row[1] & 0x0F) << np.uint64(8))
        word = partition << np.uint64(48)
        for k in range(6):
            word |= np.uint64(row[k]) << np.uint64(40 - 8 * k)
        first[i] = word
        word = np.uint64(0)
        for k in range(6, 14):
            word = (word << np.uint64(8)) | np.uint64(row[k])
        second[i] = word
        word = np.uint64(0)
        for k in range(14, 20):
            word = (word << np.uint64(8)) | np.uint64(row[k])
        third[i] = word

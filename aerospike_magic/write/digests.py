"""Digests of whole columns of keys: RIPEMD-160 compiled by numba, without the GIL.

Tested against the careful version in `wire.digest`. Source: Dobbertin, Bosselaers, Preneel, "RIPEMD-160: A Strengthened
Version of RIPEMD" (1996), section 3 and appendix A.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from aerospike_magic.scan.intrinsics import load_be64, load_i64, load_le32, load_u8, store_le32
from aerospike_magic.write.kernels import K_BYTES32, K_INT64

_RHO = (7, 4, 13, 1, 10, 6, 15, 3, 12, 0, 9, 5, 2, 14, 11, 8)


def _orders(first: list[int]) -> list[int]:
    orders = [first]
    for _ in range(4):
        orders.append([_RHO[word] for word in orders[-1]])
    return [word for order in orders for word in order]


# A shift belongs to a message word and a round, and is the same in both lines.
_SHIFTS = (
    (11, 14, 15, 12, 5, 8, 7, 9, 11, 13, 14, 15, 6, 7, 9, 8),
    (12, 13, 11, 15, 6, 9, 9, 7, 12, 15, 11, 13, 7, 8, 7, 7),
    (13, 15, 14, 11, 7, 7, 6, 8, 13, 14, 13, 12, 5, 5, 6, 9),
    (14, 11, 12, 14, 8, 6, 5, 5, 15, 12, 15, 14, 9, 9, 8, 6),
    (15, 12, 13, 13, 9, 5, 8, 6, 14, 11, 12, 11, 8, 6, 5, 5),
)
_LEFT = np.array(_orders(list(range(16))), np.int64)
_RIGHT = np.array(_orders([(9 * i + 5) % 16 for i in range(16)]), np.int64)
_LEFT_SHIFTS = np.array([_SHIFTS[i // 16][word] for i, word in enumerate(_LEFT)], np.uint32)
_RIGHT_SHIFTS = np.array([_SHIFTS[i // 16][word] for i, word in enumerate(_RIGHT)], np.uint32)
_LEFT_K = np.array([0, 0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xA953FD4E], np.uint32)
_RIGHT_K = np.array([0x50A28BE6, 0x5C4DD124, 0x6D703EF3, 0x7A6D76E9, 0], np.uint32)
_START = np.array([0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0], np.uint32)


@njit(nogil=True, cache=True)
def _mix(kind, x, y, z):
    if kind == 0:
        return x ^ y ^ z
    if kind == 1:
        return (x & y) | (~x & z)
    if kind == 2:
        return (x | ~y) ^ z
    if kind == 3:
        return (x & z) | (y & ~z)
    return x ^ (y | ~z)


@njit(nogil=True, cache=True)
def _rotate(value, n):
    return np.uint32((value << n) | (value >> (np.uint32(32) - n)))


@njit(nogil=True, cache=True)
def _compress(state, words):
    a, b, c, d, e = state[0], state[1], state[2], state[3], state[4]
    p, q, r, s, t = state[0], state[1], state[2], state[3], state[4]
    for turn in range(5):
        for i in range(16 * turn, 16 * turn + 16):
            total = np.uint32(a + _mix(turn, b, c, d) + words[_LEFT[i]] + _LEFT_K[turn])
            value = np.uint32(_rotate(total, _LEFT_SHIFTS[i]) + e)
            a, e, d, c, b = e, d, _rotate(c, np.uint32(10)), b, value
            total = np.uint32(p + _mix(4 - turn, q, r, s) + words[_RIGHT[i]] + _RIGHT_K[turn])
            value = np.uint32(_rotate(total, _RIGHT_SHIFTS[i]) + t)
            p, t, s, r, q = t, s, _rotate(r, np.uint32(10)), q, value
    first = np.uint32(state[1] + c + s)
    state[1] = state[2] + d + t
    state[2] = state[3] + e + p
    state[3] = state[4] + a + q
    state[4] = state[0] + b + r
    state[0] = first


# Not the one of `kernels`: numba's cache on disk notices a change of a function's own file only.
@njit(nogil=True, cache=True)
def _offset(kind, offsets, index):
    if kind == K_BYTES32:
        return load_le32(np.uintp(offsets) + np.uintp(4 * index))
    return load_i64(np.uintp(offsets) + np.uintp(8 * index))


@njit(nogil=True, cache=True)
def digest_keys(prefix, n_prefix, kind, values, data, shift, n_rows, digests):
    """Compute the digests of a column of keys.

    Args:
        prefix: address of the set's name and the key's particle type.
        n_prefix: their size.
        kind, values, data, shift: the column, see `kernels`; where it has no value, what stands there is digested.
        n_rows: how many keys.
        digests: address of 20 bytes a row.
    """
    state = np.empty(5, np.uint32)
    words = np.empty(16, np.uint32)
    block = np.zeros(64, np.uint8)
    for i in range(n_rows):
        index = shift + i
        start = 0 if kind == K_INT64 else _offset(kind, values, index)
        total = n_prefix + (8 if kind == K_INT64 else _offset(kind, values, index + 1) - start)
        number = load_be64(np.uintp(values) + np.uintp(8 * index)) if kind == K_INT64 else np.uint64(0)
        n_blocks = (total + 8) // 64 + 1
        state[:] = _START
        for b in range(n_blocks):
            for k in range(64):
                at = 64 * b + k
                if at < n_prefix:
                    block[k] = load_u8(np.uintp(prefix) + np.uintp(at))
                elif at < total:
                    if kind == K_INT64:
                        # Big-endian, as loaded from a little-endian value: its lowest byte comes first.
                        block[k] = np.uint8((number >> np.uint64(8 * (at - n_prefix))) & np.uint64(0xFF))
                    else:
                        block[k] = load_u8(np.uintp(data) + np.uintp(start + at - n_prefix))
                else:
                    block[k] = 0x80 if at == total else 0
            base = np.uintp(block.ctypes.data)
            for w in range(16):
                words[w] = np.uint32(load_le32(base + np.uintp(4 * w)))
            if b == n_blocks - 1:
                words[14] = np.uint32((total * 8) & 0xFFFFFFFF)
                words[15] = np.uint32((total * 8) >> 32)
            _compress(state, words)
        out = np.uintp(digests) + np.uintp(20 * i)
        for w in range(5):
            store_le32(out + np.uintp(4 * w), np.int64(state[w]))

"""RIPEMD-160 over many keys at once.

Source: Dobbertin, Bosselaers, Preneel, "RIPEMD-160: A Strengthened Version of RIPEMD" (1996), section 3 and appendix A.
Tested against the careful version in `wire.digest`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from aerospike_magic.devserver.kernels.layout import inlined, jit


def _word_orders(first: list[int]) -> list[int]:
    rho = [7, 4, 13, 1, 10, 6, 15, 3, 12, 0, 9, 5, 2, 14, 11, 8]
    orders = [first]
    for _ in range(4):
        orders.append([rho[word] for word in orders[-1]])
    return [word for order in orders for word in order]


# The shift belongs to the message word and the round, the same for both lines.
_SHIFTS = (
    (11, 14, 15, 12, 5, 8, 7, 9, 11, 13, 14, 15, 6, 7, 9, 8),
    (12, 13, 11, 15, 6, 9, 9, 7, 12, 15, 11, 13, 7, 8, 7, 7),
    (13, 15, 14, 11, 7, 7, 6, 8, 13, 14, 13, 12, 5, 5, 6, 9),
    (14, 11, 12, 14, 8, 6, 5, 5, 15, 12, 15, 14, 9, 9, 8, 6),
    (15, 12, 13, 13, 9, 5, 8, 6, 14, 11, 12, 11, 8, 6, 5, 5),
)
_LEFT = np.array(_word_orders(list(range(16))), np.int64)
_RIGHT = np.array(_word_orders([(9 * i + 5) % 16 for i in range(16)]), np.int64)
_LEFT_SHIFTS = np.array([_SHIFTS[i // 16][word] for i, word in enumerate(_LEFT)], np.uint32)
_RIGHT_SHIFTS = np.array([_SHIFTS[i // 16][word] for i, word in enumerate(_RIGHT)], np.uint32)
_LEFT_K = np.array([0, 0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xA953FD4E], np.uint32)
_RIGHT_K = np.array([0x50A28BE6, 0x5C4DD124, 0x6D703EF3, 0x7A6D76E9, 0], np.uint32)
_START = np.array([0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0], np.uint32)


@inlined
def mix(kind: int, x: int, y: int, z: int) -> int:
    """The five functions of the rounds."""
    if kind == 0:
        return x ^ y ^ z
    if kind == 1:
        return (x & y) | (~x & z)
    if kind == 2:
        return (x | ~y) ^ z
    if kind == 3:
        return (x & z) | (y & ~z)
    return x ^ (y | ~z)


@inlined
def rotate(value: Any, n: Any) -> Any:
    """Rotate 32 bits to the left."""
    return (value << n) | (value >> (np.uint32(32) - n))


@jit
def compress(state: np.ndarray, words: np.ndarray) -> None:
    """Take one block of 16 words into the state."""
    a, b, c, d, e = state[0], state[1], state[2], state[3], state[4]
    p, q, r, s, t = state[0], state[1], state[2], state[3], state[4]
    for i in range(80):
        turn = i >> 4
        total = np.uint32(a + mix(turn, b, c, d) + words[_LEFT[i]] + _LEFT_K[turn])
        value = np.uint32(rotate(total, _LEFT_SHIFTS[i]) + e)
        a, e, d, c, b = e, d, np.uint32(rotate(c, np.uint32(10))), b, value
        total = np.uint32(p + mix(4 - turn, q, r, s) + words[_RIGHT[i]] + _RIGHT_K[turn])
        value = np.uint32(rotate(total, _RIGHT_SHIFTS[i]) + t)
        p, t, s, r, q = t, s, np.uint32(rotate(r, np.uint32(10))), q, value
    first = state[1] + c + s
    state[1] = state[2] + d + t
    state[2] = state[3] + e + p
    state[3] = state[4] + a + q
    state[4] = state[0] + b + r
    state[0] = first


@jit
def digest_keys(
    prefix: np.ndarray, text: np.ndarray, starts: np.ndarray, sizes: np.ndarray, digests: np.ndarray
) -> None:
    """Compute the digests of many keys.

    Args:
        prefix: the set's name and the key's particle type.
        text: the keys' bytes.
        starts: where each key starts in `text`.
        sizes: how long each key is.
        digests: n × 20, receives the digests.
    """
    state = np.empty(5, np.uint32)
    words = np.empty(16, np.uint32)
    head = len(prefix)
    for i in range(len(starts)):
        total = head + sizes[i]
        n_blocks = (total + 8) // 64 + 1
        state[:] = _START
        for block in range(n_blocks):
            for w in range(16):
                word = np.uint32(0)
                for k in range(4):
                    at = block * 64 + w * 4 + k
                    byte = np.uint32(0)
                    if at < head:
                        byte = np.uint32(prefix[at])
                    elif at < total:
                        byte = np.uint32(text[starts[i] + at - head])
                    elif at == total:
                        byte = np.uint32(0x80)
                    word |= byte << np.uint32(8 * k)
                words[w] = word
            if block == n_blocks - 1:
                words[14] = np.uint32(total * 8)
                words[15] = np.uint32((total * 8) >> 32)
            compress(state, words)
        for w in range(5):
            for k in range(4):
                digests[i, 4 * w + k] = (state[w] >> np.uint32(8 * k)) & np.uint32(0xFF)

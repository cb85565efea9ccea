"""RIPEMD-160 in plain Python, for the systems whose OpenSSL has it switched off.

One block costs some 100 µs: enough for key look-ups and tests, and nothing else uses it. Not for security;
record digests only need the same bytes as the server's.

Source: Dobbertin, Bosselaers, Preneel, "RIPEMD-160: a strengthened version of RIPEMD" (1996), appendix A.
"""

from __future__ import annotations

import struct

_MASK = 0xFFFFFFFF
_INITIAL = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
_K_LEFT = (0x00000000, 0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xA953FD4E)
_K_RIGHT = (0x50A28BE6, 0x5C4DD124, 0x6D703EF3, 0x7A6D76E9, 0x00000000)
_RHO = (7, 4, 13, 1, 10, 6, 15, 3, 12, 0, 9, 5, 2, 14, 11, 8)
_SHIFTS = (
    (11, 14, 15, 12, 5, 8, 7, 9, 11, 13, 14, 15, 6, 7, 9, 8),
    (12, 13, 11, 15, 6, 9, 9, 7, 12, 15, 11, 13, 7, 8, 7, 7),
    (13, 15, 14, 11, 7, 7, 6, 8, 13, 14, 13, 12, 5, 5, 6, 9),
    (14, 11, 12, 14, 8, 6, 5, 5, 15, 12, 15, 14, 9, 9, 8, 6),
    (15, 12, 13, 13, 9, 5, 8, 6, 14, 11, 12, 11, 8, 6, 5, 5),
)


def _word_orders(first: list[int]) -> tuple[tuple[int, ...], ...]:
    # The paper defines the word order of a round as the permutation rho applied to that of the round before.
    orders = [tuple(first)]
    for _ in range(4):
        orders.append(tuple(_RHO[i] for i in orders[-1]))
    return tuple(orders)


_ORDER_LEFT = _word_orders(list(range(16)))
_ORDER_RIGHT = _word_orders([(9 * i + 5) % 16 for i in range(16)])


def _f(round_: int, x: int, y: int, z: int) -> int:
    if round_ == 0:
        return x ^ y ^ z
    if round_ == 1:
        return (x & y) | (~x & z & _MASK)
    if round_ == 2:
        return (x | (~y & _MASK)) ^ z
    if round_ == 3:
        return (x & z) | (y & ~z & _MASK)
    return x ^ (y | (~z & _MASK))


def _rotate(x: int, n: int) -> int:
    return ((x << n) | (x >> (32 - n))) & _MASK


def _line(
    state: tuple[int, ...],
    words: tuple[int, ...],
    orders: tuple[tuple[int, ...], ...],
    constants: tuple[int, ...],
    functions: tuple[int, ...],
) -> tuple[int, ...]:
    a, b, c, d, e = state
    for round_ in range(5):
        for index in orders[round_]:
            total = (a + _f(functions[round_], b, c, d) + words[index] + constants[round_]) & _MASK
            a, b, c, d, e = e, (_rotate(total, _SHIFTS[round_][index]) + e) & _MASK, b, _rotate(c, 10), d
    return a, b, c, d, e


def ripemd160(data: bytes) -> bytes:
    """Returns the RIPEMD-160 of the data, 20 bytes."""
    padded = data + b"\x80" + bytes((55 - len(data)) % 64) + struct.pack("<Q", len(data) * 8)
    state: tuple[int, ...] = _INITIAL
    for block in range(0, len(padded), 64):
        words = struct.unpack_from("<16I", padded, block)
        left = _line(state, words, _ORDER_LEFT, _K_LEFT, (0, 1, 2, 3, 4))
        right = _line(state, words, _ORDER_RIGHT, _K_RIGHT, (4, 3, 2, 1, 0))
        state = tuple((state[(i + 1) % 5] + left[(i + 2) % 5] + right[(i + 3) % 5]) & _MASK for i in range(5))
    return struct.pack("<5I", *state)

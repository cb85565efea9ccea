"""HyperLogLog sketches as a server stores them: registers of 6 bits, or more with a min-hash, and a count kept beside.

Bytes: flags, index bits, min-hash bits (one each), the count last computed (8, little-endian, 0 for none), then the
registers end to end, each with the place of the lowest set bit of a hash in front and the min-hash behind.

Sources: Aerospike server, as/src/base/particle_hll.c (the `hmh_…` and `hll_…` functions); O. Ertl, New cardinality
estimation algorithms for HyperLogLog sketches, arXiv 1702.01284; Y. W. Yu, G. M. Weber, HyperMinHash, arXiv 1710.08436.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MIN_INDEX_BITS, MAX_INDEX_BITS = 4, 16
MIN_MINHASH_BITS, MAX_MINHASH_BITS = 4, 51
_MAX_BITS = 64
_RANK_BITS = 6
_MAX_RANK = 1 << _RANK_BITS
_HEADER = struct.Struct("<BBBQ")
_MASK64 = (1 << 64) - 1

Registers = npt.NDArray[np.uint64]


def are_bits(index_bits: int, minhash_bits: int) -> bool:
    """Whether a sketch can have so many bits."""
    return is_index(index_bits) and is_minhash(minhash_bits) and index_bits + minhash_bits <= _MAX_BITS


def is_index(bits: int) -> bool:
    """Whether so many bits can choose a register."""
    return MIN_INDEX_BITS <= bits <= MAX_INDEX_BITS


def is_minhash(bits: int) -> bool:
    """Whether a min-hash can have so many bits."""
    return bits == 0 or MIN_MINHASH_BITS <= bits <= MAX_MINHASH_BITS


@dataclass(slots=True)
class Sketch:
    """A sketch with its registers taken apart; `count` is the one kept, 0 for none."""

    index_bits: int
    minhash_bits: int
    count: int
    registers: Registers

    @classmethod
    def empty(cls, index_bits: int, minhash_bits: int) -> Sketch:
        """A sketch of nothing."""
        return cls(index_bits, minhash_bits, 0, np.zeros(1 << index_bits, np.uint64))

    @classmethod
    def decode(cls, data: bytes) -> Sketch | None:
        """Read a sketch; None if the bytes are none."""
        if len(data) < _HEADER.size:
            return None
        flags, index_bits, minhash_bits, count = _HEADER.unpack_from(data)
        if flags or not is_index(index_bits) or not is_minhash(minhash_bits):
            return None
        width, n = _RANK_BITS + minhash_bits, 1 << index_bits
        if len(data) != _HEADER.size + (width * n + 7) // 8:
            return None
        bits = np.unpackbits(np.frombuffer(data, np.uint8, offset=_HEADER.size))[: width * n]
        weights = np.uint64(1) << np.arange(width - 1, -1, -1, dtype=np.uint64)
        return cls(index_bits, minhash_bits, count, bits.reshape(n, width).astype(np.uint64) @ weights)

    def encode(self) -> bytes:
        """The sketch's bytes."""
        shifts = np.arange(_RANK_BITS + self.minhash_bits - 1, -1, -1, dtype=np.uint64)
        bits = (self.registers[:, None] >> shifts & np.uint64(1)).astype(np.uint8)
        return _HEADER.pack(0, self.index_bits, self.minhash_bits, self.count) + np.packbits(bits).tobytes()

    @property
    def ranks(self) -> Registers:
        """The registers without their min-hash."""
        return self.registers >> np.uint64(self.minhash_bits)

    def add(self, element: bytes) -> bool:
        """Take an element in, given as its msgpack bytes; False if that changed nothing."""
        index, value = self._hash(element)
        if int(self.registers[index]) >= value:
            return False
        self.registers[index] = value
        self.count = 0
        return True

    def may_contain(self, element: bytes) -> bool:
        """Say whether an element may have been taken in."""
        index, value = self._hash(element)
        return value <= int(self.registers[index])

    def estimate(self) -> int:
        """Estimate how many different elements were taken in."""
        if self.count:
            return self.count
        n = 1 << self.index_bits
        counts = np.bincount(self.ranks.astype(np.int64), minlength=_MAX_RANK + 1)
        z = n * _tau(float(counts[_MAX_RANK]) / n)
        for k in range(_MAX_RANK, 0, -1):
            z = 0.5 * (z + float(counts[k]))
        z += n * _sigma(float(counts[0]) / n)
        return _rounded(_alpha(self.index_bits) * n * n / z)

    def _hash(self, element: bytes) -> tuple[int, int]:
        first, second = murmur3(element)
        index = first & ((1 << self.index_bits) - 1)
        minhash = first >> self.index_bits & ((1 << self.minhash_bits) - 1)
        rank = (second & -second).bit_length() if second else _MAX_RANK + 1
        return index, rank << self.minhash_bits | minhash


def union(sketches: Sequence[Sketch]) -> Sketch:
    """Unite sketches, in the largest form that all can be brought to."""
    united = _common(sketches)
    for sketch in sketches:
        values = sketch.registers if united.minhash_bits else sketch.ranks
        united.registers = np.maximum(united.registers, _folded(values, united.index_bits).max(axis=0))
    return united


def fold(sketch: Sketch, index_bits: int) -> Sketch:
    """Bring a sketch without a min-hash to fewer registers."""
    if index_bits == sketch.index_bits:
        return sketch
    return Sketch(index_bits, 0, 0, _folded(sketch.ranks, index_bits).max(axis=0))


def intersection_count(sketches: Sequence[Sketch]) -> int:
    """Estimate how many elements all of the sketches have taken in."""
    if not _common(sketches).minhash_bits:
        return _plain_intersection_count(sketches)
    share = similarity(sketches)
    return 0 if math.isnan(share) else _rounded(union(sketches).estimate() * share)


def similarity(sketches: Sequence[Sketch]) -> float:
    """Estimate the share of all elements that all of the sketches have taken in; NaN if there are none."""
    common = _common(sketches)
    if not common.minhash_bits:
        both, every = float(_plain_intersection_count(sketches)), float(union(sketches).estimate())
        # Nothing by nothing: the processor gives the NaN with a sign.
        return both / every if every else -math.nan if not both else math.inf
    filled = [_has_data(sketch) for sketch in sketches]
    if not all(filled):
        return 0.0 if any(filled) else math.nan
    n_union = int(np.count_nonzero(union(sketches).registers))
    shared = _folded(sketches[0].registers, common.index_bits).max(axis=0)
    for sketch in sketches[1:]:
        for registers in _folded(sketch.registers, common.index_bits):
            shared = np.where(shared == registers, shared, np.uint64(0))
    by_chance = 0.0
    if len(sketches) == 2:
        by_chance = _collisions(common, sketches[0].estimate(), sketches[1].estimate())
    return max(0.0, (int(np.count_nonzero(shared)) - by_chance) / float(n_union))


def _common(sketches: Sequence[Sketch]) -> Sketch:
    """An empty sketch of the largest form that all can be brought to."""
    minhash_bits = {sketch.minhash_bits for sketch in sketches}
    return Sketch.empty(
        min(sketch.index_bits for sketch in sketches), minhash_bits.pop() if len(minhash_bits) == 1 else 0
    )


def _folded(registers: Registers, index_bits: int) -> Registers:
    """Registers by the lower bits of their index: a row for each value of the others."""
    return registers.reshape(-1, 1 << index_bits)


def _has_data(sketch: Sketch) -> bool:
    # A server looks at as many bytes as there are registers, though these need more.
    return any(sketch.encode()[_HEADER.size :][: 1 << sketch.index_bits])


def _plain_intersection_count(sketches: Sequence[Sketch]) -> int:
    """By inclusion and exclusion, of two or three."""
    every = union(sketches).estimate()
    total = sum(sketch.estimate() for sketch in sketches)
    if len(sketches) == 2:
        return max(0, total - every)
    first, second, third = sketches
    pairs = ((first, second), (second, third), (first, third))
    return max(0, every - (total - sum(intersection_count(pair) for pair in pairs)))


def _collisions(common: Sketch, first: int, second: int) -> float:
    n = 1 << common.index_bits
    total = 0.0
    for i in range(1, _MAX_RANK + 1):
        low = (2.0**-i if i != _MAX_RANK else 0.0) / n
        high = 2.0 ** (1 - i) / n
        total += (_power(1 - low, first) - _power(1 - high, first)) * (
            _power(1 - low, second) - _power(1 - high, second)
        )
    return total * n / 2.0**common.minhash_bits


def _power(base: float, exponent: int) -> float:
    return math.pow(base, float(exponent))


def _rounded(value: float) -> int:
    """Round half away from zero."""
    whole = math.floor(value)
    return whole + (value - whole >= 0.5)


def _alpha(index_bits: int) -> float:
    return {4: 0.673, 5: 0.697, 6: 0.709}.get(index_bits) or 0.7213 / (1.0 + 1.079 / (1 << index_bits))


def _tau(value: float) -> float:
    if value in (0.0, 1.0):
        return 0.0
    y, z = 1.0, 1 - value
    while True:
        value = math.sqrt(value)
        before = z
        y *= 0.5
        z -= math.pow(1 - value, 2) * y
        if z == before:
            return z / 3


def _sigma(value: float) -> float:
    if value == 1.0:
        return math.inf
    y, z = 1.0, value
    while True:
        value *= value
        before = z
        z += value * y
        y += y
        if z == before:
            return z


def murmur3(data: bytes) -> tuple[int, int]:
    """MurmurHash3, the variant of 128 bits for 64-bit processors, with seed 0: both halves."""
    h1 = h2 = 0
    n_blocks = len(data) // 16
    for k1, k2 in struct.iter_unpack("<QQ", data[: 16 * n_blocks]):
        h1 = (_rotated(h1 ^ _mixed_first(k1), 27) + h2) * 5 + 0x52DCE729 & _MASK64
        h2 = (_rotated(h2 ^ _mixed_second(k2), 31) + h1) * 5 + 0x38495AB5 & _MASK64
    tail = data[16 * n_blocks :]
    h2 ^= _mixed_second(int.from_bytes(tail[8:], "little"))
    h1 ^= _mixed_first(int.from_bytes(tail[:8], "little"))
    h1, h2 = h1 ^ len(data), h2 ^ len(data)
    h1 = h1 + h2 & _MASK64
    h2 = h2 + h1 & _MASK64
    h1, h2 = _finished(h1), _finished(h2)
    h1 = h1 + h2 & _MASK64
    return h1, h2 + h1 & _MASK64


def _rotated(value: int, n: int) -> int:
    return (value << n | value >> (64 - n)) & _MASK64


def _mixed_first(k: int) -> int:
    return _rotated(k * 0x87C37B91114253D5 & _MASK64, 31) * 0x4CF5AD432745937F & _MASK64


def _mixed_second(k: int) -> int:
    return _rotated(k * 0x4CF5AD432745937F & _MASK64, 33) * 0x87C37B91114253D5 & _MASK64


def _finished(k: int) -> int:
    k = (k ^ k >> 33) * 0xFF51AFD7ED558CCD & _MASK64
    k = (k ^ k >> 33) * 0xC4CEB9FE1A85EC53 & _MASK64
    return k ^ k >> 33

"""Random bit and HyperLogLog operations as they are on the wire; at times with wrong parameters."""

from __future__ import annotations

import random
from typing import Any

from aerospike_magic.devserver.sketch import Sketch
from aerospike_magic.wire.values import HLL

_VALUES = [0, 1, 2, 127, 128, 255, 256, 2**31, 2**63 - 1, -1, -128, -(2**63), 0x0123456789ABCDEF]


class RandomCalls:
    """Makes them.

    Args:
        seed: of the random numbers.
    """

    def __init__(self, seed: int) -> None:
        self._random = chance = random.Random(seed)
        self.pick = chance.choice
        self._between = chance.randint

    def blob(self) -> bytes:
        kind = self._between(0, 3)
        n_bytes = self.pick([0, 1, 1, 2, 3, 4, 8, 9, 12, 40, 200])
        return (bytes(n_bytes), b"\xff" * n_bytes, self._random.randbytes(n_bytes))[min(kind, 2)]

    def bit_call(self) -> list[Any]:
        number = self._between(0, 12)
        flags = self.pick([0, 0, 0, 0, 1, 2, 4, 6, 3, 16])
        if number == 0:
            args: list[Any] = [self.pick([0, 1, 2, 5, 13]), flags, self.pick([0, 0, 1, 2, 3, 4, 5, 6, 8])]
        elif number == 1:
            args = [self._offset(12), self._random.randbytes(self.pick([0, 1, 2, 5])), flags]
        elif number == 2:
            args = [self._offset(12), self.pick([0, 1, 1, 2, 5]), self.pick([flags, flags, 8, 12])]
        elif number <= 6:
            size = self._size()
            given = self._random.randbytes(max(0, (size + 7) // 8 + self.pick([0, 0, 0, 1, -1])))
            args = [self._offset(80), size, given, self.pick([flags, 4, 4, 8]) if number == 3 else flags]
        elif number == 7:
            args = [self._offset(80), self._size(), self.pick([flags, 8, 12])]
        elif number <= 9:
            args = [self._offset(80), self._size(), self.pick([0, 1, 3, 7, 8, 9, 16, 70, 2**31]), flags]
        else:
            size = self.pick([1, 2, 7, 8, 9, 13, 16, 31, 32, 33, 63, 64, 64, 0, 65])
            args = [self._offset(80), size, self.pick(_VALUES), flags]
            args += [self.pick([0, 1, 2, 3, 4, 5, 6, 8])] * (number < 12)
        return self._spoiled([number, *args])

    def bit_read(self) -> list[Any]:
        number = self._between(50, 54)
        args: list[Any] = [self._offset(80), self.pick([*range(1, 65), 0]) if number == 54 else self._size()]
        if number in (52, 53):
            args.append(self.pick([True, False]))
        if number == 54:
            args.append(self.pick([0, 1, 1, 2]))
        return self._spoiled([number, *args])

    def sketch(self) -> bytes:
        bits = self.pick([(4, 0), (5, 0), (8, 0), (10, 0), (12, 0), (8, 4), (8, 4), (10, 20), (13, 51)])
        made = Sketch.empty(*bits)
        for i in range(self.pick([0, 1, 3, 20, 500])):
            made.add(bytes((self.pick([0, 0, 1]), i & 0xFF, i >> 8)))
        made.count = self.pick([0, 0, 0, 0, made.estimate()])
        return made.encode()

    def hll_call(self) -> list[Any]:
        number = self._between(0, 4)
        flags = self.pick([0, 0, 0, 0, 0, 1, 2, 4, 5, 6, 3, 8])
        bits = [self.pick([4, 8, 10, 16, -1, 3, 17, 8, 8]), self.pick([0, 0, 4, 20, 51, -1, 2, 52, 4])]
        if number == 0:
            args: list[Any] = [*bits, flags]
        elif number == 1:
            args = [self._elements(), *bits, flags]
        elif number == 2:
            args = [self._sketches(3), self.pick([flags, 8, 8])]
        else:
            args = [bits[0]] if number == 4 else []
        return self._spoiled([number, *args])

    def hll_read(self) -> list[Any]:
        number = self._between(50, 56)
        if number in (50, 55):
            return self._spoiled([number])
        return self._spoiled([number, self._elements() if number == 56 else self._sketches(3)])

    def _elements(self) -> list[Any]:
        n = self.pick([1, 1, 2, 10, 100, 0])
        kinds = [
            lambda: self._between(-5, 300),
            lambda: f"k{self._between(0, 9)}",
            lambda: self._random.randbytes(3),
            lambda: 1.5,
            lambda: None,
            lambda: True,
            lambda: "x" * self._between(10, 50),
        ]
        elements: list[Any] = [self.pick(kinds)() for _ in range(n)]
        return elements + [[1]] * (self._between(0, 30) == 0)

    def _sketches(self, most: int) -> Any:
        if self._between(0, 4) == 0:
            return HLL(self.sketch())
        found = [HLL(self.sketch()) for _ in range(self._between(1, most))]
        if self._between(0, 20) == 0:
            found[0] = HLL(found[0][:-1])
        return found

    def _offset(self, most: int) -> int:
        return self.pick([0, 0, self._between(0, most), self._between(0, 20), -1, -8, -self._between(1, most)])

    def _size(self) -> int:
        return self.pick([0, 1, 3, 7, 8, 9, 15, 16, 24, 31, 63, 64, 65, 100, self._between(1, 80)])

    def _spoiled(self, call: list[Any]) -> list[Any]:
        if self._between(0, 25):
            return call
        at = self._between(0, len(call) - 1)
        return self.pick([call[:-1] or [99], [*call, 0], [*call[:at], self.pick(["a", None, 99, []]), *call[at + 1 :]]])

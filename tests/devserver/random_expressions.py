"""Random expressions of every type over the bins of `BINS`, made with the official helpers."""

from __future__ import annotations

import random
from typing import Any

from aerospike_helpers import HyperLogLog
from aerospike_helpers import expressions as exp

from aerospike_magic.devserver.sketch import Sketch

BINS = {
    "i": 7,
    "j": -3,
    "f": 2.5,
    "g": -0.0,
    "t": True,
    "s": "abc",
    "b": bytearray(b"\x0f\xf0\x55"),
    "l": [3, 1, 2, "x"],
    "m": {"a": 1, "b": [1, 2], 3: "c"},
}


def sketch() -> HyperLogLog:
    made = Sketch.empty(8, 0)
    for i in range(30):
        made.add(bytes((i,)))
    return HyperLogLog(made.encode())


class RandomExpressions:
    """Makes them.

    Args:
        seed: of the random numbers.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.pick = self._random.choice

    def any(self, depth: int = 3) -> Any:
        kinds = [self.integer, self.integer, self.real, self.truth, self.text, self.blob, self.list, self.map, self.hll]
        return self.pick(kinds)(depth)

    def _maybe(self, depth: int, make: Any, forms: list[Any], leaves: list[Any]) -> Any:
        if depth <= 0 or self._random.random() < 0.25:
            return self.pick(leaves)()
        choice = self._random.random()
        if choice < 0.1:
            return exp.Cond(self.truth(depth - 1), make(depth - 1), make(depth - 1))
        if choice < 0.15:
            return exp.Let(exp.Def(f"v{depth}", self.integer(depth - 1)), make(depth - 1))
        return self.pick(forms)()

    def integer(self, depth: int) -> Any:
        d = depth - 1
        return self._maybe(
            depth,
            self.integer,
            [
                lambda: exp.Add(self.integer(d), self.integer(d)),
                lambda: exp.Sub(self.integer(d), self.integer(d)),
                lambda: exp.Mul(self.integer(d), self.integer(d)),
                lambda: exp.Div(self.integer(d), self.integer(d)),
                lambda: exp.Mod(self.integer(d), self.integer(d)),
                lambda: exp.Abs(self.integer(d)),
                lambda: exp.ToInt(self.real(d)),
                lambda: exp.IntAnd(self.integer(d), self.integer(d)),
                lambda: exp.IntLeftShift(self.integer(d), self.integer(d)),
                lambda: exp.IntCount(self.integer(d)),
                lambda: exp.Max(self.integer(d), self.integer(d)),
                lambda: exp.ListSize(None, self.list(d)),
                lambda: exp.MapSize(None, self.map(d)),
                lambda: exp.ListGetByIndex(None, 7, exp.ResultType.INTEGER, self.integer(0), self.list(d)),
                lambda: exp.MapGetByKey(None, 7, exp.ResultType.INTEGER, self.text(0), self.map(d)),
                lambda: exp.BitCount(self.pick([0, 3, 8]), self.pick([1, 8, 13]), self.blob(d)),
                lambda: exp.BitLeftScan(0, 8, self.pick([True, False]), self.blob(d)),
                lambda: exp.BitGetInt(0, self.pick([1, 8, 13]), self.pick([True, False]), self.blob(d)),
                lambda: exp.HLLGetCount(self.hll(d)),
                lambda: exp.HLLMayContain([1, "a"], self.hll(d)),
            ],
            [
                lambda: exp.IntBin(self.pick("ijz")),
                lambda: exp.IntBin("i"),
                lambda: self.pick([0, 1, 2, -1, 63, 64, 2**62]),
                lambda: exp.BinType(self.pick("isfz")),
                lambda: exp.TTL(),
            ],
        )

    def real(self, depth: int) -> Any:
        d = depth - 1
        return self._maybe(
            depth,
            self.real,
            [
                lambda: exp.Add(self.real(d), self.real(d)),
                lambda: exp.Mul(self.real(d), self.real(d)),
                lambda: exp.Div(self.real(d), self.real(d)),
                lambda: exp.Pow(self.real(d), self.real(d)),
                lambda: exp.Floor(self.real(d)),
                lambda: exp.Ceil(self.real(d)),
                lambda: exp.ToFloat(self.integer(d)),
                lambda: exp.HLLGetSimilarity([sketch()], self.hll(d)),
            ],
            [lambda: exp.FloatBin(self.pick("fgiz")), lambda: exp.FloatBin("f"), lambda: self.pick([0.0, 1.5, -2.0])],
        )

    def truth(self, depth: int) -> Any:
        d = depth - 1
        return self._maybe(
            depth,
            self.truth,
            [
                lambda: exp.And(self.truth(d), self.truth(d)),
                lambda: exp.Or(self.truth(d), self.truth(d)),
                lambda: exp.Not(self.truth(d)),
                lambda: exp.GT(self.integer(d), self.integer(d)),
                lambda: exp.LE(self.real(d), self.real(d)),
                lambda: exp.Eq(self.text(d), self.text(d)),
                lambda: exp.LT(self.blob(d), self.blob(d)),
                lambda: exp.Eq(self.list(d), self.list(d)),
            ],
            [lambda: exp.BoolBin(self.pick("tiz")), lambda: exp.BinExists(self.pick("iz")), lambda: exp.KeyExists()],
        )

    def text(self, depth: int) -> Any:
        d = depth - 1
        return self._maybe(
            depth,
            self.text,
            [
                lambda: exp.ListGetByIndex(None, 7, exp.ResultType.STRING, self.pick([3, -1, 0]), self.list(d)),
                lambda: exp.MapGetByKey(None, 7, exp.ResultType.STRING, 3, self.map(d)),
            ],
            [lambda: exp.StrBin(self.pick("sz")), lambda: self.pick(["", "a", "abc"]), lambda: exp.SetName()],
        )

    def blob(self, depth: int) -> Any:
        d = depth - 1
        return self._maybe(
            depth,
            self.blob,
            [
                lambda: exp.BitGet(self.pick([0, 3, 8]), self.pick([1, 8, 13]), self.blob(d)),
                lambda: exp.BitSet(None, 2, 5, bytearray(b"\xa5"), self.blob(d)),
                lambda: exp.BitResize(None, self.pick([0, 1, 5]), 0, self.blob(d)),
                lambda: exp.BitInsert(None, 1, bytearray(b"\x77"), self.blob(d)),
                lambda: exp.BitNot(None, 1, 6, self.blob(d)),
                lambda: exp.BitAdd(None, 0, 8, 17, 0, self.blob(d)),
                lambda: exp.BitLeftShift(None, 0, 8, 3, self.blob(d)),
            ],
            [lambda: exp.BlobBin(self.pick("bbz")), lambda: bytearray(self.pick([b"\x01", b"\xff\x00\x33", b"a"]))],
        )

    def list(self, depth: int) -> Any:
        d = depth - 1
        return self._maybe(
            depth,
            self.list,
            [
                lambda: exp.ListAppend(None, None, self.integer(d), self.list(d)),
                lambda: exp.ListSort(None, 0, self.list(d)),
                lambda: exp.ListRemoveByIndex(None, self.pick([0, -1, 9]), self.list(d)),
                lambda: exp.ListGetByRankRange(None, 7, 0, 2, self.list(d)),
                lambda: exp.MapGetByIndexRange(None, 6, 0, 2, self.map(d)),
            ],
            [lambda: exp.ListBin(self.pick("llz")), lambda: self.pick([[1, 2], [], [[1], "y"]])],
        )

    def map(self, depth: int) -> Any:
        d = depth - 1
        return self._maybe(
            depth,
            self.map,
            [
                lambda: exp.MapPut(None, None, self.text(d), self.integer(d), self.map(d)),
                lambda: exp.MapRemoveByKey(None, self.text(d), self.map(d)),
            ],
            [lambda: exp.MapBin(self.pick("mmz")), lambda: self.pick([{"a": 1}, {}])],
        )

    def hll(self, depth: int) -> Any:
        d = depth - 1
        return self._maybe(
            depth,
            self.hll,
            [
                lambda: exp.HLLAdd(None, [1, "a", 2.5], None, None, self.hll(d)),
                lambda: exp.HLLGetUnion([sketch()], self.hll(d)),
            ],
            [lambda: exp.HLLBin(self.pick("hhz"))],
        )

"""What an operation on a list or map returns: its return type and the shapes that all operations share.

Source: Aerospike server, as/src/base/cdt.c (the `result_data_…` functions).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from aerospike_magic.devserver.cdt.order import sorted_items
from aerospike_magic.wire.message import ResultCode
from aerospike_magic.wire.values import MapPairs


class CdtError(Exception):
    """Ends an operation with a result code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class UnsupportedCall(Exception):
    """An operation that a real server has and this one does not."""


class _NothingType:
    def __repr__(self) -> str:
        return "NOTHING"


NOTHING: Any = _NothingType()
"""The result of an operation that returns none."""


class Return(IntEnum):
    """What to return of the elements picked."""

    NONE = 0
    INDEX = 1
    REVERSE_INDEX = 2
    RANK = 3
    REVERSE_RANK = 4
    COUNT = 5
    KEY = 6
    VALUE = 7
    KEY_VALUE = 8
    INDEX_RANGE = 9
    REVERSE_INDEX_RANGE = 10
    RANK_RANGE = 11
    REVERSE_RANK_RANGE = 12
    EXISTS = 13
    UNORDERED_MAP = 16
    ORDERED_MAP = 17


INDEXES = (Return.INDEX, Return.REVERSE_INDEX)
RANKS = (Return.RANK, Return.REVERSE_RANK)
INDEX_RANGES = (Return.INDEX_RANGE, Return.REVERSE_INDEX_RANGE)
RANK_RANGES = (Return.RANK_RANGE, Return.REVERSE_RANK_RANGE)
MAP_FLAGS = {Return.KEY_VALUE: 8, Return.UNORDERED_MAP: 0, Return.ORDERED_MAP: 1}
"""Return types that are maps, with the flags of the map."""
_REVERSED = (Return.REVERSE_INDEX, Return.REVERSE_RANK)
_INVERTED = 0x10000


@dataclass(frozen=True, slots=True)
class Wish:
    """A return type: `kind` of the elements, or of all others if `inverted`; a list of them if `multi`."""

    kind: int
    inverted: bool
    multi: bool

    @classmethod
    def of(cls, return_type: int, multi: bool) -> Wish:
        """Read a return type as it is on the wire."""
        return cls(return_type & 0xFFFF, bool(return_type & _INVERTED), multi)

    @property
    def is_reverse(self) -> bool:
        """Whether places count from the end."""
        return self.kind in _REVERSED

    @property
    def upright(self) -> Wish:
        """The same without inversion."""
        return replace(self, inverted=False)

    def place(self, place: int, n: int) -> int:
        """An index or rank as it is wished: from the start or the end of `n` elements."""
        return n - 1 - place if self.is_reverse else place


Picked = tuple[Any, Sequence[int]]
"""A result, and the places that a removal removes."""


def not_applicable() -> CdtError:
    """The error of an index out of bounds, or a return type that an operation does not have."""
    return CdtError(ResultCode.OP_NOT_APPLICABLE)


def bad_parameter() -> CdtError:
    """The error of a malformed operation."""
    return CdtError(ResultCode.PARAMETER)


def bounds(index: int, count: int, n: int, multi: bool) -> tuple[int, int]:
    """Bring an index, negative from the end, and a count into `n` elements.

    Raises:
        CdtError: a single element out of bounds.
    """
    if not multi:
        place = index + n if index < 0 else index
        if not 0 <= place < n:
            raise not_applicable()
        return place, min(count, n - place)
    if index >= n:
        return n, 0
    if index < 0:
        index += n
    if index < 0:
        return 0, min(max(0, count + index), n)
    return index, min(count, n - index)


def relative(index: int, count: int, start: int) -> tuple[int, int]:
    """Move an index and a count that are relative to a place."""
    index += start
    if index < 0:
        return 0, max(0, count + index)
    return index, count


def places(start: int, count: int, n: int, reverse: bool) -> list[int]:
    """A run of places, counted from the end if `reverse`."""
    if reverse:
        start = n - start - count
    return list(range(start, start + count))


def not_found(wish: Wish, place: int) -> Any:
    """The result where nothing was picked."""
    kind = wish.kind
    if kind == Return.NONE:
        return NOTHING
    if kind in INDEX_RANGES or kind in RANK_RANGES:
        return [place, 0]
    if kind in INDEXES or kind in RANKS:
        return [] if wish.multi else -1
    if kind == Return.COUNT:
        return 0
    if kind == Return.EXISTS:
        return False
    if kind in (Return.KEY, Return.VALUE):
        return [] if wish.multi else NOTHING
    if kind in MAP_FLAGS:
        return MapPairs((), MAP_FLAGS[Return(kind)])
    raise not_applicable()


def count_or_places(wish: Wish, start: int, count: int, n: int) -> Any:
    """The result of a run of places, for return types that need no elements."""
    kind = wish.kind
    if kind == Return.NONE:
        return NOTHING
    if kind == Return.COUNT:
        return n - count if wish.inverted else count
    if kind == Return.EXISTS:
        return count == 0 if wish.inverted else count != 0
    if kind not in INDEXES and kind not in RANKS:
        raise not_applicable()
    if not wish.multi:
        return wish.place(start, n) if count else -1
    if not wish.inverted:
        return places(start, count, n, wish.is_reverse)
    return around(wish, start, count, n)


def around(wish: Wish, start: int, count: int, n: int) -> list[int]:
    """The places before and behind a run."""
    end = start + count
    return places(0, start, n, wish.is_reverse) + places(end, n - end, n, wish.is_reverse)


def run(wish: Wish, start: int, count: int, n: int) -> Any:
    """The result of a run of places, ranges included."""
    kind = wish.kind
    if kind not in INDEX_RANGES and kind not in RANK_RANGES:
        return count_or_places(wish, start, count, n)
    if wish.inverted:
        raise not_applicable()
    if kind in (Return.REVERSE_INDEX_RANGE, Return.REVERSE_RANK_RANGE):
        start = n - start - count
    return [start, count]


def complement(picked: Sequence[int], n: int) -> list[int]:
    """All other places."""
    taken = set(picked)
    return [place for place in range(n) if place not in taken]


def itemised_ranks(wish: Wish, item_order: Sequence[int], ranges: Sequence[tuple[int, int]], n: int) -> list[int]:
    """The ranks of what a list of items picked.

    Args:
        wish: the return type.
        item_order: the items' places in their order.
        ranges: by item, the rank of its first match and how many there are.
        n: how many elements there are.
    """
    if not wish.inverted:
        return [wish.place(rank + i, n) for rank, count in ranges for i in range(count)]
    result: list[int] = []
    before = 0
    for item in item_order:
        rank, count = ranges[item]
        if count:
            result += places(before, rank - before, n, wish.is_reverse)
            before = rank + count
    return result + places(before, n - before, n, wish.is_reverse)


def as_map(kind: int, pairs: Sequence[tuple[Any, Any]]) -> MapPairs:
    """A map as a result: by key if ordered, else as the pairs come."""
    flags = MAP_FLAGS[Return(kind)]
    return MapPairs(sorted_items(MapPairs(pairs)) if flags == 1 else pairs, flags)


def bisect(values: Sequence[Any], value: Any, compare: Any) -> tuple[int, int]:
    """Find a value among sorted ones: the place of the first that is not below it, and behind the last equal."""
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if compare(values[middle], value) < 0:
            low = middle + 1
        else:
            high = middle
    first, high = low, len(values)
    while low < high:
        middle = (low + high) // 2
        if compare(values[middle], value) <= 0:
            low = middle + 1
        else:
            high = middle
    return first, low


class Heap:
    """The heap by which a server picks elements by rank, down to the choice among equal ones.

    Args:
        compare: orders two places.
        start: the first rank wanted.
        count: how many.
        n: how many elements there are.
    """

    def __init__(self, compare: Any, start: int, count: int, n: int) -> None:
        tail = n - start - count
        self._compare = compare
        self._sign = -1 if start <= tail else 1
        self._heap = list(range(n))
        self._filled = n
        for i in range(n // 2 - 1, -1, -1):
            self._sift(i)
        end = n - 1
        for _ in range(count + min(start, tail)):
            top = self._heap[0]
            self._filled -= 1
            self._heap[0] = self._heap[self._filled]
            self._sift(0)
            self._heap[end] = top
            end -= 1
        self.picked = self._heap[self._filled : self._filled + count]
        """The places, in order of rank from the nearer end: descending in the lower half."""

    def _sift(self, index: int) -> None:
        heap = self._heap
        while (child := 2 * index + 1) < self._filled:
            if child + 1 < self._filled and self._compare(heap[child], heap[child + 1]) * self._sign < 0:
                child += 1
            if self._compare(heap[child], heap[index]) * self._sign <= 0:
                break
            heap[index], heap[child] = heap[child], heap[index]
            index = child

"""Picking elements of a map: by key, index, rank, value, and what is returned of them.

A server keeps every map by key, so that an element's place is its index; whether the map is said to be ordered still
decides about some results, which is why that is asked here.

Source: Aerospike server, as/src/base/particle_map.c (the `packed_map_get_remove_…` functions).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aerospike_magic.devserver.cdt.list_select import OPEN_END, item_ranges
from aerospike_magic.devserver.cdt.order import compare, sorted_items
from aerospike_magic.devserver.cdt.results import (
    INDEX_RANGES,
    INDEXES,
    MAP_FLAGS,
    NOTHING,
    RANK_RANGES,
    RANKS,
    Picked,
    Return,
    Wish,
    as_map,
    bad_parameter,
    bisect,
    bounds,
    complement,
    count_or_places,
    itemised_ranks,
    not_applicable,
    not_found,
    places,
    relative,
    run,
)
from aerospike_magic.wire.values import MapPairs

_BY_VALUE_TOO, _PERSISTED = 2, 16


@dataclass(frozen=True, slots=True)
class MapView:
    """A map's elements by key, and its flags."""

    keys: list[Any]
    values: list[Any]
    flags: int

    @classmethod
    def of(cls, value: Any) -> MapView:
        """View a map in whatever form it is held."""
        pairs = sorted_items(value)
        return cls([key for key, _ in pairs], [item for _, item in pairs], int(getattr(value, "flags", 0)))

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def pairs(self) -> list[tuple[Any, Any]]:
        """The elements."""
        return list(zip(self.keys, self.values, strict=True))

    @property
    def has_ranks(self) -> bool:
        """Whether the order of the values is stored with it."""
        return bool(self.flags & _BY_VALUE_TOO and self.flags & _PERSISTED) and len(self) > 1

    def by_value(self) -> list[int]:
        """The places in order of value, then key."""
        order = functools.cmp_to_key(compare)
        return sorted(range(len(self)), key=lambda i: (order(self.values[i]), i))

    def without(self, picked: Sequence[int]) -> MapPairs:
        """The map without some places."""
        taken = set(picked)
        return MapPairs([pair for i, pair in enumerate(self.pairs) if i not in taken], self.flags)


def _key_not_found(wish: Wish, place: int) -> Any:
    if wish.kind in RANK_RANGES:
        raise not_applicable()
    return not_found(wish, place)


def _value_not_found(wish: Wish, place: int) -> Any:
    if wish.kind in INDEX_RANGES:
        raise not_applicable()
    return not_found(wish, place)


def _elements(view: MapView, wish: Wish, picked: Sequence[int]) -> Any:
    if wish.kind in MAP_FLAGS:
        return as_map(wish.kind, [(view.keys[i], view.values[i]) for i in picked])
    found = [view.keys[i] if wish.kind == Return.KEY else view.values[i] for i in picked]
    if wish.multi:
        return found
    return found[0] if found else NOTHING


def _returns_elements(wish: Wish) -> bool:
    return wish.kind in (Return.KEY, Return.VALUE) or wish.kind in MAP_FLAGS


def _ranks(view: MapView, wish: Wish, picked: Sequence[int]) -> Any:
    rank_of = {place: rank for rank, place in enumerate(view.by_value())}
    found = [wish.place(rank_of[place], len(view)) for place in picked]
    return found if wish.multi else found[0]


def _indexes(view: MapView, wish: Wish, picked: Sequence[int]) -> Any:
    found = [wish.place(place, len(view)) for place in picked]
    if wish.multi:
        return found
    return found[0] if found else -1


def by_key(view: MapView, wish: Wish, key: Any) -> Picked:
    """Pick one key."""
    return _by_key_run(view, wish, *bisect(view.keys, key, compare), True)


def by_keys(view: MapView, wish: Wish, low: Any, high: Any) -> Picked:
    """Pick the keys from `low` to below `high`."""
    start = bisect(view.keys, low, compare)[0]
    end = len(view) if high is OPEN_END else bisect(view.keys, high, compare)[0]
    return _by_key_run(view, wish, start, max(start, end), False)


def _by_key_run(view: MapView, wish: Wish, start: int, end: int, is_single: bool) -> Picked:
    if wish.kind in RANK_RANGES:
        raise not_applicable()
    if is_single and start == end:
        if wish.inverted and not view.flags:
            raise not_applicable()
        return _key_not_found(wish, -1), ()
    if view.flags or is_single:
        return by_index(view, wish, start, end - start)
    picked: Sequence[int] = range(start, end)
    if wish.inverted:
        picked = complement(picked, len(view))
    if _returns_elements(wish):
        return _elements(view, wish, picked), picked
    if wish.kind in RANKS:
        return _ranks(view, wish, picked), picked
    return run(wish, start, end - start, len(view)), picked


def by_index(view: MapView, wish: Wish, index: int, count: int) -> Picked:
    """Pick a run of indexes."""
    n = len(view)
    start, count = bounds(index, count, n, wish.multi)
    if wish.kind in RANK_RANGES:
        raise not_applicable()
    if wish.inverted:
        start, count, is_around = _turn(wish, start, count, n)
        if is_around:
            return _around_index(view, wish, start, count)
        wish = wish.upright
    if not count:
        return _key_not_found(wish, start), ()
    picked = range(start, start + count)
    if count == n:
        return everything(view, wish), picked
    if _returns_elements(wish):
        return _elements(view, wish, picked), picked
    if wish.kind in RANKS:
        return _ranks(view, wish, picked), picked
    return run(wish, start, count, n), picked


def _turn(wish: Wish, start: int, count: int, n: int) -> tuple[int, int, bool]:
    """Turn an inverted run into a plain one where it touches an end; else say that it does not."""
    if not wish.multi:
        raise not_applicable()
    if not count:
        return 0, n, False
    if not start:
        return count, n - count, False
    if start + count >= n:
        return 0, start, False
    return start, count, True


def _around_index(view: MapView, wish: Wish, start: int, count: int) -> Picked:
    picked = complement(range(start, start + count), len(view))
    if _returns_elements(wish):
        return _elements(view, wish, picked), picked
    if wish.kind in RANKS:
        return _ranks(view, wish, picked), picked
    return run(wish, start, count, len(view)), picked


def everything(view: MapView, wish: Wish) -> Any:
    """The result of picking all elements."""
    n = len(view)
    if _returns_elements(wish):
        return _elements(view, wish, range(n))
    if wish.kind in INDEXES or wish.kind in RANKS:
        return list(range(n)) if wish.multi else 0
    if wish.kind in INDEX_RANGES or wish.kind in RANK_RANGES:
        return [0, n]
    return count_or_places(wish.upright, 0, n, n)


def by_value(view: MapView, wish: Wish, low: Any, high: Any, is_single: bool = False) -> Picked:
    """Pick the elements with values from `low` to below `high`, or equal to `low` if `is_single`."""
    n = len(view)
    if wish.kind in INDEX_RANGES or (wish.inverted and not wish.multi):
        raise not_applicable()
    if not n:
        return _value_not_found(wish, -1), ()
    rank = sum(1 for value in view.values if compare(value, low) < 0)
    if is_single:
        picked = [i for i, value in enumerate(view.values) if compare(value, low) == 0]
    else:
        picked = [
            i
            for i, value in enumerate(view.values)
            if compare(value, low) >= 0 and (high is OPEN_END or compare(value, high) < 0)
        ]
    if not wish.multi:
        picked = picked[:1]
    count = len(picked)
    if not count and not view.has_ranks:
        if wish.inverted:
            return everything(view, wish.upright), range(n)
        return _value_not_found(wish, rank if wish.kind in RANK_RANGES else 0), ()
    if wish.inverted:
        picked = complement(picked, n)
    elif view.has_ranks and wish.kind != Return.ORDERED_MAP:
        picked = view.by_value()[rank : rank + count]
    if _returns_elements(wish):
        return _elements(view, wish, picked), picked
    if wish.kind in INDEXES:
        return _indexes(view, wish, picked), picked
    return run(wish, rank, count, n), picked


def by_rank(view: MapView, wish: Wish, rank: int, count: int) -> Picked:
    """Pick a run of ranks."""
    n, kind = len(view), wish.kind
    start, count = bounds(rank, count, n, wish.multi)
    if kind in INDEX_RANGES:
        raise not_applicable()
    if wish.inverted:
        start, count, is_around = _turn(wish, start, count, n)
        if not is_around:
            wish = wish.upright
    if not count:
        return _value_not_found(wish, start), ()
    picked: Sequence[int] = view.by_value()[start : start + count]
    if wish.inverted:
        picked = complement(picked, n)
    elif kind == Return.ORDERED_MAP:
        picked = sorted(picked)
    if _returns_elements(wish):
        return _elements(view, wish, picked), picked
    if kind in INDEXES:
        return _indexes(view, wish, picked), picked
    return run(wish, start, count, n), picked


def by_key_list(view: MapView, wish: Wish, items: Any) -> Picked:
    """Pick some keys."""
    n, kind = len(view), wish.kind
    if not isinstance(items, list):
        raise bad_parameter()
    if not items:
        if kind in RANKS or kind in INDEX_RANGES or kind in RANK_RANGES:
            raise not_applicable()
        return (everything(view, wish.upright), range(n)) if wish.inverted else (_key_not_found(wish, 0), ())
    runs = [bisect(view.keys, item, compare) for item in items]
    picked = sorted({place for start, end in runs for place in range(start, end)})
    if wish.inverted:
        picked = complement(picked, n)
    if _returns_elements(wish):
        return _elements(view, wish, picked), picked
    if kind in RANKS:
        raise not_applicable()
    if kind in INDEXES:
        if not view.flags:
            order, ranges = item_ranges(items, view.keys)
            return itemised_ranks(wish, order, ranges, n), picked
        if wish.inverted:
            return _indexes(view, wish, picked), picked
        return [place for start, end in runs for place in places(start, end - start, n, wish.is_reverse)], picked
    return count_or_places(wish.upright, 0, len(picked), n), picked


def by_value_list(view: MapView, wish: Wish, items: Any) -> Picked:
    """Pick the elements with some values."""
    n, kind = len(view), wish.kind
    if not isinstance(items, list):
        raise bad_parameter()
    if kind in INDEX_RANGES or kind in RANK_RANGES:
        raise not_applicable()
    if not items:
        return (everything(view, wish.upright), range(n)) if wish.inverted else (not_found(wish, 0), ())
    picked = [i for i, value in enumerate(view.values) if any(compare(value, item) == 0 for item in items)]
    if wish.inverted:
        picked = complement(picked, n)
    if _returns_elements(wish):
        return _elements(view, wish, picked), picked
    if view.has_ranks and not wish.inverted and (kind in INDEXES or kind in RANKS):
        return _by_value_list_ranked(view, wish, items), picked
    if kind in RANKS and view.has_ranks:
        return _ranks(view, wish, picked), picked
    if kind in RANKS:
        order, ranges = item_ranges(items, view.values)
        return itemised_ranks(wish, order, ranges, n), picked
    if kind in INDEXES:
        return _indexes(view, wish, picked), picked
    return count_or_places(wish.upright, 0, len(picked), n), picked


def _by_value_list_ranked(view: MapView, wish: Wish, items: list[Any]) -> list[int]:
    n, by_rank_place = len(view), view.by_value()
    ordered = [view.values[place] for place in by_rank_place]
    found: list[int] = []
    for start, end in (bisect(ordered, item, compare) for item in items):
        if wish.kind in RANKS:
            found += places(start, end - start, n, wish.is_reverse)
        else:
            found += [wish.place(by_rank_place[rank], n) for rank in range(start, end)]
    return found


def by_relative_index(view: MapView, wish: Wish, key: Any, index: int, count: int) -> Picked:
    """Pick a run of indexes that starts relative to where a key stands or would stand."""
    return by_index(view, wish, *relative(index, count, bisect(view.keys, key, compare)[0]))


def by_relative_rank(view: MapView, wish: Wish, value: Any, rank: int, count: int) -> Picked:
    """Pick a run of ranks that starts relative to where a value stands or would stand."""
    start = sum(1 for item in view.values if compare(item, value) < 0)
    return by_rank(view, wish, *relative(rank, count, start))

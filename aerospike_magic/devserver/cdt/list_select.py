"""Picking elements of a list: by index, rank, value, and what is returned of them.

Each function returns a result and the places that it picked, which a removal then removes.

Source: Aerospike server, as/src/base/particle_list.c (the `packed_list_get_remove_…` functions).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from aerospike_magic.devserver.cdt.order import compare, sort_key
from aerospike_magic.devserver.cdt.results import (
    INDEX_RANGES,
    INDEXES,
    MAP_FLAGS,
    NOTHING,
    RANK_RANGES,
    RANKS,
    Heap,
    Picked,
    Return,
    Wish,
    around,
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

OPEN_END: Any = object()
"""The end of an interval that has none."""


def is_ordered(values: list[Any]) -> bool:
    """Whether a list is kept sorted."""
    return bool(getattr(values, "flags", 0) & 1)


def by_index(values: list[Any], wish: Wish, index: int, count: int) -> Picked:
    """Pick a run of places."""
    n = len(values)
    start, count = bounds(index, count, n, wish.multi)
    if wish.inverted:
        if not wish.multi or wish.kind in INDEX_RANGES or wish.kind in RANK_RANGES:
            raise not_applicable()
        wish = wish.upright
        if not count:
            start, count = 0, n
        elif not start:
            start, count = count, n - count
        elif start + count >= n:
            start, count = 0, start
        else:
            return _around_index(values, wish, start, count)
    if not count:
        return _not_found(wish, start), ()
    picked = range(start, start + count)
    return _of_run(values, wish, picked), picked


def _not_found(wish: Wish, place: int) -> Any:
    if wish.kind == Return.KEY or wish.kind in MAP_FLAGS:
        raise not_applicable()
    return not_found(wish, place)


def _of_run(values: list[Any], wish: Wish, picked: range) -> Any:
    n, kind = len(values), wish.kind
    if kind == Return.VALUE:
        return values[picked.start : picked.stop] if wish.multi else values[picked.start]
    if kind in RANKS and not (is_ordered(values) or len(picked) == n):
        ranks = [wish.place(_rank_of(values, values[place]), n) for place in picked]
        return ranks if wish.multi else ranks[0]
    if kind in RANK_RANGES and not is_ordered(values):
        raise not_applicable()
    if kind in RANKS and len(picked) == n:
        return count_or_places(wish, 0, n, n)
    return run(wish, picked.start, len(picked), n)


def _around_index(values: list[Any], wish: Wish, start: int, count: int) -> Picked:
    n, kind = len(values), wish.kind
    picked = [*range(start), *range(start + count, n)]
    if kind == Return.VALUE:
        return [values[place] for place in picked], picked
    if kind in RANKS and not is_ordered(values):
        return [wish.place(_rank_of(values, values[place]), n) for place in picked], picked
    if kind in RANKS or kind in INDEXES:
        return around(wish, start, count, n), picked
    return count_or_places(wish, 0, len(picked), n), picked


def _rank_of(values: list[Any], value: Any) -> int:
    return sum(1 for item in values if compare(item, value) < 0)


def by_value(values: list[Any], wish: Wish, low: Any, high: Any, is_single: bool = False) -> Picked:
    """Pick the elements from `low` to below `high`, or those equal to `low` if `is_single`."""
    n = len(values)
    if wish.inverted and not wish.multi:
        raise not_applicable()
    if is_ordered(values):
        start, count = _ordered_interval(values, low, high, is_single)
        if not wish.multi:
            if not count:
                return _not_found(wish, 0), ()
            count = 1
        return by_index(values, wish, start, count)
    if is_single:
        picked = [i for i, value in enumerate(values) if compare(value, low) == 0]
    else:
        picked = [
            i
            for i, value in enumerate(values)
            if compare(value, low) >= 0 and (high is OPEN_END or compare(value, high) < 0)
        ]
    if not wish.multi:
        picked = picked[:1]
    count = len(picked)
    if wish.inverted:
        picked = complement(picked, n)
    if wish.kind == Return.VALUE:
        return _values_at(values, wish, picked), picked
    if wish.kind in INDEXES:
        return _indexes(wish, picked, n), picked
    if wish.kind in INDEX_RANGES:
        raise not_applicable()
    return run(wish, _rank_of(values, low), count, n), picked


def _ordered_interval(values: list[Any], low: Any, high: Any, is_single: bool) -> tuple[int, int]:
    start, behind = bisect(values, low, compare)
    if is_single:
        return start, behind - start
    if high is OPEN_END:
        return start, len(values) - start
    if compare(low, high) >= 0:
        return start, 0
    return start, bisect(values, high, compare)[0] - start


def _values_at(values: list[Any], wish: Wish, picked: Sequence[int]) -> Any:
    if wish.multi:
        return [values[place] for place in picked]
    return values[picked[0]] if picked else NOTHING


def _indexes(wish: Wish, picked: Sequence[int], n: int) -> Any:
    if wish.multi:
        return [wish.place(place, n) for place in picked]
    return wish.place(picked[0], n) if picked else -1


def by_rank(values: list[Any], wish: Wish, rank: int, count: int) -> Picked:
    """Pick a run of ranks."""
    n, kind = len(values), wish.kind
    if wish.inverted and not wish.multi:
        raise not_applicable()
    if is_ordered(values):
        return by_index(values, wish, rank, count)
    start, count = bounds(rank, count, n, wish.multi)
    picked = place_of_ranks(values, start, count)
    chosen = complement(picked, n) if wish.inverted else picked
    if not chosen:
        return _not_found(wish, start), ()
    if kind in INDEX_RANGES or (wish.inverted and kind in RANK_RANGES):
        raise not_applicable()
    if kind == Return.VALUE:
        return _values_at(values, wish, chosen), chosen
    if kind in INDEXES:
        return _indexes(wish, sorted(chosen), n), chosen
    return run(wish, start, count, n), chosen


def place_of_ranks(values: list[Any], start: int, count: int) -> list[int]:
    """The places of a run of ranks in a list that is not sorted."""
    return Heap(lambda a, b: compare(values[a], values[b]), start, count, len(values)).picked


def by_values(values: list[Any], wish: Wish, items: Any) -> Picked:
    """Pick all elements that are equal to one of some items."""
    n, kind = len(values), wish.kind
    if kind in INDEX_RANGES or kind in RANK_RANGES:
        raise not_applicable()
    if not isinstance(items, list):
        raise bad_parameter()
    if not items:
        return by_index(values, wish.upright, 0, n) if wish.inverted else (_not_found(wish, 0), ())
    if is_ordered(values):
        return _by_values_ordered(values, wish, items)
    picked = [i for i, value in enumerate(values) if any(compare(value, item) == 0 for item in items)]
    if wish.inverted:
        picked = complement(picked, n)
    if kind in RANKS:
        order, ranges = item_ranges(items, values)
        return itemised_ranks(wish, order, ranges, n), picked
    if kind in INDEXES:
        return _indexes(wish, picked, n), picked
    if kind == Return.VALUE:
        return _values_at(values, wish, picked), picked
    return count_or_places(wish.upright, 0, len(picked), n), picked


def item_ranges(items: list[Any], values: Sequence[Any]) -> tuple[list[int], list[tuple[int, int]]]:
    """Order items, and tell of each the rank of its first match and how many; of equal ones only the last has any."""
    order = sorted(range(len(items)), key=lambda i: sort_key(items[i]))
    ranges = [(0, 0)] * len(items)
    for here, behind in zip(order, [*order[1:], -1], strict=True):
        rank = sum(1 for value in values if compare(value, items[here]) < 0)
        is_last = behind < 0 or compare(items[here], items[behind]) != 0
        ranges[here] = rank, sum(1 for value in values if compare(value, items[here]) == 0) if is_last else 0
    return order, ranges


def _by_values_ordered(values: list[Any], wish: Wish, items: list[Any]) -> Picked:
    n, kind = len(values), wish.kind
    runs = [bisect(values, item, compare) for item in items]
    each = [place for start, end in runs for place in range(start, end)]
    picked = sorted(set(each))
    if wish.inverted:
        picked = each = complement(picked, n)
    if kind == Return.VALUE:
        return [values[place] for place in each], picked
    if kind in INDEXES or kind in RANKS:
        if wish.inverted:
            return [wish.place(place, n) for place in each], picked
        found = [place for start, end in runs for place in places(start, end - start, n, wish.is_reverse)]
        return found, picked
    return count_or_places(replace(wish, inverted=False), 0, len(picked), n), picked


def by_relative_rank(values: list[Any], wish: Wish, value: Any, rank: int, count: int) -> Picked:
    """Pick a run of ranks that starts relative to where a value stands or would stand."""
    start = bisect(values, value, compare)[0] if is_ordered(values) else _rank_of(values, value)
    return by_rank(values, wish, *relative(rank, count, start))

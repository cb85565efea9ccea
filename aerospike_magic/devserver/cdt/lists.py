"""Operations on a list, by their numbers on the wire.

Source: Aerospike server, as/src/base/particle_list.c.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from aerospike_magic.devserver.cdt import list_select as select
from aerospike_magic.devserver.cdt.order import compare, sort_key
from aerospike_magic.devserver.cdt.parameters import ALL, COUNT, INDEX, NUMBER, STORED, VALUE, add, read_parameters
from aerospike_magic.devserver.cdt.results import (
    NOTHING,
    CdtError,
    Picked,
    Return,
    Wish,
    bad_parameter,
    bisect,
    not_applicable,
)
from aerospike_magic.wire.message import ResultCode
from aerospike_magic.wire.values import OrderedList

UNIQUE, BOUNDED, NO_FAIL, PARTIAL = 1, 2, 4, 8
_DESCENDING, _DROP_DUPLICATES = 1, 2
_MAX_INDEX = (1 << 31) - 1

Changed = tuple[list[Any] | None, Any]
"""The list after an operation (None: nothing changed), and the result."""


def make(items: Sequence[Any], flags: int) -> list[Any]:
    """Make a list with its flags."""
    return OrderedList(items, flags) if flags else list(items)


def _flags(values: list[Any]) -> int:
    return int(getattr(values, "flags", 0))


def checked_flags(flags: int, is_top: bool) -> int | None:
    """The flags of a list to create; an index is persisted at the top only. None: there are no such flags."""
    flags &= 0xFF
    if flags & ~0x11:
        return None
    return flags if is_top else flags & 1


def read(values: list[Any], number: int, args: Sequence[Any]) -> Any:
    """Run an operation that changes nothing.

    Raises:
        CdtError: it fails.
    """
    if number == 16:
        return len(values)
    return _pick(values, number, args)[0]


def modify(values: list[Any] | None, number: int, args: Sequence[Any], is_top: bool) -> Changed:
    """Run an operation that may change a list.

    Args:
        values: the list; None where there is none yet.
        number: the operation.
        args: its parameters.
        is_top: whether the list is a bin's own.

    Returns:
        the changed list, or None where there is still none, and the result.

    Raises:
        CdtError: it fails.
    """
    if number in _PICKS_TO_REMOVE or number in (10, 11):
        if values is None:
            return None, NOTHING
        return _clear(values) if number == 11 else _remove(values, number, args)
    operation = _CHANGES.get(number)
    if operation is None:
        raise bad_parameter()
    if number == 13 and values is None:
        if is_top:
            raise CdtError(ResultCode.INCOMPATIBLE_TYPE)
        return None, NOTHING
    kinds, n_optional, run, flags_at = operation
    given = read_parameters(args, kinds, n_optional)
    if values is None:
        flags = given[flags_at] if flags_at is not None and flags_at < len(given) else 0
        values = make((), checked_flags(flags, is_top) or 0)
    if number == 0:
        return _set_order(values, given[0], is_top)
    if flags_at is not None:
        given = [*given[:flags_at], *given[flags_at + 1 :]]
    return run(values, *given)


def _clear(values: list[Any]) -> Changed:
    return make((), _flags(values) & 1), NOTHING


def _remove(values: list[Any], number: int, args: Sequence[Any]) -> Changed:
    if number == 10:
        index, count = _with_count(read_parameters(args, (INDEX, COUNT), 0))
        result, picked = select.by_index(values, Wish(Return.COUNT, True, True), index, count)
    else:
        result, picked = _pick(values, _PICKS_TO_REMOVE[number], args)
    taken = set(picked)
    left = [value for i, value in enumerate(values) if i not in taken]
    return make(left, _flags(values) if left or not taken else _flags(values) & 1), result


def _set_order(values: list[Any], flags: int, is_top: bool) -> Changed:
    wanted = checked_flags(flags, is_top)
    if wanted is None:
        raise not_applicable()
    return make(sorted(values, key=sort_key) if wanted & 1 else values, wanted), NOTHING


def _append(values: list[Any], value: Any, flags: int = 0) -> Changed:
    if not select.is_ordered(values):
        return _insert_all(values, len(values), [value], flags, True)
    start, end = bisect(values, value, compare)
    if flags & UNIQUE and start != end:
        return _exists(values, flags)
    return make([*values[:end], value, *values[end:]], _flags(values)), len(values) + 1


def _append_items(values: list[Any], items: Any, flags: int = 0) -> Changed:
    if not isinstance(items, list):
        raise bad_parameter()
    if not select.is_ordered(values):
        return _insert_all(values, len(values), items, flags, True)
    ordered = sorted(items, key=sort_key)
    if flags & UNIQUE:
        distinct = [v for i, v in enumerate(ordered) if not i or compare(ordered[i - 1], v)]
        is_partial = flags & NO_FAIL and flags & PARTIAL
        if len(distinct) != len(ordered) and not is_partial:
            if not flags & NO_FAIL:
                raise not_applicable()
            return values, len(values)
        fresh = [v for v in distinct if len(set(bisect(values, v, compare))) == 1]
        if len(fresh) != len(distinct) and not is_partial:
            return _exists(values, flags)
        ordered = fresh
    return make(sorted([*values, *ordered], key=sort_key), _flags(values)), len(values) + len(ordered)


def _exists(values: list[Any], flags: int) -> Changed:
    if not flags & NO_FAIL:
        raise CdtError(ResultCode.ELEMENT_EXISTS)
    return values, len(values)


def _insert(values: list[Any], index: int, value: Any, flags: int = 0) -> Changed:
    if select.is_ordered(values):
        raise not_applicable()
    return _insert_all(values, index, [value], flags, False)


def _insert_items(values: list[Any], index: int, items: Any, flags: int = 0) -> Changed:
    if not isinstance(items, list):
        raise bad_parameter()
    if select.is_ordered(values):
        raise not_applicable()
    return _insert_all(values, index, items, flags, False)


def _insert_all(values: list[Any], index: int, items: Sequence[Any], flags: int, is_append: bool) -> Changed:
    n = len(values)
    if not items:
        return values, n
    if not is_append:
        index = _place(index, n)
        if flags & BOUNDED and index > n:
            if flags & NO_FAIL:
                return values, n
            raise not_applicable()
    if flags & UNIQUE:
        fresh = _fresh(values, items, flags)
        if fresh is None or not fresh:
            return values, n
        items = fresh
    padding = [None] * max(0, index - n)
    changed = [*values[:index], *padding, *items, *values[index:]]
    return make(changed, _flags(values)), len(changed)


def _fresh(values: list[Any], items: Sequence[Any], flags: int) -> list[Any] | None:
    """The items that are new to a list; None where one that is not ends the operation without an error."""
    fresh: list[Any] = []
    for item in items:
        in_list = any(compare(value, item) == 0 for value in values)
        if not in_list and not any(compare(other, item) == 0 for other in fresh):
            fresh.append(item)
        elif not flags & NO_FAIL:
            raise CdtError(ResultCode.ELEMENT_EXISTS) if in_list else not_applicable()
        elif not flags & PARTIAL:
            return None
    return fresh


def _place(index: int, n: int) -> int:
    place = index + n if index < 0 else index
    if index > _MAX_INDEX or place < 0:
        raise not_applicable()
    return place


def _set(values: list[Any], index: int, value: Any, flags: int = 0) -> Changed:
    n = len(values)
    if select.is_ordered(values):
        raise not_applicable()
    if index >= n:
        return _insert_all(values, index, [value], flags, False)[0], NOTHING
    index = _place(index, n)
    if flags & UNIQUE and any(compare(other, value) == 0 for i, other in enumerate(values) if i != index):
        return _exists(values, flags)[0], NOTHING
    return make([*values[:index], value, *values[index + 1 :]], _flags(values)), NOTHING


def _increment(values: list[Any], index: int, delta: Any = None, flags: int = 0) -> Changed:
    index = _place(index, len(values))
    value = add(values[index] if index < len(values) else None, delta, index < len(values), 1)
    if not select.is_ordered(values):
        return _set(values, index, value, flags)[0], value
    start, end = bisect(values, value, compare)
    if index > len(values):
        raise not_applicable()
    if flags & UNIQUE and start != end:
        if start != index:
            _exists(values, flags)
        return values, value
    return make(sorted([*values[:index], value, *values[index + 1 :]], key=sort_key), _flags(values)), value


def _sort(values: list[Any], flags: int = 0) -> Changed:
    ordered = list(values)
    if not select.is_ordered(values):
        ordered.sort(key=sort_key, reverse=bool(flags & _DESCENDING))
    if flags & _DROP_DUPLICATES:
        # A real server cannot tell what is twice where the order falls.
        if any(compare(a, b) > 0 for a, b in pairwise(ordered)):
            raise bad_parameter()
        ordered = [v for i, v in enumerate(ordered) if not i or compare(ordered[i - 1], v)]
    return make(ordered, _flags(values)), NOTHING


_Change = tuple[tuple[int, ...], int, Callable[..., Changed], int | None]
_CHANGES: dict[int, _Change] = {
    0: ((NUMBER,), 0, lambda values, flags: (values, NOTHING), None),
    1: ((STORED, NUMBER, NUMBER), 2, _append, 1),
    2: ((STORED, NUMBER, NUMBER), 2, _append_items, 1),
    3: ((INDEX, STORED, NUMBER), 1, _insert, None),
    4: ((INDEX, STORED, NUMBER), 1, _insert_items, None),
    9: ((INDEX, STORED, NUMBER), 1, _set, None),
    12: ((INDEX, VALUE, NUMBER, NUMBER), 3, _increment, 2),
    13: ((NUMBER,), 1, _sort, None),
}
"""By operation: its parameters, how many are optional, what runs it, and which one holds the flags of a new list."""


def _with_count(given: Sequence[Any]) -> Sequence[Any]:
    return given if len(given) == 2 else (*given, ALL)


def _pick(values: list[Any], number: int, args: Sequence[Any]) -> Picked:
    operation = _PICKS.get(number)
    if operation is None:
        raise bad_parameter()
    kinds, n_optional, multi, run = operation
    return run(values, multi, *read_parameters(args, kinds, n_optional))


def _fixed(kind: int) -> Callable[..., Picked]:
    def run(values: list[Any], multi: bool, index: int, count: int = ALL) -> Picked:
        return select.by_index(values, Wish(kind, False, multi), index, count if multi else 1)

    return run


def _by_index(values: list[Any], multi: bool, kind: int, index: int, count: int = ALL) -> Picked:
    return select.by_index(values, Wish.of(kind, multi), index, count if multi else 1)


def _by_rank(values: list[Any], multi: bool, kind: int, rank: int, count: int = ALL) -> Picked:
    return select.by_rank(values, Wish.of(kind, multi), rank, count if multi else 1)


def _by_value(values: list[Any], multi: bool, kind: int, value: Any) -> Picked:
    return select.by_value(values, Wish.of(kind, multi), value, value, True)


def _by_interval(values: list[Any], multi: bool, kind: int, low: Any, high: Any = select.OPEN_END) -> Picked:
    return select.by_value(values, Wish.of(kind, multi), low, high)


def _by_values(values: list[Any], multi: bool, kind: int, items: Any) -> Picked:
    return select.by_values(values, Wish.of(kind, multi), items)


def _by_relative(values: list[Any], multi: bool, kind: int, value: Any, rank: int, count: int = ALL) -> Picked:
    return select.by_relative_rank(values, Wish.of(kind, multi), value, rank, count)


_POP, _POP_RANGE, _DROP, _DROP_RANGE = -1, -2, -3, -4
_PICKS: dict[int, tuple[tuple[int, ...], int, bool, Callable[..., Picked]]] = {
    _POP: ((INDEX,), 0, False, _fixed(Return.VALUE)),
    _POP_RANGE: ((INDEX, COUNT), 1, True, _fixed(Return.VALUE)),
    _DROP: ((INDEX,), 0, False, _fixed(Return.COUNT)),
    _DROP_RANGE: ((INDEX, COUNT), 1, True, _fixed(Return.COUNT)),
    17: ((INDEX,), 0, False, _fixed(Return.VALUE)),
    18: ((INDEX, COUNT), 1, True, _fixed(Return.VALUE)),
    19: ((NUMBER, INDEX), 0, False, _by_index),
    20: ((NUMBER, VALUE), 0, False, _by_value),
    21: ((NUMBER, INDEX), 0, False, _by_rank),
    22: ((NUMBER, VALUE), 0, True, _by_value),
    23: ((NUMBER, VALUE), 0, True, _by_values),
    24: ((NUMBER, INDEX, COUNT), 1, True, _by_index),
    25: ((NUMBER, VALUE, VALUE), 1, True, _by_interval),
    26: ((NUMBER, INDEX, COUNT), 1, True, _by_rank),
    27: ((NUMBER, VALUE, INDEX, COUNT), 1, True, _by_relative),
}
_PICKS_TO_REMOVE = {
    5: _POP,
    6: _POP_RANGE,
    7: _DROP,
    8: _DROP_RANGE,
    32: 19,
    33: 20,
    34: 21,
    35: 22,
    36: 23,
    37: 24,
    38: 25,
    39: 26,
    40: 27,
}

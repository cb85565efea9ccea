"""Operations on a map, by their numbers on the wire.

Source: Aerospike server, as/src/base/particle_map.c.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aerospike_magic.devserver.cdt import map_select as select
from aerospike_magic.devserver.cdt.list_select import OPEN_END
from aerospike_magic.devserver.cdt.map_select import MapView
from aerospike_magic.devserver.cdt.order import compare, sorted_items
from aerospike_magic.devserver.cdt.parameters import (
    ALL,
    COUNT,
    INDEX,
    NUMBER,
    STORED,
    VALUE,
    add,
    is_key,
    read_parameters,
)
from aerospike_magic.devserver.cdt.results import (
    NOTHING,
    CdtError,
    Picked,
    Wish,
    bad_parameter,
    bisect,
    not_applicable,
)
from aerospike_magic.wire.message import ResultCode
from aerospike_magic.wire.values import MapPairs

_NO_OVERWRITE, _NO_CREATE, _NO_FAIL, _PARTIAL = 1, 2, 4, 8

Changed = tuple[Any, Any]
"""The map after an operation (None: there is still none), and the result."""


@dataclass(frozen=True, slots=True)
class _Rules:
    overwrites: bool = True
    creates: bool = True
    fails: bool = True
    is_partial: bool = False

    @classmethod
    def of(cls, flags: int) -> _Rules:
        return cls(not flags & _NO_OVERWRITE, not flags & _NO_CREATE, not flags & _NO_FAIL, bool(flags & _PARTIAL))


def checked_flags(flags: int, is_top: bool) -> int | None:
    """The flags of a map to create; an index is persisted at the top only. None: there are no such flags."""
    flags &= 0xFF
    if flags & ~0x13:
        return None
    return flags if is_top else flags & 3


def read(value: Any, number: int, args: Sequence[Any]) -> Any:
    """Run an operation that changes nothing.

    Raises:
        CdtError: it fails.
    """
    view = MapView.of(value)
    return len(view) if number == 96 else _pick(view, number, args)[0]


def modify(value: Any, number: int, args: Sequence[Any], is_top: bool) -> Changed:
    """Run an operation that may change a map.

    Args:
        value: the map; None where there is none yet.
        number: the operation.
        args: its parameters.
        is_top: whether the map is a bin's own.

    Returns:
        the changed map, or None where there is still none, and the result.

    Raises:
        CdtError: it fails.
    """
    if number == 75 or number in _PICKS_TO_REMOVE:
        return (None, NOTHING) if value is None else _remove(MapView.of(value), number, args)
    operation = _CHANGES.get(number)
    if operation is None:
        raise bad_parameter()
    if number == 70 and value is None:
        raise CdtError(ResultCode.ELEMENT_NOT_FOUND)
    kinds, n_optional, run, flags_at = operation
    given = read_parameters(args, kinds, n_optional)
    if value is None:
        flags = given[flags_at] if flags_at is not None and flags_at < len(given) else 0
        value = MapPairs((), checked_flags(flags, is_top) or 0)
    view = MapView.of(value)
    if number == 64:
        return _set_type(view, given[0], is_top)
    if flags_at is not None:
        given = [*given[:flags_at], *given[flags_at + 1 :]]
    return run(view, *given)


def _remove(view: MapView, number: int, args: Sequence[Any]) -> Changed:
    if number == 75:
        return MapPairs((), view.flags), NOTHING
    result, picked = _pick(view, _PICKS_TO_REMOVE[number], args)
    return view.without(picked), result


def _set_type(view: MapView, flags: int, is_top: bool) -> Changed:
    wanted = checked_flags(flags, is_top)
    if wanted is None:
        raise not_applicable()
    return MapPairs(view.pairs, wanted), NOTHING


def _put_one(view: MapView, key: Any, value: Any, rules: _Rules) -> Changed:
    if not is_key(key):
        raise bad_parameter()
    start, end = bisect(view.keys, key, compare)
    if not (rules.overwrites if start != end else rules.creates):
        if rules.fails:
            raise CdtError(ResultCode.ELEMENT_EXISTS if start != end else ResultCode.ELEMENT_NOT_FOUND)
        return MapPairs(view.pairs, view.flags), len(view)
    pairs = view.pairs
    pairs[start:end] = [(key, value)]
    return MapPairs(pairs, view.flags), len(pairs)


def _put_items(view: MapView, items: Any, rules: _Rules) -> Changed:
    if not isinstance(items, dict | MapPairs):
        raise bad_parameter()
    # An empty map takes items under these rules too, though it should not: a real server does the same.
    if not len(view) and not rules.creates and not rules.fails and rules.is_partial:
        rules = _Rules()
    unchanged = MapPairs(view.pairs, view.flags)
    changed = view.pairs
    fresh: list[tuple[Any, Any]] = []
    for key, value in sorted_items(items):
        start, end = bisect(view.keys, key, compare)
        if not (rules.overwrites if start != end else rules.creates):
            if rules.fails:
                raise CdtError(ResultCode.ELEMENT_EXISTS if start != end else ResultCode.ELEMENT_NOT_FOUND)
            if not rules.is_partial:
                return unchanged, len(view)
        elif start != end:
            changed[start] = key, value
        else:
            fresh.append((key, value))
    pairs = sorted_items(MapPairs([*changed, *fresh]))
    return MapPairs(pairs, view.flags), len(pairs)


def _put(view: MapView, key: Any, value: Any, flags: int = 0) -> Changed:
    return _put_one(view, key, value, _Rules.of(flags))


def _put_all(view: MapView, items: Any, flags: int = 0) -> Changed:
    return _put_items(view, items, _Rules.of(flags))


def _add(view: MapView, key: Any, value: Any) -> Changed:
    return _put_one(view, key, value, _Rules(overwrites=False))


def _add_all(view: MapView, items: Any) -> Changed:
    return _put_items(view, items, _Rules(overwrites=False))


def _replace(view: MapView, key: Any, value: Any) -> Changed:
    return _put_one(view, key, value, _Rules(creates=False))


def _replace_all(view: MapView, items: Any) -> Changed:
    return _put_items(view, items, _Rules(creates=False))


def _change_by(sign: int) -> Callable[..., Changed]:
    def change(view: MapView, key: Any, delta: Any = None) -> Changed:
        start, end = bisect(view.keys, key, compare)
        value = add(view.values[start] if start != end else None, delta, start != end, sign)
        return _put_one(view, key, value, _Rules())[0], value

    return change


_Change = tuple[tuple[int, ...], int, Callable[..., Changed], int | None]
_CHANGES: dict[int, _Change] = {
    64: ((NUMBER,), 0, lambda view, flags: (None, NOTHING), None),
    65: ((STORED, STORED, NUMBER), 1, _add, 2),
    66: ((STORED, NUMBER), 1, _add_all, 1),
    67: ((STORED, STORED, NUMBER, NUMBER), 2, _put, 2),
    68: ((STORED, NUMBER, NUMBER), 2, _put_all, 1),
    69: ((STORED, STORED), 0, _replace, None),
    70: ((STORED,), 0, _replace_all, None),
    73: ((VALUE, VALUE, NUMBER), 2, _change_by(1), 2),
    74: ((VALUE, VALUE, NUMBER), 2, _change_by(-1), 2),
}
"""By operation: its parameters, how many are optional, what runs it, and which one holds the flags of a new map."""


def _pick(view: MapView, number: int, args: Sequence[Any]) -> Picked:
    operation = _PICKS.get(number)
    if operation is None:
        raise bad_parameter()
    kinds, n_optional, multi, run = operation
    return_type, *given = read_parameters(args, (INDEX, *kinds), n_optional)
    return run(view, Wish.of(return_type, multi), *given)


def _by_index(view: MapView, wish: Wish, index: int, count: int = ALL) -> Picked:
    return select.by_index(view, wish, index, count if wish.multi else 1)


def _by_rank(view: MapView, wish: Wish, rank: int, count: int = ALL) -> Picked:
    return select.by_rank(view, wish, rank, count if wish.multi else 1)


def _by_value(view: MapView, wish: Wish, value: Any) -> Picked:
    return select.by_value(view, wish, value, value, True)


def _by_keys(view: MapView, wish: Wish, low: Any, high: Any = OPEN_END) -> Picked:
    return select.by_keys(view, wish, low, high)


def _by_values(view: MapView, wish: Wish, low: Any, high: Any = OPEN_END) -> Picked:
    return select.by_value(view, wish, low, high)


def _by_relative_index(view: MapView, wish: Wish, key: Any, index: int, count: int = ALL) -> Picked:
    return select.by_relative_index(view, wish, key, index, count)


def _by_relative_rank(view: MapView, wish: Wish, value: Any, rank: int, count: int = ALL) -> Picked:
    return select.by_relative_rank(view, wish, value, rank, count)


_PICKS: dict[int, tuple[tuple[int, ...], int, bool, Callable[..., Picked]]] = {
    97: ((VALUE,), 0, False, select.by_key),
    98: ((INDEX,), 0, False, _by_index),
    99: ((VALUE,), 0, False, _by_value),
    100: ((INDEX,), 0, False, _by_rank),
    102: ((VALUE,), 0, True, _by_value),
    103: ((VALUE, VALUE), 1, True, _by_keys),
    104: ((INDEX, COUNT), 1, True, _by_index),
    105: ((VALUE, VALUE), 1, True, _by_values),
    106: ((INDEX, COUNT), 1, True, _by_rank),
    107: ((VALUE,), 0, True, select.by_key_list),
    108: ((VALUE,), 0, True, select.by_value_list),
    109: ((VALUE, INDEX, COUNT), 1, True, _by_relative_index),
    110: ((VALUE, INDEX, COUNT), 1, True, _by_relative_rank),
}
_PICKS_TO_REMOVE = {
    76: 97,
    77: 98,
    78: 99,
    79: 100,
    81: 107,
    82: 102,
    83: 108,
    84: 103,
    85: 104,
    86: 105,
    87: 106,
    88: 109,
    89: 110,
}

"""Lists and maps inside filter expressions: the order of values, and the read operations that filters call.

Source: Aerospike server, as/src/base/cdt.c, particle_list.c and particle_map.c (operation numbers, return types), and
msgpack_in.c (the order of values of several types).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from aerospike_magic.wire.values import GeoJSON, MapPairs, OrderedMap, RawString


class Unknown(Exception):
    """An operation has no answer here: a missing element, a value of another type, an index out of range."""


class UnsupportedCall(Exception):
    """A list or map operation that this server does not have."""


_RETURN_NONE, _RETURN_INDEX, _RETURN_REVERSE_INDEX, _RETURN_RANK, _RETURN_REVERSE_RANK = range(5)
_RETURN_COUNT, _RETURN_KEY, _RETURN_VALUE, _RETURN_KEY_VALUE = range(5, 9)
_RETURN_EXISTS = 13
_INVERTED = 0x10000


def type_rank(value: Any) -> int:
    """The place of a value's type in the order of all values."""
    if value is None:
        return 0
    if isinstance(value, bool):
        return 1
    if isinstance(value, int):
        return 2
    if isinstance(value, GeoJSON):
        return 8
    if isinstance(value, str | RawString):
        return 3
    if isinstance(value, MapPairs | dict):
        return 5
    if isinstance(value, list | tuple):
        return 4
    if isinstance(value, bytes | bytearray):
        return 6
    if isinstance(value, float):
        return 7
    return 9


def compare(left: Any, right: Any) -> int:
    """Order two values: below, at or above zero."""
    ranks = type_rank(left), type_rank(right)
    if ranks[0] != ranks[1]:
        return -1 if ranks[0] < ranks[1] else 1
    if ranks[0] == 4:
        for a, b in zip(left, right, strict=False):
            if order := compare(a, b):
                return order
        return len(left) - len(right)
    if ranks[0] == 5:
        if len(left) != len(right):
            return len(left) - len(right)
        for (k1, v1), (k2, v2) in zip(_sorted_items(left), _sorted_items(right), strict=True):
            if order := compare(k1, k2) or compare(v1, v2):
                return order
        return 0
    a, b = _comparable(left), _comparable(right)
    if a == b or left is None:
        return 0
    return -1 if a < b else 1


def _comparable(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def items(value: Any) -> Sequence[tuple[Any, Any]]:
    """The pairs of a map, in whatever form it is held."""
    return value if isinstance(value, MapPairs) else list(value.items())


def _sorted_items(value: Any) -> list[tuple[Any, Any]]:
    key = functools.cmp_to_key(compare)
    return sorted(items(value), key=lambda pair: key(pair[0]))


def has_unordered_map(value: Any) -> bool:
    """Whether a map without order is in it, which a real server refuses to compare."""
    if isinstance(value, MapPairs):
        return not value.flags or any(has_unordered_map(v) for _, v in value)
    if isinstance(value, dict):
        return not isinstance(value, OrderedMap) or any(map(has_unordered_map, value.values()))
    return isinstance(value, list) and any(map(has_unordered_map, value))


def call(container: Any, number: int, args: Sequence[Any]) -> Any:
    """Run a read operation on a list or map.

    Args:
        container: the list or map.
        number: the operation, as on the wire.
        args: its arguments.

    Returns:
        what the operation returns.

    Raises:
        Unknown: it has no answer here.
        UnsupportedCall: the operation is not there.
    """
    run = _OPERATIONS.get(number)
    if run is None:
        raise UnsupportedCall(f"list or map operation {number} is not supported yet")
    is_map = isinstance(container, dict | MapPairs)
    if is_map != (number >= 64):
        raise Unknown
    try:
        return run(container, *args)
    except (IndexError, TypeError):
        raise Unknown from None


def _size(container: Any) -> int:
    return len(container)


def _at(values: Sequence[Any], index: int) -> int:
    place = index + len(values) if index < 0 else index
    if not 0 <= place < len(values):
        raise Unknown
    return place


def _list_get(values: list[Any], index: int) -> Any:
    return values[_at(values, index)]


def _list_get_range(values: list[Any], index: int, count: int | None = None) -> list[Any]:
    start = max(0, index + len(values) if index < 0 else index)
    return values[start:] if count is None else values[start : start + count]


def _ranked(values: list[Any]) -> list[int]:
    key = functools.cmp_to_key(compare)
    return sorted(range(len(values)), key=lambda i: key(values[i]))


def _pick_list(values: list[Any], picked: list[int], return_type: int, single: bool) -> Any:
    kind = return_type & 0xFFFF
    if return_type & _INVERTED:
        picked = [i for i in range(len(values)) if i not in set(picked)]
    if kind == _RETURN_NONE:
        return None
    if kind == _RETURN_COUNT:
        return len(picked)
    if kind == _RETURN_EXISTS:
        return bool(picked)
    if single and not picked:
        raise Unknown
    if kind == _RETURN_VALUE:
        found: list[Any] = [values[i] for i in picked]
    elif kind == _RETURN_INDEX:
        found = list(picked)
    elif kind == _RETURN_REVERSE_INDEX:
        found = [len(values) - 1 - i for i in picked]
    elif kind in (_RETURN_RANK, _RETURN_REVERSE_RANK):
        order = {place: rank for rank, place in enumerate(_ranked(values))}
        last = len(values) - 1
        found = [order[i] if kind == _RETURN_RANK else last - order[i] for i in picked]
    else:
        raise UnsupportedCall(f"return type {kind} of a list operation is not supported")
    return found[0] if single else found


def _list_by_index(values: list[Any], return_type: int, index: int) -> Any:
    return _pick_list(values, [_at(values, index)], return_type, True)


def _list_by_rank(values: list[Any], return_type: int, rank: int) -> Any:
    return _pick_list(values, [_ranked(values)[_at(values, rank)]], return_type, True)


def _list_by_value(values: list[Any], return_type: int, value: Any) -> Any:
    picked = [i for i, item in enumerate(values) if compare(item, value) == 0]
    return _pick_list(values, picked, return_type, False)


def _list_by_value_range(values: list[Any], return_type: int, low: Any = None, high: Any = None) -> Any:
    picked = [
        i
        for i, item in enumerate(values)
        if (low is None or compare(item, low) >= 0) and (high is None or compare(item, high) < 0)
    ]
    return _pick_list(values, picked, return_type, False)


def _pick_map(pairs: Sequence[tuple[Any, Any]], picked: list[int], return_type: int, single: bool) -> Any:
    kind = return_type & 0xFFFF
    if kind == _RETURN_COUNT:
        return len(picked)
    if kind == _RETURN_EXISTS:
        return bool(picked)
    if single and not picked:
        raise Unknown
    if kind == _RETURN_VALUE:
        found: list[Any] = [pairs[i][1] for i in picked]
    elif kind == _RETURN_KEY:
        found = [pairs[i][0] for i in picked]
    elif kind == _RETURN_INDEX:
        found = list(picked)
    else:
        raise UnsupportedCall(f"return type {kind} of a map operation is not supported")
    return found[0] if single else found


def _map_by_key(container: Any, return_type: int, key: Any) -> Any:
    pairs = _sorted_items(container)
    picked = [i for i, (k, _) in enumerate(pairs) if compare(k, key) == 0]
    return _pick_map(pairs, picked, return_type, True)


def _map_by_value(container: Any, return_type: int, value: Any) -> Any:
    pairs = _sorted_items(container)
    picked = [i for i, (_, v) in enumerate(pairs) if compare(v, value) == 0]
    return _pick_map(pairs, picked, return_type, False)


def _map_by_index(container: Any, return_type: int, index: int) -> Any:
    pairs = _sorted_items(container)
    return _pick_map(pairs, [_at(pairs, index)], return_type, True)


_OPERATIONS: dict[int, Callable[..., Any]] = {
    16: _size,
    17: _list_get,
    18: _list_get_range,
    19: _list_by_index,
    21: _list_by_rank,
    22: _list_by_value,
    25: _list_by_value_range,
    96: _size,
    97: _map_by_key,
    98: _map_by_index,
    99: _map_by_value,
    102: _map_by_value,
}
"""Operation numbers by the server's enumeration."""

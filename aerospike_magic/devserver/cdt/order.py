"""The order of values: of numbers, strings, lists and maps, and of values of several types.

Source: Aerospike server, cf/src/msgpack_in.c.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from aerospike_magic.wire.values import HLL, Extension, GeoJSON, MapPairs, OrderedMap, RawString

_BLOB, _HLL = 4, 18
_RANK_WILDCARD, _RANK_INFINITY = 10, 11


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
    if isinstance(value, Extension) and value.type == 0xFF:
        return _RANK_INFINITY if value.data[:1] == b"\x01" else _RANK_WILDCARD
    return 9


def compare(left: Any, right: Any) -> int:
    """Order two values: below, at or above zero."""
    ranks = type_rank(left), type_rank(right)
    if _RANK_WILDCARD in ranks:
        return 0
    if ranks[0] != ranks[1]:
        return -1 if ranks[0] < ranks[1] else 1
    if ranks[0] == 4:
        for a, b in zip(left, right, strict=False):
            if _RANK_WILDCARD in (type_rank(a), type_rank(b)):
                return 0
            if order := compare(a, b):
                return order
        return len(left) - len(right)
    if ranks[0] == 5:
        if len(left) != len(right):
            return len(left) - len(right)
        for (k1, v1), (k2, v2) in zip(sorted_items(left), sorted_items(right), strict=True):
            if order := compare(k1, k2) or compare(v1, v2):
                return order
        return 0
    if ranks[0] in (0, _RANK_INFINITY):
        return 0
    a, b = _comparable(left), _comparable(right)
    # NaN is neither above nor below, which makes it equal to every number.
    return 1 if a > b else -1 if a < b else 0


def _comparable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes | bytearray) and not isinstance(value, RawString):
        # Their particle type comes first.
        return getattr(value, "particle_type", _HLL if isinstance(value, HLL) else _BLOB), bytes(value)
    return value


def items(value: Any) -> Sequence[tuple[Any, Any]]:
    """The pairs of a map, in whatever form it is held."""
    return value if isinstance(value, MapPairs) else list(value.items())


def sorted_items(value: Any) -> list[tuple[Any, Any]]:
    """The pairs of a map by key, which is how a server keeps every map."""
    return sorted(items(value), key=lambda pair: sort_key(pair[0]))


def has_unordered_map(value: Any) -> bool:
    """Whether a map without order is in it, which a real server refuses to compare."""
    if isinstance(value, MapPairs):
        return not value.flags or any(has_unordered_map(v) for _, v in value)
    if isinstance(value, dict):
        return not isinstance(value, OrderedMap) or any(map(has_unordered_map, value.values()))
    return isinstance(value, list) and any(map(has_unordered_map, value))


sort_key = functools.cmp_to_key(compare)
"""Sorts values in their order."""

"""Parameters of list and map operations: their kinds, and the form in which values are stored.

Source: Aerospike server, as/src/base/cdt.c (`cdt_process_state_get_params`, `cdt_untrusted_rewrite`,
`cdt_calc_delta_…`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from aerospike_magic.devserver.cdt.order import compare, items, sorted_items
from aerospike_magic.devserver.cdt.results import bad_parameter
from aerospike_magic.wire.values import Extension, GeoJSON, MapPairs, OpaqueBlob, OrderedList, RawString

INDEX, COUNT, NUMBER, VALUE, STORED = range(5)
"""Kinds: signed, unsigned, flags, a value to compare with, a value to store."""

ALL = (1 << 32) - 1
"""The count where none is given."""


def read_parameters(args: Sequence[Any], kinds: Sequence[int], n_optional: int) -> list[Any]:
    """Check parameters against their kinds.

    Raises:
        CdtError: too many or too few, or one of a wrong type.
    """
    if not len(kinds) - n_optional <= len(args) <= len(kinds):
        raise bad_parameter()
    return [_read(arg, kind) for arg, kind in zip(args, kinds, strict=False)]


def _read(arg: Any, kind: int) -> Any:
    if kind == VALUE:
        return arg
    if kind == STORED:
        return stored(arg)
    if not isinstance(arg, int) or isinstance(arg, bool):
        raise bad_parameter()
    return arg if kind == INDEX else arg & 0xFFFFFFFFFFFFFFFF


def is_key(value: Any) -> bool:
    """Whether a value can be a key of a map."""
    if isinstance(value, bool | GeoJSON | OpaqueBlob):
        return False
    return isinstance(value, int | str | bytes | RawString)


def stored(value: Any) -> Any:
    """Bring a value into the form in which it is stored: maps by key, flags of nested ones reduced to the order.

    Raises:
        CdtError: it holds infinity or a wildcard, a key that is none, a key twice, or an order that it breaks.
    """
    if isinstance(value, Extension):
        raise bad_parameter()
    if isinstance(value, list):
        flags = getattr(value, "flags", 0) & 1
        found = [stored(item) for item in value]
        if not flags:
            return found
        if any(compare(a, b) > 0 for a, b in pairwise(found)):
            raise bad_parameter()
        return OrderedList(found, flags)
    if isinstance(value, dict | MapPairs):
        flags = getattr(value, "flags", 0) & 3
        pairs = [(key, stored(inner)) for key, inner in items(value)]
        if not all(is_key(key) for key, _ in pairs):
            raise bad_parameter()
        ordered = sorted_items(MapPairs(pairs))
        if any(compare(a[0], b[0]) == 0 for a, b in pairwise(ordered)):
            raise bad_parameter()
        if flags & 1 and any(a[0] is not b[0] for a, b in zip(pairs, ordered, strict=True)):
            raise bad_parameter()
        return MapPairs(ordered, flags)
    return value


def add(value: Any, delta: Any, is_there: bool, sign: int) -> int | float:
    """Add to a number; the type is the number's, or the delta's where there is none yet.

    Raises:
        CdtError: one of them is no number.
    """
    if delta is None:
        delta, is_real = 1, False
    elif isinstance(delta, int | float) and not isinstance(delta, bool):
        is_real = isinstance(delta, float)
    else:
        raise bad_parameter()
    if is_there:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise bad_parameter()
        is_real = isinstance(value, float)
    else:
        value = 0
    total = float(value) + sign * delta if is_real else int(value) + sign * int(delta)
    if isinstance(total, float):
        return total
    return (int(total) + (1 << 63)) % (1 << 64) - (1 << 63)

"""Contexts: the path from a bin's list or map to one nested in it, and what is created on the way.

Source: Aerospike server, as/src/base/cdt.c (`cdt_context_dig`, `cdt_context_fill_create`), particle_list.c and
particle_map.c (the `…_subcontext_by_…` functions).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aerospike_magic.devserver.cdt.list_select import is_ordered, place_of_ranks
from aerospike_magic.devserver.cdt.map_select import MapView
from aerospike_magic.devserver.cdt.order import compare, sort_key
from aerospike_magic.devserver.cdt.parameters import is_key
from aerospike_magic.devserver.cdt.results import bisect, bounds, not_applicable
from aerospike_magic.wire.values import Extension, MapPairs, OrderedList

_INDEX, _RANK, _KEY, _VALUE = range(4)
_LIST, _MAP = 0x10, 0x20
_TYPE_MASK, _CREATE_MASK, _PERSIST = 0x3F, 0x1C0, 0x100
_UNBOUND, _THIRD = 0x80, 0xC0
_MAP_ORDERS = {0x80: 1, 0xC0: 3}

Path = Sequence[tuple[int, Any]]
Run = Callable[[Any], tuple[Any, Any]]
"""Runs an operation on what a context led to, maybe `ABSENT`; returns that (None: as before) and the result."""

ABSENT: Any = object()
"""What is not there: a nil, which can be there, is something else."""


def find(container: Any, path: Path) -> Any:
    """Follow a context.

    Raises:
        CdtError: it leads nowhere.
    """
    for kind, argument in path:
        _check_kind(kind)
        place = _place(container, kind, argument)
        if place is None:
            raise not_applicable()
        container = _child(container, place)
    return container


def change(container: Any, path: Path, run: Run) -> tuple[Any, Any]:
    """Follow a context, creating what it says is to be created, and change what it leads to.

    Args:
        container: the list or map, `ABSENT` where there is none.
        path: the context.
        run: changes what it leads to.

    Returns:
        the whole afterwards, None if it is as before, and the operation's result.

    Raises:
        CdtError: the context leads nowhere, or the operation failed.
    """
    if not path:
        return run(container)
    kind, argument = path[0]
    _check_kind(kind)
    if container is ABSENT:
        if not kind & _CREATE_MASK & ~_PERSIST:
            raise not_applicable()
        return _create(path, run, True)
    place = _place(container, kind, argument)
    if place is None:
        return _add(container, path, run)
    changed, result = change(_child(container, place), path[1:], run)
    if changed is None:
        return None, result
    return _with_child(container, place, changed), result


def _check_kind(kind: Any) -> None:
    if not isinstance(kind, int) or kind & 0x0F > _VALUE:
        raise not_applicable()
    if kind & _CREATE_MASK and not kind & (_LIST | _MAP):
        raise not_applicable()


def _place(container: Any, kind: int, argument: Any) -> int | None:
    """The place that a step of a context leads to, None if there is no such element but one can be made."""
    by = kind & 0x0F
    if isinstance(container, list) and not kind & _MAP:
        return _list_place(container, by, kind, argument)
    if isinstance(container, dict | MapPairs) and not kind & _LIST:
        return _map_place(MapView.of(container), by, kind, argument)
    raise not_applicable()


def _list_place(values: list[Any], by: int, kind: int, argument: Any) -> int | None:
    if by == _KEY:
        raise not_applicable()
    if by == _VALUE:
        if is_ordered(values):
            start, end = bisect(values, argument, compare)
            found = [start] if start != end else []
        else:
            found = [i for i, value in enumerate(values) if compare(value, argument) == 0]
        if not found:
            raise not_applicable()
        return found[0]
    _check_number(argument)
    if by == _RANK and not is_ordered(values):
        return place_of_ranks(values, *bounds(argument, 1, len(values), False))[0]
    n = len(values)
    if -n <= argument < n:
        return int(argument) % n
    if not kind & _CREATE_MASK & ~_PERSIST:
        raise not_applicable()
    return None


def _map_place(view: MapView, by: int, kind: int, argument: Any) -> int | None:
    if by == _KEY:
        start, end = bisect(view.keys, argument, compare)
        if start != end:
            return start
        if not kind & _CREATE_MASK & ~_PERSIST or isinstance(argument, Extension):
            raise not_applicable()
        return None
    if by == _VALUE:
        found = [i for i, value in enumerate(view.values) if compare(value, argument) == 0]
        if not found:
            raise not_applicable()
        return found[0]
    _check_number(argument)
    place, _ = bounds(argument, 1, len(view), False)
    return place if by == _INDEX else view.by_value()[place]


def _check_number(argument: Any) -> None:
    if not isinstance(argument, int) or isinstance(argument, bool):
        raise not_applicable()


def _child(container: Any, place: int) -> Any:
    return container[place] if isinstance(container, list) else MapView.of(container).values[place]


def _with_child(container: Any, place: int, child: Any) -> Any:
    if isinstance(container, list):
        return _like(container, [*container[:place], child, *container[place + 1 :]])
    view = MapView.of(container)
    pairs = view.pairs
    pairs[place] = pairs[place][0], child
    return MapPairs(pairs, view.flags)


def _like(values: list[Any], changed: list[Any]) -> list[Any]:
    if is_ordered(values):
        changed.sort(key=sort_key)
    flags = getattr(values, "flags", 0)
    return OrderedList(changed, flags) if flags else changed


def _add(container: Any, path: Path, run: Run) -> tuple[Any, Any]:
    """Add an element to a list or map that is there."""
    kind, argument = path[0]
    padding: list[Any] = []
    n = len(container)
    if isinstance(container, list) and not (argument == n or (not n and argument == -1) or is_ordered(container)):
        if kind & _CREATE_MASK & ~_PERSIST != _UNBOUND or argument < 0:
            raise not_applicable()
        padding = [None] * (argument - n)
    child, result = _create(path[1:], run, False)
    if child is None:
        return None, result
    if isinstance(container, list):
        return _like(container, [*container, *padding, child]), result
    view = MapView.of(container)
    place = bisect(view.keys, argument, compare)[0]
    return MapPairs([*view.pairs[:place], (argument, child), *view.pairs[place:]], view.flags), result


def _create(path: Path, run: Run, is_top: bool) -> tuple[Any, Any]:
    """Make what a context describes, with what an operation makes at its end."""
    if not path:
        return run(ABSENT)
    kind, argument = path[0]
    _check_kind(kind)
    order = kind & _CREATE_MASK & ~_PERSIST
    persisted = 16 if kind & _PERSIST else 0
    if persisted and not is_top:
        raise not_applicable()
    shape = kind & _TYPE_MASK
    if shape == _MAP | _KEY:
        if isinstance(argument, Extension) or not is_key(argument):
            raise not_applicable()
        child, result = _create(path[1:], run, False)
        if child is None:
            return None, result
        return MapPairs([(argument, child)], _MAP_ORDERS.get(order, 0) | persisted), result
    if shape != _LIST | _INDEX or not isinstance(argument, int) or argument < -1:
        raise not_applicable()
    if argument > 0 and order not in (_UNBOUND, _THIRD) and not persisted:
        raise not_applicable()
    child, result = _create(path[1:], run, False)
    if child is None:
        return None, result
    values = [None] * (argument if order == _UNBOUND and argument > 0 else 0) + [child]
    flags = (1 if order == _THIRD else 0) | persisted
    return (OrderedList(values, flags) if flags else values), result

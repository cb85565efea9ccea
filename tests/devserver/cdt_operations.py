"""List and map operations for tests: made at random, run by the official client, compared between two servers."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from aerospike import exception
from aerospike_helpers import cdt_ctx
from aerospike_helpers.operations import list_operations as lists
from aerospike_helpers.operations import map_operations as maps
from hypothesis import strategies as st

BIN = "c"

KEYS = st.sampled_from([0, 1, 2, 3, -1, "a", "b", "c"])
SCALARS = st.sampled_from([None, True, False, 0, 1, 2, 3, -1, 1 << 40, 0.5, 1.0, 2.5, "", "a", "b", bytearray(b"a")])
VALUES = st.one_of(SCALARS, SCALARS, SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(KEYS, SCALARS, max_size=2))
ITEMS = st.lists(VALUES, max_size=4)
MAPS = st.dictionaries(KEYS, VALUES, max_size=5)
INDEXES = st.integers(-5, 5)
COUNTS = st.one_of(st.none(), st.integers(0, 4))
SOME = st.integers(0, 4)
RETURNS = st.sampled_from([*range(14), 7, 7, 5, 8, 16, 17])
NUMBERS = st.sampled_from([1, -2, 0, 1.5, 2**63 - 1, "a"])
INVERTED = st.booleans()
FLAGS = st.integers(0, 15)
LIST_POLICY = st.one_of(
    st.none(),
    st.builds(lambda order, flags: {"list_order": order, "write_flags": flags}, st.integers(0, 1), st.integers(0, 15)),
)
MAP_POLICY = st.one_of(
    st.none(),
    st.builds(
        lambda order, flags: {"map_order": order, "map_write_flags": flags},
        st.sampled_from([0, 1, 3]),
        st.integers(0, 15),
    ),
)

_LIST = {
    lists.list_append: (VALUES, LIST_POLICY),
    lists.list_append_items: (ITEMS, LIST_POLICY),
    lists.list_insert: (INDEXES, VALUES, LIST_POLICY),
    lists.list_insert_items: (INDEXES, ITEMS, LIST_POLICY),
    lists.list_set: (INDEXES, VALUES, LIST_POLICY),
    lists.list_increment: (INDEXES, NUMBERS, LIST_POLICY),
    lists.list_pop: (INDEXES,),
    lists.list_pop_range: (INDEXES, SOME),
    lists.list_remove: (INDEXES,),
    lists.list_remove_range: (INDEXES, SOME),
    lists.list_trim: (INDEXES, SOME),
    lists.list_clear: (),
    lists.list_sort: (st.integers(0, 3),),
    lists.list_set_order: (st.integers(0, 1),),
    lists.list_size: (),
    lists.list_get: (INDEXES,),
    lists.list_get_range: (INDEXES, SOME),
    lists.list_create: (st.integers(0, 1), st.booleans(), st.booleans()),
}
_MAP = {
    maps.map_set_policy: (MAP_POLICY.filter(bool),),
    maps.map_put: (KEYS, VALUES, MAP_POLICY),
    maps.map_put_items: (MAPS, MAP_POLICY),
    maps.map_increment: (KEYS, NUMBERS, MAP_POLICY),
    maps.map_decrement: (KEYS, NUMBERS, MAP_POLICY),
    maps.map_clear: (),
    maps.map_size: (),
    maps.map_create: (st.sampled_from([0, 1, 3]), st.booleans()),
}
for _verb in ("get", "remove"):
    for _name, _args in {
        "index": (INDEXES, RETURNS),
        "index_range": (INDEXES, RETURNS, COUNTS, INVERTED),
        "rank": (INDEXES, RETURNS),
        "rank_range": (INDEXES, RETURNS, COUNTS, INVERTED),
        "value": (VALUES, RETURNS, INVERTED),
        "value_list": (ITEMS, RETURNS, INVERTED),
        "value_range": (RETURNS, VALUES, VALUES, INVERTED),
        "value_rank_range_relative": (VALUES, INDEXES, RETURNS, COUNTS, INVERTED),
    }.items():
        _LIST[getattr(lists, f"list_{_verb}_by_{_name}")] = _args
    for _name, _args in {
        "key": (KEYS, RETURNS),
        "index": (INDEXES, RETURNS),
        "index_range": (INDEXES, SOME, RETURNS, INVERTED),
        "rank": (INDEXES, RETURNS),
        "rank_range": (INDEXES, SOME, RETURNS, INVERTED),
        "value": (VALUES, RETURNS, INVERTED),
        # An empty list, inverted, ends a real server 8.1.2 by a failed assertion.
        "key_list": (st.lists(KEYS, min_size=1, max_size=4), RETURNS, INVERTED),
        "value_list": (st.lists(VALUES, min_size=1, max_size=4), RETURNS, INVERTED),
        "key_range": (KEYS, KEYS, RETURNS, INVERTED),
        "value_range": (VALUES, VALUES, RETURNS, INVERTED),
        "key_index_range_relative": (KEYS, INDEXES, RETURNS, COUNTS, INVERTED),
        "value_rank_range_relative": (VALUES, INDEXES, RETURNS, COUNTS, INVERTED),
    }.items():
        _MAP[getattr(maps, f"map_{_verb}_by_{_name}")] = _args

STEPS = st.one_of(
    st.builds(cdt_ctx.cdt_ctx_list_index, INDEXES),
    st.builds(cdt_ctx.cdt_ctx_list_rank, INDEXES),
    st.builds(cdt_ctx.cdt_ctx_list_value, VALUES),
    st.builds(cdt_ctx.cdt_ctx_map_index, INDEXES),
    st.builds(cdt_ctx.cdt_ctx_map_rank, INDEXES),
    st.builds(cdt_ctx.cdt_ctx_map_key, KEYS),
    st.builds(cdt_ctx.cdt_ctx_map_value, VALUES),
    st.builds(cdt_ctx.cdt_ctx_map_key_create, KEYS, st.sampled_from([0, 1, 3])),
    st.builds(cdt_ctx.cdt_ctx_list_index_create, st.integers(-1, 5), st.integers(0, 1), st.booleans()),
)


def _operations(table: dict[Any, tuple[Any, ...]]) -> Any:
    return st.one_of(
        *(
            st.tuples(*args).map(lambda given, function=function: function(BIN, *given))
            for function, args in table.items()
        )
    )


def _nested(operations: Any) -> Any:
    return st.tuples(operations, st.lists(STEPS, min_size=1, max_size=2)).map(lambda pair: {**pair[0], "ctx": pair[1]})


LIST_OPERATIONS = _operations(_LIST)
MAP_OPERATIONS = _operations(_MAP)
NESTED_OPERATIONS = _nested(st.one_of(LIST_OPERATIONS, MAP_OPERATIONS))

LISTS = st.lists(VALUES, max_size=6)
NESTED = st.one_of(
    st.lists(st.one_of(LISTS, MAPS), min_size=1, max_size=3),
    st.dictionaries(KEYS, st.one_of(LISTS, MAPS), min_size=1, max_size=3),
)


def canonical(value: Any) -> Any:
    """A form in which equal values of different types differ, and the order within a dict does not matter."""
    if isinstance(value, dict):
        return "map", sorted((repr(canonical(k)), canonical(v)) for k, v in value.items())
    if isinstance(value, list | tuple):
        return "list", [canonical(item) for item in value]
    return type(value).__name__, bytes(value) if isinstance(value, bytearray) else repr(value)


def prepare(client: Any, key: Any, start: Any, order: int | None) -> None:
    """Leave a record with a list or map in the given order, or with an empty bin if `start` is None."""
    with contextlib.suppress(exception.RecordNotFound):
        client.remove(key)
    if start is None:
        return
    client.put(key, {BIN: start})
    if order is not None and isinstance(start, list):
        client.operate(key, [lists.list_set_order(BIN, order)])
    elif order is not None and isinstance(start, dict):
        client.operate(key, [maps.map_set_policy(BIN, {"map_order": (0, 1, 3)[order]})])


def outcome(client: Any, key: Any, operations: Sequence[Any]) -> Any:
    """What operations answer and leave behind: results in order or an error code, and the bin."""
    try:
        answer = canonical(client.operate_ordered(key, list(operations))[2])
    except exception.AerospikeError as error:
        answer = error.code
    try:
        left = canonical(client.get(key)[2])
    except exception.AerospikeError as error:
        left = error.code
    return answer, left

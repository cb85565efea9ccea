"""List and map operations through the official client: a table by hand, and random ones against a real server.

With `AEROSPIKE_TEST_HOST=host:port` this server's answers to random operations are compared with those of a real server
(8.1.2 when this was written). Random operations can find bugs in a real server too, so it had better be your own.
"""

from __future__ import annotations

from typing import Any

import aerospike
import pytest
from aerospike_helpers import cdt_ctx, expressions
from aerospike_helpers.operations import list_operations as lists
from aerospike_helpers.operations import map_operations as maps
from cdt_operations import (
    BIN,
    LIST_OPERATIONS,
    LISTS,
    MAP_OPERATIONS,
    MAPS,
    NESTED,
    NESTED_OPERATIONS,
    canonical,
    outcome,
    prepare,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

KEY = ("test", "cdt", "k")
UNIQUE = {"write_flags": aerospike.LIST_WRITE_ADD_UNIQUE}
QUIET = {"write_flags": aerospike.LIST_WRITE_ADD_UNIQUE | aerospike.LIST_WRITE_NO_FAIL}
PARTIAL = {"write_flags": 1 | 4 | 8}
VALUE, COUNT, INDEX, RANK = 7, 5, 1, 3
NOTHING = object()
"""The operation answers nothing."""

LIST_ROWS = [
    (None, lists.list_append(BIN, 1), 1, [1]),
    (None, lists.list_append_items(BIN, [3, 1, 2], {"list_order": 1}), 3, [1, 2, 3]),
    (None, lists.list_sort(BIN), 12, None),
    ([2, 1], lists.list_append(BIN, 1, UNIQUE), 24, [2, 1]),
    ([2, 1], lists.list_append(BIN, 1, QUIET), 2, [2, 1]),
    ([2, 1], lists.list_append_items(BIN, [1, 5, 2, 6], PARTIAL), 4, [2, 1, 5, 6]),
    ([1], lists.list_insert(BIN, 3, 9), 4, [1, None, None, 9]),
    ([1], lists.list_insert(BIN, 3, 9, {"write_flags": aerospike.LIST_WRITE_INSERT_BOUNDED}), 26, [1]),
    ([1, 2], lists.list_insert_items(BIN, -1, [8, 9]), 4, [1, 8, 9, 2]),
    ([1, 2], lists.list_set(BIN, 1, "x"), NOTHING, [1, "x"]),
    ([1, 2], lists.list_increment(BIN, 0, 5), 6, [6, 2]),
    ([1, 2], lists.list_increment(BIN, 0, 1.5), 2, [2, 2]),
    (["a"], lists.list_increment(BIN, 0, 5), 4, ["a"]),
    ([1, 2, 3], lists.list_pop(BIN, -1), 3, [1, 2]),
    ([1, 2, 3], lists.list_pop(BIN, 3), 26, [1, 2, 3]),
    ([1, 2, 3], lists.list_remove_range(BIN, 1, 5), 2, [1]),
    ([1, 2, 3, 4], lists.list_trim(BIN, 1, 2), 2, [2, 3]),
    ([3, "b", 2.5, None, [1]], lists.list_sort(BIN), NOTHING, [None, 3, "b", [1], 2.5]),
    ([2, 1, 2, 1], lists.list_sort(BIN, aerospike.LIST_SORT_DROP_DUPLICATES), NOTHING, [1, 2]),
    ([5, 3, 4, 3], lists.list_get_by_rank_range(BIN, 0, VALUE, 2), [3, 3], [5, 3, 4, 3]),
    # A real server gives the lower half of the ranks from above.
    ([5, 3, 4, 1], lists.list_get_by_rank_range(BIN, 0, VALUE, 2), [3, 1], [5, 3, 4, 1]),
    ([5, 3, 4, 1], lists.list_get_by_rank_range(BIN, 2, VALUE, 2), [4, 5], [5, 3, 4, 1]),
    ([5, 3, 4, 1], lists.list_get_by_value_range(BIN, INDEX, 3, 5), [1, 2], [5, 3, 4, 1]),
    ([5, 3, 4, 1], lists.list_get_by_value(BIN, 4, RANK), [2], [5, 3, 4, 1]),
    ([5, 3, 4, 1], lists.list_remove_by_value_list(BIN, [1, 5, 7], COUNT, True), 2, [5, 1]),
    ([1, 2, 3], lists.list_get_by_index(BIN, 1, aerospike.LIST_RETURN_REVERSE_RANK), 1, [1, 2, 3]),
    ({"a": 1}, lists.list_append(BIN, 1), 12, {"a": 1}),
]
CREATE_MAP = [cdt_ctx.cdt_ctx_map_key_create("m", aerospike.MAP_KEY_ORDERED)]
PAD = [cdt_ctx.cdt_ctx_list_index_create(2, aerospike.LIST_UNORDERED, True)]
MAP_ROWS = [
    (None, maps.map_put(BIN, "a", 1), 1, {"a": 1}),
    ({"a": 1}, maps.map_put(BIN, "a", 2, {"map_write_flags": aerospike.MAP_WRITE_FLAGS_CREATE_ONLY}), 24, {"a": 1}),
    ({"a": 1}, maps.map_put(BIN, "b", 2, {"map_write_flags": aerospike.MAP_WRITE_FLAGS_UPDATE_ONLY}), 23, {"a": 1}),
    ({"a": 1}, maps.map_put_items(BIN, {"a": 2, "b": 3}), 2, {"a": 2, "b": 3}),
    ({"a": 1}, maps.map_increment(BIN, "a", 4), 5, {"a": 5}),
    ({"a": 1}, maps.map_decrement(BIN, "b", 4), -4, {"a": 1, "b": -4}),
    ({"a": 3, "b": 1, "c": 2}, maps.map_get_by_rank_range(BIN, 0, 2, 6), ["b", "c"], {"a": 3, "b": 1, "c": 2}),
    ({"a": 3, "b": 1}, maps.map_get_by_key(BIN, "z", VALUE), NOTHING, {"a": 3, "b": 1}),
    ({"a": 3, "b": 1}, maps.map_get_by_key(BIN, "b", 8), ["b", 1], {"a": 3, "b": 1}),
    ({"a": 3, "b": 1}, maps.map_remove_by_key_list(BIN, ["b", "q"], COUNT), 1, {"a": 3}),
    ({"a": 3, "b": 1, 5: 0}, maps.map_get_by_index_range(BIN, 1, 2, 6), ["a", "b"], {"a": 3, "b": 1, 5: 0}),
    ({"a": 3, "b": 1}, maps.map_remove_by_value_range(BIN, 1, 3, 6), ["b"], {"a": 3}),
    ({"a": 3}, maps.map_clear(BIN), NOTHING, {}),
    ({"a": 3}, maps.map_get_by_index(BIN, 1, VALUE), 26, {"a": 3}),
    (None, {**lists.list_append(BIN, 7), "ctx": CREATE_MAP}, 1, {"m": [7]}),
    ([[1]], {**lists.list_append(BIN, 7), "ctx": PAD}, 1, [[1], None, [7]]),
    ([[1]], {**lists.list_append(BIN, 7), "ctx": [cdt_ctx.cdt_ctx_list_index(4)]}, 26, [[1]]),
    ([[1]], {**maps.map_size(BIN), "ctx": [cdt_ctx.cdt_ctx_list_index(0)]}, 12, [[1]]),
    (
        {"x": [[1], [2, 3]]},
        lists.list_get(BIN, -1, [cdt_ctx.cdt_ctx_map_key("x"), cdt_ctx.cdt_ctx_list_rank(-1)]),
        3,
        {"x": [[1], [2, 3]]},
    ),
]


@pytest.mark.parametrize(("start", "operation", "answer", "left"), LIST_ROWS + MAP_ROWS)
def test_recorded_by_hand(client: Any, start: Any, operation: Any, answer: Any, left: Any) -> None:
    prepare(client, KEY, start, None)
    got, bins = outcome(client, KEY, [operation])
    if answer is NOTHING:
        # A write tells of the operation without a value, a read leaves it out.
        assert got in (canonical([]), canonical([(BIN, None)]))
    elif isinstance(got, int):
        assert got == answer
    else:
        assert got == canonical([(BIN, answer)])
    assert bins == (2 if left is None else canonical({BIN: left}))


def test_a_failed_operation_changes_nothing(client: Any) -> None:
    prepare(client, KEY, [1], None)
    code, left = outcome(client, KEY, [lists.list_append(BIN, 2), lists.list_pop(BIN, 9)])
    assert (code, left) == (26, canonical({BIN: [1]}))


def test_several_operations_see_each_other(client: Any) -> None:
    prepare(client, KEY, None, None)
    operations = [maps.map_put(BIN, "a", [1]), lists.list_append(BIN, 2, ctx=[cdt_ctx.cdt_ctx_map_key("a")])]
    operations.append(maps.map_get_by_key(BIN, "a", VALUE))
    got = client.operate_ordered(KEY, operations)[2]
    assert got == [(BIN, 1), (BIN, 2), (BIN, [1, 2])]


def test_filters_call_them_too(client: Any) -> None:
    prepare(client, KEY, {"x": [3, 1, 2]}, None)
    inner = [cdt_ctx.cdt_ctx_map_key("x")]
    exp = expressions
    second = exp.ListGetByRank(inner, VALUE, exp.ResultType.INTEGER, 1, exp.MapBin(BIN))
    whole = exp.MapGetByKey(None, VALUE, exp.ResultType.LIST, "x", exp.MapBin(BIN))
    longer = exp.ListSize(None, exp.ListAppend(None, None, 9, whole))
    for expression, matches in (
        (exp.Eq(second, 2), True),
        (exp.Eq(second, 3), False),
        (exp.Eq(longer, 4), True),
        (exp.GT(exp.Add(second, longer), 6), False),
    ):
        policy = {"expressions": expression.compile()}
        if matches:
            assert client.get(KEY, policy=policy)[1]
        else:
            with pytest.raises(aerospike.exception.FilteredOut):
                client.get(KEY, policy=policy)


@pytest.fixture(scope="module")
def both(real_client: Any, client: Any) -> tuple[Any, Any]:
    """The client of a real server and one of ours."""
    return real_client, client


CASES = [(LISTS, LIST_OPERATIONS), (MAPS, MAP_OPERATIONS), (NESTED, NESTED_OPERATIONS)]


@pytest.mark.parametrize(("starts", "operations"), CASES, ids=["lists", "maps", "nested"])
def test_like_a_real_server(both: tuple[Any, Any], starts: Any, operations: Any) -> None:
    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(st.none(), starts), st.sampled_from([None, 0, 1]), st.lists(operations, min_size=1, max_size=2))
    def compare(start: Any, order: int | None, chosen: Any) -> None:
        found = []
        for client in both:
            prepare(client, KEY, start, order)
            found.append(outcome(client, KEY, chosen))
        assert found[0] == found[1]

    compare()

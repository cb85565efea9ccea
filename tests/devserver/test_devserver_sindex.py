"""Secondary indexes on list elements, map keys, map values and blobs, through the official client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import aerospike
import pytest
from aerospike import exception, predicates
from aerospike_helpers.operations import list_operations, map_operations

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

LIST, KEYS, VALUES = aerospike.INDEX_TYPE_LIST, aerospike.INDEX_TYPE_MAPKEYS, aerospike.INDEX_TYPE_MAPVALUES
NAMES = ("el_n", "el_s", "mk_s", "mk_n", "mv_n", "mv_s", "b")
N = 60


@pytest.fixture(scope="module")
def records(client: Any) -> Iterator[dict[int, dict[str, Any]]]:
    client.truncate("test", "elements", 0)
    made = {
        i: {
            "id": i,
            "l": [i % 5, i % 3, i % 5, f"s{i % 4}", True, 1.0, [7]],
            "m": {"k": i, "j": str(i % 4), i: "x"},
            "b": bytearray(b"x%d" % (i % 3)),
        }
        for i in range(N)
    }
    for i, bins in made.items():
        client.put(("test", "elements", i), bins)
    numeric, string = aerospike.INDEX_NUMERIC, aerospike.INDEX_STRING
    client.index_list_create("test", "elements", "l", numeric, "el_n", {"timeout": 60_000})
    client.index_list_create("test", "elements", "l", string, "el_s")
    client.index_map_keys_create("test", "elements", "m", string, "mk_s")
    client.index_map_keys_create("test", "elements", "m", numeric, "mk_n")
    client.index_map_values_create("test", "elements", "m", numeric, "mv_n")
    client.index_map_values_create("test", "elements", "m", string, "mv_s")
    client.index_single_value_create("test", "elements", "b", aerospike.INDEX_BLOB, "b")
    yield made
    for name in NAMES:
        client.index_remove("test", name)
    client.truncate("test", "elements", 0)


def found(client: Any, predicate: Any) -> list[int]:
    query = client.query("test", "elements")
    query.where(predicate)
    return sorted(bins["id"] for _, _, bins in query.results())


@pytest.mark.parametrize(
    ("predicate", "matches"),
    [
        (predicates.contains("l", LIST, 4), lambda i: i % 5 == 4),
        (predicates.contains("l", LIST, 7), lambda i: False),
        (predicates.contains("l", LIST, "s3"), lambda i: i % 4 == 3),
        # A record with several values in the range comes once.
        (predicates.range("l", LIST, 0, 4), lambda i: True),
        (predicates.range("l", LIST, 3, 9), lambda i: i % 5 >= 3),
        (predicates.contains("m", KEYS, "j"), lambda i: True),
        (predicates.contains("m", KEYS, 7), lambda i: i == 7),
        (predicates.contains("m", KEYS, "zz"), lambda i: False),
        (predicates.range("m", VALUES, 5, 9), lambda i: 5 <= i <= 9),
        (predicates.contains("m", VALUES, "2"), lambda i: i % 4 == 2),
        (predicates.equals("b", b"x1"), lambda i: i % 3 == 1),
    ],
)
def test_what_an_index_finds(client: Any, records: Any, predicate: Any, matches: Any) -> None:
    assert found(client, predicate) == [i for i in range(N) if matches(i)]


def test_an_index_is_over_one_kind_of_elements(client: Any, records: Any) -> None:
    for predicate in (predicates.equals("l", 3), predicates.contains("l", KEYS, 3), predicates.contains("id", LIST, 3)):
        with pytest.raises(exception.IndexNotFound):
            found(client, predicate)


def test_list_and_statistics(client: Any, records: Any) -> None:
    [told] = client.info_all("sindex-list:ns=test").values()
    shown = {}
    for entry in told[1].strip().split(";"):
        pairs = dict(pair.split("=", 1) for pair in entry.split(":"))
        shown[pairs["indexname"]] = pairs["bin"], pairs["type"], pairs["indextype"], pairs["state"]
    assert {name: shown[name][:3] for name in NAMES} == {
        "el_n": ("l", "numeric", "list"),
        "el_s": ("l", "string", "list"),
        "mk_s": ("m", "string", "mapkeys"),
        "mk_n": ("m", "numeric", "mapkeys"),
        "mv_n": ("m", "numeric", "mapvalues"),
        "mv_s": ("m", "string", "mapvalues"),
        "b": ("b", "blob", "default"),
    }
    [(_, stat)] = client.info_all("sindex-stat:ns=test;indexname=mk_s").values()
    assert stat.startswith(f"entries={2 * N};")
    [(_, stat)] = client.info_all("sindex-stat:ns=test;indexname=el_n").values()
    assert stat.startswith(f"entries={sum(len({i % 5, i % 3}) for i in range(N))};")


def test_an_index_follows_writes(client: Any, records: Any) -> None:
    key = ("test", "elements", 1)
    client.operate(key, [list_operations.list_append("l", 777), map_operations.map_put("m", "new", 888)])
    assert found(client, predicates.contains("l", LIST, 777)) == [1]
    assert found(client, predicates.contains("m", KEYS, "new")) == [1]
    assert found(client, predicates.range("m", VALUES, 888, 888)) == [1]
    client.put(key, records[1])
    assert found(client, predicates.contains("l", LIST, 777)) == []
    assert found(client, predicates.contains("m", KEYS, "new")) == []


def test_the_same_index_under_a_new_name_is_renamed(client: Any, records: Any) -> None:
    client.index_list_create("test", "elements", "l", aerospike.INDEX_NUMERIC, "renamed")
    try:
        [(_, told)] = client.info_all("sindex-list:ns=test").values()
        assert ("indexname=renamed:" in told, "indexname=el_n:" in told) == (True, False)
        assert len(found(client, predicates.contains("l", LIST, 4))) == 12
    finally:
        client.index_list_create("test", "elements", "l", aerospike.INDEX_NUMERIC, "el_n")

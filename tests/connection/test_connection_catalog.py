"""Sets, namespaces and indexes, from recorded info answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aerospike_magic.connection.catalog import (
    IndexInfo,
    NamespaceInfo,
    SetInfo,
    combine_index_statistics,
    combine_indexes,
    combine_namespace,
    combine_sets,
)
from aerospike_magic.connection.names import no_such_set, split_name
from aerospike_magic.errors import SchemaError

VECTORS = Path(__file__).parents[1] / "vectors"


@pytest.fixture(scope="module")
def recorded():
    rows = [json.loads(line) for line in (VECTORS / "exchanges.jsonl").read_text().splitlines()]
    return {r["label"]: r["result"].partition("\t")[2].strip() for r in rows if r["label"].startswith("info ") and
            isinstance(r["result"], str)}  # fmt: skip


def test_the_recorded_namespace(recorded):
    found = combine_namespace("test", [recorded["info namespace/test"]])
    assert found == NamespaceInfo("test", 2_020_000, "memory", "mem", 1)


def test_the_recorded_sets(recorded):
    namespace = combine_namespace("test", [recorded["info namespace/test"]])
    found = {s.name: s for s in combine_sets({"test": namespace}, [recorded["info sets"]])}
    assert list(found) == ["bench", "docs", "smoke", "vec", "vecx"]
    assert found["bench"] == SetInfo("test", "bench", 2_000_000, 287_362_656, "memory", "mem", 1, 1)
    assert found["bench"].full_name == "test.bench"


def test_counts_are_summed_over_nodes_and_divided_by_copies():
    namespace = NamespaceInfo("t", 0, "device", "flash", 2)
    answers = ["ns=t:set=a:objects=30:data_used_bytes=300", "ns=t:set=a:objects=50:data_used_bytes=500;"]
    (found,) = combine_sets({"t": namespace}, answers)
    assert (found.objects, found.n_bytes) == (40, 400)


def test_older_servers_count_memory_and_device_apart():
    namespace = NamespaceInfo("t", 0, "memory", "", 1)
    (found,) = combine_sets({"t": namespace}, ["ns=t:set=a:objects=1:memory_data_bytes=7:device_data_bytes=0"])
    assert found.n_bytes == 7


@pytest.mark.parametrize(
    ("config", "engine"),
    [
        ("storage-engine=memory;index-type=shmem", "memory"),
        ("storage-engine=pmem;index-type=pmem", "pmem"),
        ("storage-engine=device;index-type=mem", "device"),
        ("storage-engine=device;index-type=flash", "flash"),
        ("", "memory"),
    ],
)
def test_storage_engines(config, engine):
    assert combine_namespace("t", [config]).storage_engine == engine


def test_the_recorded_indexes(recorded):
    found = {index.name: index for index in combine_indexes([recorded["info sindex-list"]])}
    assert found["vecx_n"] == IndexInfo("test", "vecx", "vecx_n", "n", "numeric", "default", True)
    assert found["vecx_s"].type == "string"
    assert (found["vecx_l"].index_type, found["vecx_mk"].index_type) == ("list", "mapkeys")


def test_an_index_is_ready_when_every_node_says_so():
    row = "ns=t:indexname=i:set=NULL:bin=b:type=NUMERIC:indextype=NONE:context=null:state="
    (ready,) = combine_indexes([row + "RW", row + "RW"])
    assert (ready.ready, ready.set_name, ready.type, ready.index_type) == (True, "", "numeric", "default")
    assert not combine_indexes([row + "RW", row + "WO"])[0].ready
    assert not combine_indexes([row + "RW", ""])[0].ready


def test_an_index_inside_a_list_says_so():
    (found,) = combine_indexes(["ns=t:indexname=i:set=s:bin=b:type=numeric:indextype=default:context=ggE=:state=RW"])
    assert found.context


def test_the_recorded_statistics(recorded):
    assert combine_index_statistics([recorded["info sindex-stat"]], 1) == (48, 1.0)


def test_statistics_over_nodes_and_copies():
    answers = ["entries=10;entries_per_bval=4", "entries=30;entries_per_bval=8"]
    assert combine_index_statistics(answers, 2) == (20, 6.0)
    assert combine_index_statistics(["entries=10;entries_per_bval=0"], 1) == (10, None)
    assert combine_index_statistics(["entries=10", "ERROR:201:no index"], 1) == (None, None)


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("test.users", {}, ("test", "users")),
        ("test.a.b", {}, ("test", "a.b")),
        ("users", {"default_namespace": "test"}, ("test", "users")),
        ("users", {"namespaces": ["only"]}, ("only", "users")),
        ("my.ns.users", {"namespaces": ["my.ns", "my"]}, ("my.ns", "users")),
        ("a.b", {"namespaces": ["test"], "default_namespace": "test"}, ("test", "a.b")),
    ],
)
def test_names_are_split(name, given, expected):
    assert split_name(name, **given) == expected


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("tst.users", {"namespaces": ["test", "demo"]}, "did you mean test"),
        ("zz.users", {"namespaces": ["test", "demo"]}, "namespaces: test, demo"),
        ("users", {"namespaces": ["test", "demo"]}, "write test.users"),
        ("users", {}, "write namespace.users"),
        ("", {}, "write namespace.set"),
        (".users", {}, "write namespace.set"),
        ("test.", {}, "write namespace.set"),
    ],
)
def test_names_that_say_too_little_are_refused(name, given, words):
    with pytest.raises(SchemaError, match=words):
        split_name(name, **given)


def test_a_missing_set_has_near_matches():
    assert "did you mean flights" in str(no_such_set("demo", "fligths", ["flights", "planes"]))
    assert "there are no sets yet" in str(no_such_set("demo", "x", []))

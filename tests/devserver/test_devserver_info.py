"""Info answers have the shape of the recorded ones: the same names in the same order, or the same bytes."""

from __future__ import annotations

import base64
from typing import Any

import aerospike
import pytest
from raw_client import connected, read_frames
from recorded import load_lines

from aerospike_magic.wire.info import (
    decode_info_request,
    decode_info_response,
    encode_info_request,
    parse_info_list,
    parse_info_pairs,
)

ROWS = {row["label"]: row for row in load_lines("exchanges.jsonl") if row["label"].startswith("info")}

SAME = [
    "info build",
    "info edition",
    "info features",
    "info version",
    "info services",
    "info peers-clear-std",
    "info peers-generation",
    "info partition-generation",
    "info rebalance-generation",
    "info status",
    "info jobs:",
    "info bins/test",
    "info nosuchcommand",
    "info feature-key",
    "info release",
    "info health-outliers",
]
LISTS = ["info sets/test", "info sindex-list:ns=test", "info sindex/test", "info query-show", "info query-show:"]
PAIRS = ["info namespace/test", "info statistics", "info get-config:context=namespace;id=test"]


def ask(server: Any, *commands: str) -> dict[str, str]:
    with connected(server) as opened:
        opened.sendall(encode_info_request(commands))
        frame = next(read_frames(opened))
        return decode_info_response(frame.body)


def recorded(label: str) -> tuple[str, str]:
    request, answer = ROWS[label]["exchanges"][0]
    command = decode_info_request(base64.b64decode(request)[8:])[0]
    return command, decode_info_response(base64.b64decode(answer)[8:])[command]


@pytest.fixture(scope="module")
def indexed(client: Any) -> None:
    client.put(("test", "shape", 1), {"n": 1})
    client.index_single_value_create("test", "shape", "n", aerospike.INDEX_NUMERIC, "shape_n")
    client.query("test", "shape").results()


@pytest.mark.parametrize("label", SAME)
def test_same_answer(server: Any, label: str) -> None:
    command, wanted = recorded(label)
    assert ask(server, command)[command] == wanted


@pytest.mark.parametrize("label", LISTS)
def test_lists_have_the_recorded_names(server: Any, indexed: None, label: str) -> None:
    command, wanted = recorded(label)
    shapes = {tuple(row) for row in parse_info_list(wanted)}
    rows = parse_info_list(ask(server, command)[command])
    assert rows
    if "query" not in label:
        assert {tuple(row) for row in rows} == shapes
    else:
        assert tuple(rows[0]) in shapes


@pytest.mark.parametrize("label", PAIRS)
def test_pairs_have_no_unknown_names(server: Any, label: str) -> None:
    command, wanted = recorded(label)
    names = list(parse_info_pairs(ask(server, command)[command]))
    real = list(parse_info_pairs(wanted))
    assert set(names) <= set(real)
    assert names == sorted(names, key=real.index)


def test_object_counts(server: Any, client: Any) -> None:
    client.truncate("test", "counted", 0)
    for i in range(10):
        client.put(("test", "counted", i), {"a": i})
    client.put(("test", "counted", 0), {"a": "changed"})
    client.remove(("test", "counted", 1))
    [row] = parse_info_list(ask(server, "sets/test/counted")["sets/test/counted"])
    assert row["objects"] == "9"
    sets = parse_info_list(ask(server, "sets/test")["sets/test"])
    pairs = parse_info_pairs(ask(server, "namespace/test")["namespace/test"])
    assert int(pairs["objects"]) >= sum(int(row["objects"]) for row in sets)


def test_every_partition_has_a_master(server: Any) -> None:
    for entry in ask(server, "replicas")["replicas"].split(";"):
        namespace, _, rest = entry.partition(":")
        regime, factor, bitmap = rest.split(",")
        assert (namespace in ("test", "demo"), regime, factor) == (True, "0", "1")
        assert base64.b64decode(bitmap) == b"\xff" * 512


def test_index_statistics(server: Any, client: Any) -> None:
    client.truncate("test", "stat", 0)
    for i in range(48):
        client.put(("test", "stat", i), {"n": i, "s": "same"})
    client.index_single_value_create("test", "stat", "n", aerospike.INDEX_NUMERIC, "stat_n")
    client.index_single_value_create("test", "stat", "s", aerospike.INDEX_STRING, "stat_s")
    _, wanted = recorded("info sindex-stat")
    got = parse_info_pairs(ask(server, "sindex-stat:ns=test;indexname=stat_n")["sindex-stat:ns=test;indexname=stat_n"])
    assert list(got) == list(parse_info_pairs(wanted))
    assert (got["entries"], got["entries_per_bval"], got["entries_per_rec"]) == ("48", "1", "1")
    got = parse_info_pairs(ask(server, "sindex/test/stat_s")["sindex/test/stat_s"])
    assert (got["entries"], got["entries_per_bval"]) == ("48", "48")


@pytest.mark.parametrize(
    ("command", "start"),
    [
        ("sindex-create:ns=test;set=shape;indexname=shape_n;indexdata=other,NUMERIC", "ERROR:200:"),
        ("sindex-create:ns=test;set=shape;indexname=shape_n;indexdata=n,NUMERIC", "ok"),
        ("sindex-create:ns=test;set=shape;indexname=shape_n;bin=n;type=numeric", "ok"),
        ("sindex-create:ns=none;set=shape;indexname=x;indexdata=n,NUMERIC", "ERROR:"),
        ("sindex-create:ns=test;set=shape;indexname=x;indextype=LIST;indexdata=n,GEO2DSPHERE", "ERROR:16:"),
        ("sindex-delete:ns=test;indexname=nothing", "ok"),
        ("sindex-delete:namespace=test;set=shape;indexname=nothing", "ok"),
        ("sindex-stat:ns=test;indexname=nothing", "ERROR:201:"),
        ("sets/none", "ns_type=unknown"),
        ("truncate:namespace=none;set=x", "ERROR:"),
        ("query-abort:trid=1", "ERROR:2:"),
        ("query-abort:id=x", "ERROR:4:"),
    ],
)
def test_answers_to_requests_of_all_kinds(server: Any, indexed: None, command: str, start: str) -> None:
    assert ask(server, command)[command].startswith(start)


ERRORS = [
    ("get-config:context=namespace", "ERROR:20:missing 'namespace'"),
    ("get-config:context=namespace;id=none", "ERROR:20:namespace not found on node"),
    ("get-config:context=none", "ERROR:4:invalid context"),
    ("set-config:", "ERROR:4:missing 'context'"),
    ("set-config:context=namespace;id=none;max-record-size=100", "ERROR:20:namespace not found on node"),
    ("set-config:context=namespace;id=test;max-record-size=63", "ERROR:4:invalid set-config parameter"),
    ("set-config:context=namespace;id=test;max-record-size=8388609", "ERROR:4:invalid set-config parameter"),
    ("set-config:context=namespace;id=test;none=1", "ERROR:4:invalid set-config parameter"),
    ("namespace/none", "type=unknown"),
    ("sets/none", "ns_type=unknown"),
    ("sets/test/none", ""),
    ("sindex/none", "ns_type=unknown"),
    ("sindex/test/none", "ERROR:201:no index"),
    ("histogram:type=ttl", "ERROR:20:missing 'namespace'"),
    ("truncate:", "ERROR:20:missing 'namespace'"),
    ("query-abort", "ERROR:4:missing 'id'"),
    ("cluster-stable:size=9", "ERROR:7:cluster not specified size"),
    ("quiesce:", "ERROR:25:enterprise only"),
    ("udf-list", ""),
]


@pytest.mark.parametrize(("command", "answer"), ERRORS)
def test_odd_commands_answer_as_a_real_server_does(server: Any, command: str, answer: str) -> None:
    assert ask(server, command)[command] == answer


def test_one_set_is_told_without_its_name(server: Any, client: Any) -> None:
    client.put(("test", "alone", 1), {"a": 1})
    described = ask(server, "sets/test/alone")["sets/test/alone"]
    assert described.startswith("objects=1:tombstones=0:data_used_bytes=")
    assert described.endswith(";")
    assert f"ns=test:set=alone:{described}" in ask(server, "sets/test")["sets/test"]


def test_the_largest_record_can_be_set(server: Any, client: Any) -> None:
    def tell(size: str) -> str:
        command = f"set-config:context=namespace;id=test;max-record-size={size}"
        return ask(server, command)[command]

    key = ("test", "large", 1)
    # What a real server counts of this record besides the blob: 35 + 4, the set's name, the count of bins, the bin.
    besides = 39 + (1 + len("large")) + 1 + (1 + len("b") + 5)
    assert tell("2M") == "ok"
    client.put(key, {"b": bytearray(2 << 20)[: (2 << 20) - besides]})
    with pytest.raises(aerospike.exception.RecordTooBig):
        client.put(key, {"b": bytearray((2 << 20) - besides + 1)})
    assert "max-record-size=2097152" in ask(server, "get-config:context=namespace;id=test").popitem()[1]
    assert tell("64") == "ok"
    with pytest.raises(aerospike.exception.RecordTooBig):
        client.put(key, {"b": "x" * 50})
    assert tell("1M") == "ok"
    assert len(client.get(key)[2]["b"]) == (2 << 20) - besides
    client.remove(key)

"""The recorded requests, sent again as they are: the answers are the recorded bytes."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterator
from typing import Any

import aerospike
import pytest
from raw_client import connected, read_frames
from recorded import load_lines

from aerospike_magic.devserver import DevServer
from aerospike_magic.wire.message import FieldType, encode_message, iter_messages
from aerospike_magic.wire.proto import FrameDecoder, encode_proto

ROWS = load_lines("exchanges.jsonl")
RECORDS = [
    row
    for row in ROWS[ROWS.index(next(r for r in ROWS if r["label"] == "put int0")) :]
    if not row["label"].startswith(("scan", "sindex", "info", "truncate")) and row["exchanges"]
]
TIMED = {"ttl"}
"""Answers that hold a time."""


@pytest.fixture(scope="module")
def fresh_server() -> Iterator[DevServer]:
    with DevServer(namespaces=("test", "disk")) as running:
        yield running


def replay(server: Any, request: bytes) -> bytes:
    """Send one recorded request; returns the whole answer."""
    is_batch = request[9] & 8
    answer = b""
    with connected(server) as opened:
        opened.sendall(request)
        for frame in read_frames(opened):
            answer += encode_proto(frame.type, frame.body)
            last = list(iter_messages(frame.body))[-1]
            if not is_batch or last.is_last:
                return answer
    raise AssertionError("the server closed the connection")


def test_recorded_record_commands(fresh_server: DevServer) -> None:
    wrong = []
    for row in RECORDS:
        for request, answer in row["exchanges"]:
            got = replay(fresh_server, base64.b64decode(request))
            wanted = base64.b64decode(answer)
            if row["label"] in TIMED:
                got, wanted = got[:18] + got[22:], wanted[:18] + wanted[22:]
            if got != wanted:
                wrong.append((row["label"], got.hex(), wanted.hex()))
    for label, got, wanted in wrong:
        print(label, got[:200], wanted[:200], sep="\n  ")
    assert not wrong


SCANS = [
    row
    for row in ROWS
    if row["label"].startswith(("scan", "sindex"))
    and not row["label"].startswith(("sindex create", "sindex remove"))
    and row["exchanges"]
    and row["label"] not in ("scan max_records", "scan paginate", "scan truncated")
]


@pytest.fixture(scope="module")
def recorded_set(fresh_server: DevServer, dataset: list[dict[str, Any]]) -> Iterator[DevServer]:
    """The vector data set on a server where nothing else is in the way, with the recorded indexes."""
    client = aerospike.client({"hosts": [(fresh_server.host, fresh_server.port)]}).connect()
    for record in dataset:
        sent = aerospike.POLICY_KEY_SEND if record["id"] % 2 else aerospike.POLICY_KEY_DIGEST
        client.put(("test", "vecx", record["id"]), record, policy={"key": sent})
    client.index_single_value_create("test", "vecx", "n", aerospike.INDEX_NUMERIC, "vecx_n")
    client.index_single_value_create("test", "vecx", "s", aerospike.INDEX_STRING, "vecx_s")
    client.index_list_create("test", "vecx", "l", aerospike.INDEX_NUMERIC, "vecx_l")
    client.index_map_keys_create("test", "vecx", "m", aerospike.INDEX_STRING, "vecx_mk")
    client.close()
    yield fresh_server


def answer_messages(body: bytes, *, comparable_index_values: bool) -> list[bytes]:
    """The messages of an answer, in an order of their own: partitions are served in parallel."""
    decoder = FrameDecoder()
    decoder.feed(body)
    messages = []
    for frame in decoder.frames():
        for message in iter_messages(frame.body):
            if not comparable_index_values:
                # The index value of a string is a hash, each server's own affair.
                fields = tuple(field for field in message.fields if field.type != FieldType.BVAL_ARRAY)
                message = dataclasses.replace(message, fields=fields)
            messages.append(encode_message(message))
    return sorted(messages)


@pytest.mark.parametrize("row", SCANS, ids=[row["label"] for row in SCANS])
def test_recorded_queries(recorded_set: DevServer, row: dict[str, Any]) -> None:
    for request, answer in row["exchanges"]:
        with connected(recorded_set) as opened:
            opened.sendall(base64.b64decode(request))
            got = b""
            for frame in read_frames(opened):
                got += encode_proto(frame.type, frame.body)
                last = list(iter_messages(frame.body))[-1]
                if last.is_last or last.result_code:
                    break
        numeric = row["label"] not in ("sindex equals str", "sindex mapkeys")
        wanted = base64.b64decode(answer)
        assert answer_messages(got, comparable_index_values=numeric) == answer_messages(
            wanted, comparable_index_values=numeric
        )

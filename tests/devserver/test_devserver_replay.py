"""The recorded requests, sent again as they are: the answers are the recorded bytes."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from raw_client import connected, read_frames
from recorded import load_lines

from aerospike_magic.devserver import DevServer
from aerospike_magic.wire.message import iter_messages
from aerospike_magic.wire.proto import encode_proto

ROWS = load_lines("exchanges.jsonl")
RECORDS = [
    row
    for row in ROWS[ROWS.index(next(r for r in ROWS if r["label"] == "put int0")) :]
    if not row["label"].startswith(("scan", "sindex", "info", "truncate")) and row["exchanges"]
]
NOT_YET = {
    "operate list": "list operations come with issue 4",
    "operate map": "map operations come with issue 4",
    "get geo": "stored without the index cells of the point, which clients skip",
}
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
    assert {label for label, _, _ in wrong} <= set(NOT_YET)

"""The fast path of batch writes gives what the careful path gives."""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest

from aerospike_magic.devserver.commands import CommandRunner
from aerospike_magic.devserver.node import Node
from aerospike_magic.devserver.plain_batch import find_plain_batch
from aerospike_magic.devserver.store import Record
from aerospike_magic.wire.batch import BatchRequest, BatchRow, decode_batch_response, encode_batch_request
from aerospike_magic.wire.digest import compute_digest
from aerospike_magic.wire.message import Field, FieldType, Op, OpType, encode_message
from aerospike_magic.wire.proto import FrameDecoder

FORM = (Field(FieldType.NAMESPACE, b"test"), Field(FieldType.SET, b"s"))
PLAIN = 0x0E


class Sink:
    """Stands for a socket: keeps what is sent."""

    def __init__(self) -> None:
        self.decoder = FrameDecoder()

    def sendall(self, data: bytes) -> None:
        self.decoder.feed(data)

    def results(self) -> list[Any]:
        found = []
        for frame in self.decoder.frames():
            found += decode_batch_response(frame.body).results
        return sorted(found, key=lambda result: result.index)


def run(node: Node, rows: list[BatchRow]) -> list[Any]:
    sink = Sink()
    runner = CommandRunner(node, sink, "test")  # type: ignore[arg-type]
    runner.run(encode_message(encode_batch_request(BatchRequest(tuple(rows)))))
    return sink.results()


def row(index: int, key: int, *ops: Op, **options: Any) -> BatchRow:
    options.setdefault("fields", FORM)
    return BatchRow(
        index, compute_digest("s", key), flags=PLAIN, info1=0, info2=options.pop("info2", 0x81), ops=ops, **options
    )


def write(name: str, kind: int, data: bytes) -> Op:
    return Op(OpType.WRITE, kind, name, data)


def is_plain(rows: list[BatchRow]) -> bool:
    message = encode_batch_request(BatchRequest(tuple(rows)))
    return find_plain_batch(message.field(FieldType.BATCH) or b"") is not None


def everything(node: Node) -> list[Record]:
    namespace = node.namespaces["test"]
    records = [namespace.record(int(offset)) for partition in range(4096) for offset in namespace.snapshot(partition)]
    for record in records:
        record.last_update_ms = 0
    return records


def test_same_as_one_by_one() -> None:
    generator = random.Random(5)
    fast, slow = (Node("BB9000000000001", "127.0.0.1", 1, ("test",)) for _ in range(2))
    for _ in range(40):
        rows = []
        for index in range(generator.randrange(1, 60)):
            key = generator.randrange(3000)
            ops = [write("id", 1, struct.pack(">q", key)), write("s", 3, b"x" * generator.randrange(200))]
            if generator.random() < 0.5:
                ops.append(write("f", 2, struct.pack(">d", generator.random())))
            fields = (*FORM, Field(FieldType.KEY, b"\x01" + struct.pack(">q", key))) if key % 2 else FORM
            rows.append(row(index, key, *ops, fields=fields, info2=generator.choice([0x81, 0x01])))
        assert is_plain(rows)
        got = run(fast, rows)
        wanted = []
        for one in rows:
            # A second row that cannot be plain sends the batch the careful way.
            pair = [one, row(one.index + 1000, 10**6, write("gone", 0, b""))]
            assert not is_plain(pair)
            wanted += run(slow, pair)[:1]
        assert got == wanted
    assert everything(fast) == everything(slow)
    for node in (fast, slow):
        namespace = node.namespaces["test"]
        assert namespace.objects == len(everything(node))
    assert fast.namespaces["test"].sets[1].used_bytes == slow.namespaces["test"].sets[1].used_bytes


@pytest.mark.parametrize(
    "rows",
    [
        [row(0, 1, write("a", 0, b""))],
        [row(0, 1, write("a", 1, b"\0"))],
        [row(0, 1, write("a", 1, bytes(8)), write("a", 1, bytes(8)))],
        [row(0, 1, write("x" * 16, 1, bytes(8)))],
        [row(0, 1, Op(OpType.INCR, 1, "a", bytes(8)))],
        [row(0, 1, write("a", 1, bytes(8)), info2=0xA1)],
        [row(0, 1, write("a", 1, bytes(8)), info3=8)],
        [row(0, 1, write("a", 1, bytes(8)), fields=(FORM[0], Field(FieldType.SET, b"")))],
        [row(0, 1, write("a", 1, bytes(8)), fields=(*FORM, Field(FieldType.FILTER_EXPRESSION, b"\xc3")))],
        [row(0, 1, write("a", 1, bytes(8))), row(1, 2, write("a", 1, bytes(8)), fields=(FORM[0], Field(1, b"t")))],
        [row(0, 1)],
        [],
    ],
)
def test_what_is_not_plain(rows: list[BatchRow]) -> None:
    assert not is_plain(rows)


def test_a_cut_batch_is_not_plain() -> None:
    rows = [row(i, i, write("a", 1, bytes(8)), write("s", 3, b"text")) for i in range(3)]
    field = encode_batch_request(BatchRequest(tuple(rows))).field(FieldType.BATCH) or b""
    assert find_plain_batch(field) is not None
    assert all(find_plain_batch(field[:cut]) is None for cut in range(len(field)))
    generator = random.Random(1)
    for _ in range(500):
        data = bytearray(field)
        data[generator.randrange(len(data))] = generator.randrange(256)
        find_plain_batch(bytes(data))

"""A client of bare sockets, for what the official one would not send or does not show."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aerospike_magic.wire.batch import BatchRequest, BatchRow, decode_batch_response, encode_batch_request
from aerospike_magic.wire.digest import compute_digest
from aerospike_magic.wire.message import Field, FieldType, Message, Op, OpType, encode_message, iter_messages
from aerospike_magic.wire.particle import decode_particle
from aerospike_magic.wire.proto import FrameDecoder, ProtoType, encode_proto
from aerospike_magic.wire.query import encode_query_request


@contextmanager
def connected(server: Any, timeout_s: float = 20.0) -> Iterator[socket.socket]:
    with socket.create_connection((server.host, server.port), timeout=timeout_s) as opened:
        yield opened


def read_frames(opened: socket.socket) -> Iterator[Any]:
    decoder = FrameDecoder()
    while data := opened.recv(1 << 16):
        decoder.feed(data)
        yield from decoder.frames()


def query(server: Any, namespace: str, set_name: str, **options: Any) -> tuple[int, list[Message]]:
    """Run a query; returns the result code and the record messages."""
    options.setdefault("partitions", range(4096))
    options.setdefault("task_id", 1)
    records: list[Message] = []
    with connected(server) as opened:
        opened.sendall(encode_query_request(namespace, set_name, **options))
        for frame in read_frames(opened):
            for message in iter_messages(frame.body):
                if message.is_last or message.result_code:
                    return message.result_code, records
                records.append(message)
    raise AssertionError("the server closed the connection")


def bins_of(message: Message) -> dict[str, Any]:
    return {op.name: decode_particle(op.particle_type, op.data) for op in message.ops}


def run_filter(server: Any, expression: bytes) -> tuple[int, list[int]]:
    """Run a filter over set vecx; returns the result code and the ids."""
    code, records = query(server, "test", "vecx", filter_expression=expression, bins=["id"])
    return code, [bins_of(record)["id"] for record in records]


class RawClient:
    """Commands on single records and batches, as messages; `set_name` is where they all go."""

    def __init__(self, host: str, port: int, set_name: str = "raw") -> None:
        self._socket = socket.create_connection((host, port), timeout=20)
        self._frames = read_frames(self._socket)
        self._form = (Field(FieldType.NAMESPACE, b"test"), Field(FieldType.SET, set_name.encode()))
        self._set_name = set_name

    def close(self) -> None:
        self._socket.close()

    def command(self, key: int, *ops: Op, info1: int = 0, info2: int = 0) -> Message:
        fields = (*self._form, Field(FieldType.DIGEST, compute_digest(self._set_name, key)))
        message = Message(info1=info1, info2=info2, fields=fields, ops=ops)
        self._socket.sendall(encode_proto(ProtoType.MESSAGE, encode_message(message)))
        return next(iter_messages(next(self._frames).body))

    def put(self, key: int, kind: int, data: bytes) -> int:
        """Put a record with one bin; returns the result code."""
        return self.command(key, Op(OpType.WRITE, kind, "b", data), info2=1).result_code

    def put_many(self, values: list[tuple[int, int, bytes]]) -> list[int]:
        """Put records by one batch: key, particle type, bytes; returns the result codes."""
        rows = tuple(
            BatchRow(
                i,
                compute_digest(self._set_name, key),
                flags=0x0E,
                info1=0,
                info2=0x81,
                fields=self._form,
                ops=(Op(OpType.WRITE, kind, "b", data),),
            )
            for i, (key, kind, data) in enumerate(values)
        )
        message = encode_batch_request(BatchRequest(rows))
        self._socket.sendall(encode_proto(ProtoType.MESSAGE, encode_message(message)))
        codes = [-1] * len(rows)
        for frame in self._frames:
            answer = decode_batch_response(frame.body)
            for result in answer.results:
                codes[result.index] = result.result_code
            if answer.last_code is not None:
                break
        return codes

    def get(self, key: int) -> tuple[int, dict[str, tuple[int, bytes]]]:
        """Read a record: the result code, and type and bytes by bin."""
        message = self.command(key, info1=3)
        return message.result_code, {op.name: (int(op.particle_type), bytes(op.data)) for op in message.ops}

    def remove(self, key: int) -> None:
        self.command(key, info2=3)

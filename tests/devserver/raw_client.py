"""A client of bare sockets, for what the official one would not send or does not show."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aerospike_magic.wire.message import Message, iter_messages
from aerospike_magic.wire.particle import decode_particle
from aerospike_magic.wire.proto import FrameDecoder
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

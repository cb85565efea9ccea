"""A server that does nothing but answer: what a client can do at most.

It speaks as the embedded server does, but of batches of as many rows it carries out the first only, and answers the
others with the bytes of that answer. `python -m benchmarks.sink` prints its port and serves until standard input ends.
"""

from __future__ import annotations

import os
import socket
import sys
import threading

from aerospike_magic.devserver.commands import CommandRunner
from aerospike_magic.devserver.info import answer_info
from aerospike_magic.devserver.node import Node
from aerospike_magic.devserver.warm import start_warming
from aerospike_magic.wire.info import decode_info_request, encode_info_response

_HEADER_SIZE = 8
_INFO = 1


class _Memory:
    """Stands in for a socket, to keep an answer."""

    def __init__(self) -> None:
        self.sent = b""

    def sendall(self, data: bytes) -> None:
        self.sent += bytes(data)


class Sink:
    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self._node = Node("BB9DE5E4FE00A01", "127.0.0.1", self.port, ("test",))
        self._answers: dict[bytes, bytes] = {}

    def serve(self) -> None:
        while True:
            connected, _ = self.listener.accept()
            threading.Thread(target=self._answer, args=(connected,), daemon=True).start()

    def _answer(self, connected: socket.socket) -> None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        space = memoryview(bytearray(8 << 20))
        while _receive(connected, space[:_HEADER_SIZE]):
            size = int.from_bytes(space[2:_HEADER_SIZE], "big")
            kind = space[1]
            if not _receive(connected, space[:size]):
                return
            if kind == _INFO:
                pairs = [(name, answer_info(self._node, name)) for name in decode_info_request(bytes(space[:size]))]
                connected.sendall(encode_info_response(pairs))
                continue
            # The message's header, the batch field's kind and number of rows, without its bytes, which do not matter.
            like = bytes(space[:22]) + bytes(space[26:31])
            answer = self._answers.get(like)
            if answer is None:
                memory = _Memory()
                CommandRunner(self._node, memory, "sink").run(bytes(space[:size]))  # type: ignore[arg-type]
                answer = self._answers[like] = memory.sent
            connected.sendall(answer)


def _receive(connected: socket.socket, space: memoryview) -> bool:
    at = 0
    while at < len(space):
        n = connected.recv_into(space[at:])
        if not n:
            return False
        at += n
    return True


if __name__ == "__main__":
    sink = Sink()
    threading.Thread(target=sink.serve, daemon=True).start()
    # A client gives up after a second, and loading the kernels for the first answer can take longer.
    start_warming().join()
    print(sink.port, flush=True)
    sys.stdin.read()
    os._exit(0)

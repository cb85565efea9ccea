"""The bytes of a scan taken off the sockets and dropped: what no client can be faster than.

Same requests as the scan (its own plan, groups of partitions and passes), as many threads and sockets, the same
buffer sizes; only nothing looks at the bytes, but for the end of each answer.
"""

from __future__ import annotations

import socket
import threading
from random import SystemRandom

from aerospike_magic.connection import Connection
from aerospike_magic.scan import ScanPlan
from aerospike_magic.scan.decode import CHUNK_BYTES
from aerospike_magic.scan.passes import make_passes
from aerospike_magic.scan.worker import ScanPass

_RECEIVE_BUFFER_BYTES = 4 << 20  # as the scan's worker
_random = SystemRandom()
_HEADER_BYTES = 22  # of the message that ends an answer: no fields, no operations


def drain(connection: Connection, plan: ScanPlan) -> int:
    """Read all that the plan's first pass asks for; returns the bytes."""
    return sum(sum(sizes) for sizes in _run(connection, plan, None))


def record(connection: Connection, plan: ScanPlan) -> list[list[bytes]]:
    """Read as `drain` does and keep everything: the chunks of each answer."""
    answers: list[list[bytes]] = []
    _run(connection, plan, answers)
    return answers


def _run(connection: Connection, plan: ScanPlan, answers: list[list[bytes]] | None) -> list[list[int]]:
    scan_pass = make_passes(connection, plan)[0]
    sizes: list[list[int]] = []
    errors: list[BaseException] = []

    def work() -> None:
        mine: list[int] = []
        sizes.append(mine)
        try:
            _read_groups(connection, scan_pass, plan.options.timeout_s, mine, answers)
        except BaseException as error:  # raised below, in the caller's thread
            errors.append(error)
            scan_pass.tracker.stop()

    threads = [threading.Thread(target=work) for _ in range(plan.options.worker_count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return sizes


def _read_groups(
    connection: Connection, scan_pass: ScanPass, timeout_s: float, sizes: list[int], answers: list[list[bytes]] | None
) -> None:
    sockets: dict[str, socket.socket] = {}
    buffer = memoryview(bytearray(CHUNK_BYTES))
    node_index = -1
    try:
        while (group := scan_pass.tracker.take(node_index)) is not None:
            node_index = group.node_index
            connected = sockets.get(group.node.name)
            if connected is None:
                connected = sockets[group.node.name] = connection.open_socket(group.node, timeout_s)
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            connected.sendall(scan_pass.request(group.partitions, scan_pass.resume, _random.getrandbits(63) | 1))
            sizes.append(_read_answer(connected, buffer, answers))
            scan_pass.tracker.finish(group)
    finally:
        for connected in sockets.values():
            connected.close()


def _read_answer(connected: socket.socket, buffer: memoryview, answers: list[list[bytes]] | None) -> int:
    chunks: list[bytes] = []
    total, tail = 0, b""
    while not _is_end(tail):
        n_bytes = connected.recv_into(buffer)
        if n_bytes == 0:
            raise ConnectionError("the node closed the connection")
        total += n_bytes
        tail = (tail + bytes(buffer[max(0, n_bytes - _HEADER_BYTES) : n_bytes]))[-_HEADER_BYTES:]
        if answers is not None:
            chunks.append(bytes(buffer[:n_bytes]))
    if answers is not None:
        answers.append(chunks)
    return total


def _is_end(tail: bytes) -> bool:
    """Whether the bytes received last are a message header with the flag LAST (info3 bit 1)."""
    return len(tail) == _HEADER_BYTES and tail[0] == _HEADER_BYTES and tail[3] & 1 == 1 and tail[18:] == b"\0\0\0\0"

"""Queries as the server counts them: `query-show` and `query-abort`.

The counts tell two things that the answer does not: how many records a pushed filter has left out, and whether the
server passed over records that have none of the bins asked for. It does that silently ("don't return an empty
record", as/src/base/proto.c), but counts them as succeeded.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

from aerospike_magic.connection import Connection, Node
from aerospike_magic.errors import AerospikeMagicError, WireError
from aerospike_magic.wire.info import decode_info_response, encode_info_request
from aerospike_magic.wire.proto import HEADER_SIZE, ProtoType, decode_header

_ABORT_TIMEOUT_S = 0.4


@dataclass(frozen=True)
class JobCounts:
    """Records of one query on one node: returned or passed over as empty, and left out by the filter."""

    succeeded: int
    filtered: int
    is_active: bool = False


def parse_job(answer: str) -> JobCounts | None:
    """Read the answer to ``query-show:trid=…``; None where the node does not know the query (any more)."""
    pairs = dict(part.split("=", 1) for part in answer.split(";")[0].split(":") if "=" in part)
    try:
        return JobCounts(
            int(pairs["recs-succeeded"]),
            int(pairs["recs-filtered-meta"]) + int(pairs["recs-filtered-bins"]),
            pairs.get("status", "").startswith("active"),
        )
    except (KeyError, ValueError):
        return None


def ask_job(connected: socket.socket, task_id: int) -> JobCounts | None:
    """Ask for a query's counts, on the socket that it ran on."""
    return parse_job(_ask(connected, f"query-show:trid={task_id}"))


def abort_job(connection: Connection, node: Node, task_id: int) -> bool:
    """Abort a query; False where the node cannot be reached or does not permit it (it then ends by itself)."""
    try:
        with connection.open_socket(node, _ABORT_TIMEOUT_S) as connected:
            return _ask(connected, f"query-abort:trid={task_id}").lower() == "ok"
    except (AerospikeMagicError, OSError):
        return False


def _ask(connected: socket.socket, command: str) -> str:
    connected.sendall(encode_info_request([command]))
    proto_type, size = decode_header(_receive_exactly(connected, HEADER_SIZE))
    if proto_type is not ProtoType.INFO:
        raise WireError(f"the answer to {command} is not an info message")
    return decode_info_response(_receive_exactly(connected, size)).get(command, "")


def _receive_exactly(connected: socket.socket, n_bytes: int) -> bytes:
    parts = bytearray()
    while len(parts) < n_bytes:
        part = connected.recv(n_bytes - len(parts))
        if not part:
            raise OSError("the node closed the connection")
        parts += part
    return bytes(parts)

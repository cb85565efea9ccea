"""Orders from outside: stop a node, move partitions, make the network bad. One line in, one line out.

They come over standard input from the process that started the server (`DevServer.control`), or, if the server was
started with `--control`, as an info command from `aerospike-magic server control`. An answer is `ok`, maybe with
JSON, or `error` and why.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable, Sequence

from aerospike_magic.devserver.cluster import Cluster, Member
from aerospike_magic.devserver.directory import N_PARTITIONS
from aerospike_magic.devserver.info import CONTROL
from aerospike_magic.errors import DevServerError, WireError
from aerospike_magic.wire.info import decode_info_response, encode_info_request
from aerospike_magic.wire.proto import FrameDecoder

USAGE = """\
stop NODE [SECONDS]            stop a node; the others notice after so many seconds
start NODE                     start it again
move PARTITIONS [NODE …]       give partitions to these nodes, the first as master; of none, back to their own
withhold PARTITIONS            make partitions unavailable
release PARTITIONS             make them available
latency NODE SECONDS           every answer waits so long
throttle NODE BYTES            so many bytes of data a second on a connection, 0 for no limit
cut NODE BYTES [TIMES]         close the next connections that send data, after so many bytes of it
freeze NODE / thaw NODE        answer nothing / go on
refuse NODE CODE [TIMES [late]]  refuse the next queries, at once or after their records
expire                         let every login's token be expired
heal NODE                      turn all faults off
status                         the nodes, as JSON
NODE is a number from 0, or * for all; PARTITIONS are like 0-99,200 or *"""


class Control:
    """Carries orders out, one after another.

    Args:
        cluster: on which.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._orders: dict[str, Callable[[list[str]], str]] = {
            "stop": self._stop,
            "start": self._start,
            "move": self._move,
            "withhold": self._withhold,
            "release": self._release,
            "latency": self._latency,
            "throttle": self._throttle,
            "cut": self._cut,
            "freeze": lambda words: self._freeze(words, True),
            "thaw": lambda words: self._freeze(words, False),
            "refuse": self._refuse,
            "expire": self._expire,
            "heal": self._heal,
            "status": self._status,
        }

    def run(self, line: str) -> str:
        """Carry one order out and say how that went."""
        word, *rest = line.split() or [""]
        order = self._orders.get(word)
        if order is None:
            return f"error no such order: {word}"
        try:
            with self._lock:
                return f"ok {order(rest)}".rstrip()
        except DevServerError as error:
            return f"error {error}"
        except (ValueError, IndexError):
            return f"error cannot read: {line.strip()}"

    def _members(self, word: str) -> list[Member]:
        return self._cluster.members if word == "*" else [self._cluster.members[_index(word)]]

    def _stop(self, words: list[str]) -> str:
        self._cluster.stop_node(_index(words[0]), float(words[1]) if len(words) > 1 else 0.0)
        return ""

    def _start(self, words: list[str]) -> str:
        self._cluster.start_node(_index(words[0]))
        return ""

    def _move(self, words: list[str]) -> str:
        nodes = [_index(word) for word in words[1:]]
        if any(node >= len(self._cluster.members) for node in nodes):
            raise IndexError
        self._cluster.membership.move(parse_partitions(words[0]), nodes)
        return ""

    def _withhold(self, words: list[str]) -> str:
        self._cluster.membership.withhold(parse_partitions(words[0]))
        return ""

    def _release(self, words: list[str]) -> str:
        self._cluster.membership.release(parse_partitions(words[0]))
        return ""

    def _latency(self, words: list[str]) -> str:
        for member in self._members(words[0]):
            member.faults.latency_s = float(words[1])
        return ""

    def _throttle(self, words: list[str]) -> str:
        for member in self._members(words[0]):
            member.faults.bytes_per_s = int(words[1])
        return ""

    def _cut(self, words: list[str]) -> str:
        for member in self._members(words[0]):
            member.faults.cut(int(words[1]), int(words[2]) if len(words) > 2 else 1)
        return ""

    def _freeze(self, words: list[str], frozen: bool) -> str:
        for member in self._members(words[0]):
            member.faults.frozen = frozen
        return ""

    def _refuse(self, words: list[str]) -> str:
        for member in self._members(words[0]):
            member.faults.refuse(int(words[1]), int(words[2]) if len(words) > 2 else 1, words[3:] == ["late"])
        return ""

    def _expire(self, words: list[str]) -> str:
        for member in self._cluster.members:
            if member.node.security is not None:
                member.node.security.expire_sessions()
        return ""

    def _heal(self, words: list[str]) -> str:
        for member in self._members(words[0]):
            member.faults.clear()
        return ""

    def _status(self, words: list[str]) -> str:
        rows = []
        for i, member in enumerate(self._cluster.members):
            columns = self._cluster.membership.columns[i]
            rows.append(
                {
                    "name": member.node.name,
                    "address": member.node.address,
                    "is_up": member.server is not None,
                    "masters": int((columns == 0).sum()),
                    "replicas": int((columns == 1).sum()),
                    "connections": member.node.counters.connections,
                    "queries_running": member.node.queries.n_running,
                    "queries_done": member.node.queries.completed,
                    "proxied": member.node.counters.proxied,
                }
            )
        return json.dumps(rows)


def _index(word: str) -> int:
    index = int(word)
    if index < 0:
        raise IndexError
    return index


def parse_partitions(text: str) -> list[int]:
    """Read `0-99,200` or `*`.

    Raises:
        ValueError: it is neither.
    """
    if text == "*":
        return list(range(N_PARTITIONS))
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    if not found or min(found) < 0 or max(found) >= N_PARTITIONS:
        raise ValueError(text)
    return found


def main(argv: Sequence[str]) -> int:
    """Send one order to a server that was started with `--control`.

    Args:
        argv: `HOST:PORT` of a node that answers, then the order.

    Returns:
        the exit code: 0 if it was carried out, 1 if not, 2 for a wrong command line.
    """
    if len(argv) < 2 or ":" not in argv[0]:
        print(f"usage: aerospike-magic server control HOST:PORT ORDER\n\n{USAGE}", file=sys.stderr)
        return 2
    host, _, port = argv[0].rpartition(":")
    try:
        answer = _ask(host.strip("[]"), int(port), f"{CONTROL}:{' '.join(argv[1:])}")
    except (OSError, WireError, ValueError) as error:
        print(f"aerospike-magic server control: {argv[0]} did not answer: {error}", file=sys.stderr)
        return 1
    if answer.startswith("ERROR:4:unrecognized"):
        answer = "error the server was not started with --control"
    word, _, rest = answer.partition(" ")
    print(rest or word, file=sys.stdout if word == "ok" else sys.stderr)
    return 0 if word == "ok" else 1


def _ask(host: str, port: int, command: str) -> str:
    decoder = FrameDecoder()
    with socket.create_connection((host, port), timeout=10) as opened:
        opened.sendall(encode_info_request([command]))
        while (frame := decoder.next_frame()) is None:
            data = opened.recv(1 << 16)
            if not data:
                raise OSError("it closed the connection")
            decoder.feed(data)
    return decode_info_response(frame.body).get(command, "")

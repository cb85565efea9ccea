"""The other end of `control`: what a test tells the server that it has started."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aerospike_magic.errors import DevServerError

ALL = "*"
NodeIndex = int | str
"""A node's number, from 0, or `ALL`."""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A node as it is now; counts begin anew when it is started again."""

    name: str
    address: str
    is_up: bool
    masters: int
    replicas: int
    connections: int
    queries_running: int
    queries_done: int
    proxied: int


class ClusterControl:
    """Makes things go wrong in a development server, and well again.

    Args:
        ask: sends one line and returns the answer.
    """

    def __init__(self, ask: Callable[[str], str]) -> None:
        self._ask = ask

    def stop_node(self, node: int, notice_s: float = 0.0) -> None:
        """Stop a node: its sockets close; the others take over its partitions when they notice."""
        self._order("stop", node, notice_s)

    def start_node(self, node: int) -> None:
        """Start a stopped node again, on its old port."""
        self._order("start", node)

    def move(self, partitions: Iterable[int], *nodes: int) -> None:
        """Give partitions to nodes, the first as master; without nodes, back to where they belong."""
        self._order("move", _listed(partitions), *nodes)

    def withhold(self, partitions: Iterable[int]) -> None:
        """Make partitions unavailable."""
        self._order("withhold", _listed(partitions))

    def release(self, partitions: Iterable[int]) -> None:
        """Make partitions available again."""
        self._order("release", _listed(partitions))

    def set_latency(self, node: NodeIndex, seconds: float) -> None:
        """Delay every answer of a node."""
        self._order("latency", node, seconds)

    def throttle(self, node: NodeIndex, bytes_per_s: int) -> None:
        """Bound the bytes of data that a node sends a second on a connection; 0 for no bound."""
        self._order("throttle", node, bytes_per_s)

    def cut(self, node: NodeIndex, n_bytes: int, times: int = 1) -> None:
        """Close the next `times` connections that send data, each after `n_bytes` of it."""
        self._order("cut", node, n_bytes, times)

    def freeze(self, node: NodeIndex) -> None:
        """Let a node fall silent: it accepts connections and answers nothing."""
        self._order("freeze", node)

    def thaw(self, node: NodeIndex) -> None:
        """Let a silent node go on."""
        self._order("thaw", node)

    def refuse(self, node: NodeIndex, code: int, times: int = 1, *, late: bool = False) -> None:
        """Refuse the next queries with a result code, at once or after their records were sent."""
        self._order("refuse", node, code, times, *["late"] * late)

    def expire_sessions(self) -> None:
        """Let every login's token be expired; connections that are in stay in."""
        self._order("expire")

    def heal(self, node: NodeIndex = ALL) -> None:
        """Turn latency, throttle, cuts, silence and refusals off."""
        self._order("heal", node)

    def status(self) -> list[NodeStatus]:
        """Ask how the nodes are."""
        return [NodeStatus(**row) for row in json.loads(self._order("status"))]

    def _order(self, *words: object) -> str:
        line = " ".join(map(str, words))
        word, _, rest = self._ask(line).partition(" ")
        if word != "ok":
            raise DevServerError(f"the server did not {line}: {rest or 'it gave no answer'}")
        return rest


def _listed(partitions: Iterable[int]) -> str:
    return ",".join(map(str, partitions))

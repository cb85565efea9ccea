"""Which nodes are in the cluster, and which of them holds each partition.

Every partition has an order of nodes of its own; the first of it that are up are its master and its replica. The
orders are laid so that masters and replicas are shared out evenly, also when a node is down. A real cluster moves the
data afterwards and changes master when that is done; here all nodes share one store, so a change is done at once.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from aerospike_magic.devserver.directory import N_PARTITIONS
from aerospike_magic.devserver.store import now_ms

REPLICATION_FACTOR = 2
NONE = -1
"""In a column map: the node has no copy of the partition."""

MASTER = 0
Columns = npt.NDArray[np.int8]


class Membership:
    """The nodes of a cluster, by index, and their partitions; shared by all its nodes.

    A change replaces arrays and never alters them, so readers need no lock.

    Attributes:
        columns: by node, for each partition 0 for its master, 1 for its replica, `NONE` for neither.
        generations: by node, how often its columns have changed.
        peers_generation: how often a node has come or gone.
        rebalances: how often partitions were shared out.
        cluster_key: changes whenever a node comes or goes.
        is_whole: whether every partition is available.

    Args:
        names: node ids.
        addresses: `host:port` of each, as told to clients.
    """

    def __init__(self, names: Sequence[str], addresses: Sequence[str]) -> None:
        self.names = tuple(names)
        self.addresses = tuple(addresses)
        self.generations = [0] * len(names)
        self.peers_generation = 0
        self.rebalances = 0
        self.cluster_key = _new_key()
        self.is_whole = True
        self._lock = threading.Lock()
        self._up = [True] * len(names)
        self._moved: dict[int, tuple[int, ...]] = {}
        self._withheld: frozenset[int] = frozenset()
        self._orders = _succession(len(names))
        self._replicas = np.empty((0, N_PARTITIONS), np.int16)
        self.columns: list[Columns] = [np.empty(0, np.int8)] * len(names)
        self._share_out()

    @property
    def size(self) -> int:
        """Nodes that are up."""
        return sum(self._up)

    @property
    def replication_factor(self) -> int:
        """Copies of each record that there are now."""
        return min(REPLICATION_FACTOR, max(self.size, 1))

    @property
    def principal(self) -> str:
        """The node with the highest id of those that are up."""
        return max((name for name, up in zip(self.names, self._up, strict=True) if up), default="")

    @property
    def n_unavailable(self) -> int:
        """Partitions that nobody serves."""
        return int((self._replicas[MASTER] == NONE).sum())

    def is_up(self, node: int) -> bool:
        """Whether a node is a member now."""
        return self._up[node]

    def peers(self, node: int) -> list[int]:
        """The other nodes that are up."""
        return [i for i, up in enumerate(self._up) if up and i != node]

    def is_available(self, partition: int) -> bool:
        """Whether a partition has a master."""
        return bool(self._replicas[MASTER, partition] != NONE)

    def holders(self, partition: int) -> tuple[int, ...]:
        """A partition's master and replicas, by index."""
        return tuple(int(node) for node in self._replicas[:, partition] if node != NONE)

    def bitmaps(self, node: int) -> list[str]:
        """For each column, the node's partitions as base64 of 512 bytes, the highest bit of a byte first."""
        columns = self.columns[node]
        return [
            base64.b64encode(np.packbits(columns == column).tobytes()).decode()
            for column in range(self.replication_factor)
        ]

    # -- changes --

    def leave(self, node: int) -> None:
        """Take a node out: its partitions go to their replicas."""
        self._set_up(node, False)

    def join(self, node: int) -> None:
        """Take a node in again: it gets its partitions back."""
        self._set_up(node, True)

    def move(self, partitions: Iterable[int], nodes: Sequence[int]) -> None:
        """Give partitions to these nodes, the first as master, as long as they are up; of none, back to their own."""
        with self._lock:
            for partition in partitions:
                if nodes:
                    self._moved[partition] = tuple(nodes)
                else:
                    self._moved.pop(partition, None)
            self._share_out()

    def withhold(self, partitions: Iterable[int]) -> None:
        """Make partitions unavailable: no node has them."""
        with self._lock:
            self._withheld |= frozenset(partitions)
            self._share_out()

    def release(self, partitions: Iterable[int]) -> None:
        """Make partitions available again."""
        with self._lock:
            self._withheld -= frozenset(partitions)
            self._share_out()

    def _set_up(self, node: int, up: bool) -> None:
        with self._lock:
            if self._up[node] == up:
                return
            self._up[node] = up
            self.peers_generation += 1
            self.cluster_key = _new_key()
            self._share_out()

    def _share_out(self) -> None:
        factor = self.replication_factor
        replicas = np.full((factor, N_PARTITIONS), NONE, np.int16)
        for partition in range(N_PARTITIONS):
            if partition in self._withheld:
                continue
            order = (*self._moved.get(partition, ()), *self._orders[partition])
            holders = [node for node in dict.fromkeys(order) if self._up[node]][:factor]
            replicas[: len(holders), partition] = holders
        self._replicas = replicas
        self.is_whole = not (replicas[MASTER] == NONE).any()
        self.rebalances += 1
        for node in range(len(self.names)):
            columns = np.full(N_PARTITIONS, NONE, np.int8)
            for column in reversed(range(factor)):
                columns[replicas[column] == node] = column
            if not np.array_equal(columns, self.columns[node]):
                first = not len(self.columns[node])
                self.columns[node] = columns
                self.generations[node] += not first


def _succession(n_nodes: int) -> list[tuple[int, ...]]:
    """For each partition all nodes, in the order in which they take it: all orders come about equally often."""
    orders = []
    for partition in range(N_PARTITIONS):
        rest, order, number = list(range(n_nodes)), [], partition
        while rest:
            number, place = divmod(number, len(rest))
            order.append(rest.pop(place))
        orders.append(tuple(order))
    return orders


def _new_key() -> str:
    return f"{now_ms() & 0xFFFFFFFFFFFF:012X}"

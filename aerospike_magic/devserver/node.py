"""A node: who it is, which namespaces it holds and which partitions it owns, and the queries it runs.

Identity, ownership and storage are apart, so that several nodes can share out one cluster's partitions: `Node` is the
identity and the counters, `Membership` the ownership, `Storage` what all nodes share.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from aerospike_magic.devserver.datadir import DataDirectory
from aerospike_magic.devserver.jobs import QueryJobs
from aerospike_magic.devserver.membership import MASTER, NONE, Membership
from aerospike_magic.devserver.security import Security
from aerospike_magic.devserver.sindex import Indexes
from aerospike_magic.devserver.store import Namespace
from aerospike_magic.devserver.tls import Tls

BUILD = "8.0.0.9"
"""The server version whose behaviour this server follows; clients choose their features by it."""


@dataclass(slots=True)
class Counters:
    """What `statistics` tells; updated without a lock, so approximate under load."""

    connections: int = 0
    connections_opened: int = 0
    info: int = 0
    batches: int = 0
    reads: int = 0
    writes: int = 0
    malformed: int = 0
    proxied: int = 0


class Storage:
    """Records and indexes: one for all nodes of a cluster.

    Args:
        namespaces: their names.
        data: where they are kept; None for nowhere but in memory.

    Raises:
        DevServerError: what is kept there cannot be read.
    """

    def __init__(self, namespaces: Sequence[str], data: DataDirectory | None = None) -> None:
        self.namespaces = {name: Namespace(name) for name in namespaces}
        self.indexes = {name: Indexes(state) for name, state in self.namespaces.items()}
        if data is not None:
            data.open(self.namespaces, self.indexes)


class Node:
    """One server node.

    Args:
        name: the node id, 16 characters as real ones have.
        host: the address it tells clients.
        port: its port.
        storage: the cluster's records, or names of namespaces to begin with.
        cluster_name: what `cluster-name` answers.
        membership: the cluster it is a member of; None for one of its own.
        index: which member it is.
        security: its logins; None for a server without users.
        tls: how it encrypts; None for a server in clear.
    """

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        storage: Storage | Sequence[str],
        cluster_name: str = "devserver",
        *,
        membership: Membership | None = None,
        index: int = 0,
        security: Security | None = None,
        tls: Tls | None = None,
    ) -> None:
        self.name = name
        self.host = host
        self.port = port
        self.cluster_name = cluster_name
        if not isinstance(storage, Storage):
            storage = Storage(storage)
        self.namespaces = storage.namespaces
        self.indexes = storage.indexes
        self.queries = QueryJobs()
        self.counters = Counters()
        self.started = time.monotonic()
        self.membership = membership or Membership([name], [format_address(host, port)])
        self.index = index
        self.security = security
        self.tls = tls
        self.control: Callable[[str], str] | None = None

    @property
    def address(self) -> str:
        """`host:port` as told to clients."""
        return format_address(self.host, self.port)

    @property
    def partition_generation(self) -> int:
        """How often its partitions have changed."""
        return self.membership.generations[self.index]

    @property
    def owned(self) -> frozenset[int]:
        """The partitions that it is the master of."""
        return frozenset(np.flatnonzero(self.membership.columns[self.index] == MASTER).tolist())

    def holds(self, partition: int) -> bool:
        """Whether it is the master or a replica of a partition, so that it can answer reads and queries of it."""
        return bool(self.membership.columns[self.index][partition] != NONE)

    def is_master(self, partition: int) -> bool:
        """Whether it is the master of a partition, so that writes are its own."""
        return bool(self.membership.columns[self.index][partition] == MASTER)


def format_address(host: str, port: int) -> str:
    """Write `host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

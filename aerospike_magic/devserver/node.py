"""A node: who it is, which namespaces it holds and which partitions it owns, and the queries it runs.

Identity, ownership and storage are apart, so that several nodes can share out one cluster's partitions: `Node` is the
identity and the counters, `owned` the ownership, `Namespace` the storage.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from aerospike_magic.devserver.directory import N_PARTITIONS
from aerospike_magic.devserver.jobs import QueryJobs
from aerospike_magic.devserver.sindex import Indexes
from aerospike_magic.devserver.store import Namespace, now_ms

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


class Node:
    """One server node.

    Args:
        name: the node id, 16 characters as real ones have.
        host: the address it tells clients.
        port: its port.
        namespaces: names of its namespaces.
        cluster_name: what `cluster-name` answers.
    """

    def __init__(
        self, name: str, host: str, port: int, namespaces: Sequence[str], cluster_name: str = "devserver"
    ) -> None:
        self.name = name
        self.host = host
        self.port = port
        self.cluster_name = cluster_name
        self.namespaces = {namespace: Namespace(namespace) for namespace in namespaces}
        self.indexes = {namespace: Indexes(state) for namespace, state in self.namespaces.items()}
        self.queries = QueryJobs()
        self.counters = Counters()
        self.started = time.monotonic()
        self.cluster_key = f"{now_ms() & 0xFFFFFFFFFFFF:012X}"
        self.partition_generation = 0
        self.lock = threading.Lock()
        self.owned: frozenset[int] = frozenset(range(N_PARTITIONS))

    @property
    def address(self) -> str:
        """`host:port` as told to clients."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def owned_bitmap(self) -> str:
        """The owned partitions as base64 of 512 bytes, the highest bit of a byte first."""
        bitmap = bytearray(N_PARTITIONS // 8)
        for partition in self.owned:
            bitmap[partition >> 3] |= 0x80 >> (partition & 7)
        return base64.b64encode(bitmap).decode()

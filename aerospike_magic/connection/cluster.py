"""Nodes, and which of them owns each partition: what their `replicas` answers say.

A node answers ``ns:regime,n_replicas,<bitmap>,…;ns2:…``: per replica, base64 of 512 bytes, bit 7 of byte 0
for partition 0; the first bitmap is what the node is master of. While partitions move, two nodes may both
claim one; the higher regime is the newer claim. Source: Aerospike C client, as_partition.c
(`as_partition_tables_update_all`, `decode_and_update`); vectors, `info replicas`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aerospike_magic.connection.hosts import format_address
from aerospike_magic.errors import WireError

N_PARTITIONS = 4096
_BITMAP_SIZE = N_PARTITIONS // 8


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the cluster, at the address that this machine reaches it by.

    Attributes:
        name: the node's id, e.g. ``BB9020011AC4202``.
        host, port: its address.
        tls_name: the name in its certificate, None without TLS.
    """

    name: str
    host: str
    port: int
    tls_name: str | None = None

    @property
    def address(self) -> str:
        """The address as ``host:port``."""
        return format_address(self.host, self.port)

    def __str__(self) -> str:
        return f"{self.name} {self.address}"


@dataclass(frozen=True, eq=False)
class PartitionMap:
    """Who is master of each partition of a namespace.

    Attributes:
        namespace: the namespace.
        owners: int16, shape (4096,): index into `nodes` of each partition's master, -1 where there is none.
        nodes: the nodes, in the order that `owners` counts.
    """

    namespace: str
    owners: npt.NDArray[np.int16]
    nodes: tuple[Node, ...]

    def owner(self, partition: int) -> Node | None:
        """Return the master of a partition (0..4095), or None where there is none."""
        index = int(self.owners[partition])
        return self.nodes[index] if index >= 0 else None

    def partitions_of(self, node: Node) -> npt.NDArray[np.int64]:
        """Return the ids of the partitions that a node is master of, ascending."""
        if node not in self.nodes:
            return np.empty(0, dtype=np.int64)
        return np.flatnonzero(self.owners == self.nodes.index(node))

    @property
    def missing(self) -> npt.NDArray[np.int64]:
        """The ids of the partitions without a master, ascending."""
        return np.flatnonzero(self.owners < 0)


@dataclass(frozen=True, slots=True)
class _Claim:
    regime: int
    mask: npt.NDArray[np.bool_]


def build_partition_map(namespace: str, nodes: Sequence[Node], answers: Mapping[str, str]) -> PartitionMap:
    """Put the nodes' `replicas` answers together.

    Args:
        namespace: the namespace wanted.
        nodes: all nodes; one without an answer owns nothing.
        answers: node name → its answer.

    Raises:
        WireError: an answer is not what the protocol says.
    """
    owners = np.full(N_PARTITIONS, -1, dtype=np.int16)
    newest = np.full(N_PARTITIONS, -1, dtype=np.int64)
    for index, node in enumerate(nodes):
        claim = _parse_replicas(answers.get(node.name, ""), namespace, node.name)
        if claim is None:
            continue
        won = claim.mask & (claim.regime >= newest)
        owners[won] = index
        newest[won] = claim.regime
    return PartitionMap(namespace, owners, tuple(nodes))


def _parse_replicas(answer: str, namespace: str, node: str) -> _Claim | None:
    for entry in answer.split(";"):
        name, colon, rest = entry.partition(":")
        if not colon or name != namespace:
            continue
        parts = rest.split(",")
        if len(parts) < 2 or not parts[0].isdecimal() or not parts[1].isdecimal():
            raise WireError(f"an answer to `replicas` cannot be read: {entry[:60]!r}", node=node)
        if int(parts[1]) == 0 or len(parts) < 3:
            return None
        try:
            bitmap = base64.b64decode(parts[2], validate=True)
        except binascii.Error as error:
            raise WireError("a partition bitmap is not base64", node=node) from error
        if len(bitmap) != _BITMAP_SIZE:
            raise WireError(f"a partition bitmap has {len(bitmap)} bytes, not {_BITMAP_SIZE}", node=node)
        return _Claim(int(parts[0]), np.unpackbits(np.frombuffer(bitmap, np.uint8)).astype(bool))
    return None


_PEER = re.compile(r"\[([0-9A-Fa-f]+),([^,\[\]]*),")


def parse_peer_tls_names(answer: str) -> dict[str, str]:
    """Read node name → TLS name from an answer to ``peers-tls-std`` or ``peers-tls-alt``.

    The answer is ``generation,default_port,[[name,tls_name,[host:port,…]],…]``. Source: Aerospike C client,
    as_peers.c (`peers_parse_peers`).
    """
    return {name: tls_name for name, tls_name in _PEER.findall(answer) if tls_name}

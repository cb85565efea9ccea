"""Several nodes in one process: own ports, ids, counters and queries, one store.

A node that stops closes its port and its connections. No record is lost with it, as the nodes share the store: what a
real cluster keeps by copying, this one keeps by never having had two copies.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from aerospike_magic.devserver.datadir import DataDirectory
from aerospike_magic.devserver.faults import Faults
from aerospike_magic.devserver.membership import Membership
from aerospike_magic.devserver.node import Node, Storage, format_address
from aerospike_magic.devserver.security import DEFAULT_SESSION_TTL_S, Security
from aerospike_magic.devserver.server import Server
from aerospike_magic.devserver.tls import Tls
from aerospike_magic.devserver.users import Users
from aerospike_magic.errors import DevServerError

_JOIN_S = 5.0


@dataclass(slots=True)
class Member:
    """One node with its port; `server` is None while it is stopped."""

    node: Node
    server: Server | None
    faults: Faults = field(default_factory=Faults)
    thread: threading.Thread | None = None


@dataclass(frozen=True, slots=True)
class Protection:
    """What clients must show to come in; nothing by default.

    Attributes:
        users: who may log in; None for no logins.
        session_ttl_s: seconds a login's token lives.
        tls: how nodes encrypt; None for in clear.
    """

    users: Users | None = None
    session_ttl_s: int = DEFAULT_SESSION_TTL_S
    tls: Tls | None = None

    def new_security(self) -> Security | None:
        """A node's logins."""
        return None if self.users is None else Security(self.users, self.session_ttl_s)


class Cluster:
    """The nodes of this process.

    Args:
        host: address to listen on.
        port: port of the first node, the others follow; 0 for free ones.
        namespaces: names of the namespaces.
        n_nodes: how many nodes.
        first_name: the first node's id; the others count up its fourth digit from the right of the prefix.
        protection: what clients must show.
        data: where the namespaces are kept; None for nowhere but in memory.

    Raises:
        DevServerError: a port cannot be listened on, or the data cannot be read.
    """

    def __init__(
        self,
        host: str,
        port: int,
        namespaces: Sequence[str],
        n_nodes: int,
        first_name: str,
        protection: Protection | None = None,
        data: DataDirectory | None = None,
    ) -> None:
        self._protection = protection or Protection()
        servers: list[Server] = []
        try:
            for i in range(n_nodes):
                servers.append(Server(host, port + i if port else 0))
        except DevServerError:
            for server in servers:
                server.stop()
            raise
        self.storage = Storage(namespaces, data)
        names = [_node_name(first_name, i) for i in range(n_nodes)]
        self.membership = Membership(names, [format_address(host, server.port) for server in servers])
        self.members = [
            Member(self._new_node(name, host, server.port, i), server)
            for i, (name, server) in enumerate(zip(names, servers, strict=True))
        ]

    @property
    def ports(self) -> list[int]:
        """The nodes' ports, those of stopped ones too."""
        return [member.node.port for member in self.members]

    def start(self) -> None:
        """Serve on all nodes, each in a thread of its own."""
        for member in self.members:
            _serve(member)

    def stop(self) -> None:
        """Stop all nodes."""
        for member in self.members:
            if member.server is not None:
                member.server.stop()
        for member in self.members:
            if member.thread is not None:
                member.thread.join(_JOIN_S)

    def stop_node(self, index: int, notice_s: float = 0.0) -> None:
        """Stop a node as a crash would: its connections close, then the others notice.

        Args:
            index: which.
            notice_s: seconds until they notice; meanwhile its partitions have no master that answers.
        """
        member = self.members[index]
        server, member.server = member.server, None
        if server is None:
            raise DevServerError(f"node {index} is stopped already")
        server.stop()
        if member.thread is not None:
            member.thread.join(_JOIN_S)
        threading.Event().wait(notice_s)
        self.membership.leave(index)

    def start_node(self, index: int) -> None:
        """Start a stopped node: it listens on its port again, knows no query, and gets its partitions back."""
        member = self.members[index]
        if member.server is not None:
            raise DevServerError(f"node {index} runs already")
        old = member.node
        member.server = Server(old.host, old.port)
        member.node = self._new_node(old.name, old.host, old.port, index)
        member.node.control = old.control
        _serve(member)
        self.membership.join(index)

    def _new_node(self, name: str, host: str, port: int, index: int) -> Node:
        return Node(
            name,
            host,
            port,
            self.storage,
            membership=self.membership,
            index=index,
            security=self._protection.new_security(),
            tls=self._protection.tls,
        )


def _serve(member: Member) -> None:
    assert member.server is not None
    member.thread = threading.Thread(
        target=member.server.serve, args=(member.node, member.faults), name=f"node-{member.node.port}", daemon=True
    )
    member.thread.start()


def _node_name(first: str, index: int) -> str:
    """A node's id begins with the port that nodes talk over: nodes of one machine differ in that."""
    return f"{int(first, 16) + (index << 4 * (len(first) - 3)):X}"

"""Sockets and threads: one thread a connection, which reads a frame and answers it.

Kernels and sends run without the GIL, so a long scan on one connection does not hold up the others. Bytes that are
not the protocol close their own connection only.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import cast

from aerospike_magic.devserver.commands import CommandRunner
from aerospike_magic.devserver.faults import Faults, FaultySocket
from aerospike_magic.devserver.info import answer_info
from aerospike_magic.devserver.node import Node
from aerospike_magic.devserver.security import NOT_AUTHENTICATED, Guard
from aerospike_magic.devserver.tls import certificate_name, hang_up
from aerospike_magic.errors import DevServerError, WireError
from aerospike_magic.wire.info import decode_info_request, encode_info_response
from aerospike_magic.wire.login import encode_login_response
from aerospike_magic.wire.message import ResultCode
from aerospike_magic.wire.proto import Frame, FrameDecoder, ProtoType, encode_proto

log = logging.getLogger(__name__)

_RECEIVE = 256 << 10


class Server:
    """Listens for a node's clients and serves them until stopped.

    Args:
        host: address to listen on.
        port: port, 0 for a free one.

    Raises:
        DevServerError: the address cannot be listened on.
    """

    def __init__(self, host: str, port: int) -> None:
        try:
            self._listener = socket.create_server((host, port), family=_family(host), backlog=1024)
        except OSError as error:
            raise DevServerError(
                f"cannot listen on {host}:{port}: {error.strerror or error}",
                hint="choose another --port"
                if error.errno == errno.EADDRINUSE
                else "is that an address of this machine?",
            ) from None
        self.port: int = self._listener.getsockname()[1]
        self._connections: set[Connection] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def serve(self, node: Node, faults: Faults | None = None) -> None:
        """Accept connections until `stop` is called from another thread or a signal handler.

        Args:
            node: who answers.
            faults: what goes wrong on the way; None for nothing ever.
        """
        while not self._stopping.is_set():
            try:
                connected, address = self._listener.accept()
            except OSError as error:
                if self._stopping.is_set():
                    break
                # Out of file descriptors, say: that passes.
                log.warning("could not accept a connection: %s", error)
                time.sleep(0.1)
                continue
            connection = Connection(node, connected, f"{address[0]}+{address[1]}", self._closed, faults)
            with self._lock:
                self._connections.add(connection)
            if self._stopping.is_set():
                # stop() may have looked before this one was there.
                connection.close()
            threading.Thread(target=connection.run, name=f"client-{address[1]}", daemon=True).start()

    def stop(self) -> None:
        """Stop accepting and close every connection."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.close()

    def _closed(self, connection: Connection) -> None:
        with self._lock:
            self._connections.discard(connection)


class Connection:
    """One client's connection.

    Args:
        node: who answers.
        connected: the socket.
        client: `address+port`, as `query-show` tells it.
        closed: called once when the connection is gone.
        faults: the node's, for queries that are to be refused.
    """

    def __init__(
        self,
        node: Node,
        connected: socket.socket,
        client: str,
        closed: Callable[[Connection], None],
        faults: Faults | None = None,
    ) -> None:
        self._node = node
        self._socket = connected
        self._client = client
        self._closed = closed
        self._faults = faults
        self._guard: Guard | None = None
        self._closing = False
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self) -> None:
        """Serve the connection until it ends."""
        counters = self._node.counters
        counters.connections += 1
        counters.connections_opened += 1
        try:
            if self._secure():
                self._serve()
        except WireError as error:
            counters.malformed += 1
            log.warning("closed %s: %s", self._client, error)
        except OSError as error:
            log.debug("lost %s: %s", self._client, error)
        except Exception:
            log.exception("closed %s: the server failed", self._client)
        finally:
            counters.connections -= 1
            self._socket.close()
            self._closed(self)

    def close(self) -> None:
        """End the connection from another thread."""
        self._closing = True
        connected = self._socket
        if isinstance(connected, FaultySocket):
            connected.hang_up()
        else:
            hang_up(connected)

    def _secure(self) -> bool:
        """Put TLS, faults and the guard of a login where the node has them; False if the connection is to end."""
        node, client = self._node, self._client
        if node.tls is not None:
            try:
                self._socket = node.tls.secure(self._socket)
            except OSError as error:
                log.warning("no TLS with %s: %s", client, getattr(error, "reason", None) or error)
                return False
        if node.security is not None:
            secured = self._socket
            self._guard = Guard(node.security, client, lambda: certificate_name(secured))
        if self._faults is not None:
            self._socket = cast(socket.socket, FaultySocket(self._socket, self._faults))
        self._runner = CommandRunner(node, self._socket, client, self._faults, self._guard)
        # What close() has closed may not have been the socket that came out of the handshake.
        return not self._closing

    def _serve(self) -> None:
        decoder = FrameDecoder()
        while data := self._socket.recv(_RECEIVE):
            decoder.feed(data)
            for frame in decoder.frames():
                self._answer(frame)

    def _answer(self, frame: Frame) -> None:
        if frame.type == ProtoType.INFO:
            self._node.counters.info += 1
            guard = self._guard
            if guard is not None and guard.check():
                # The commands are not told again, as by a real node.
                self._socket.sendall(encode_proto(ProtoType.INFO, f"{NOT_AUTHENTICATED}\n".encode()))
                return
            names = decode_info_request(frame.body) or ["node", "build", "edition", "namespaces"]
            pairs = [(name, answer_info(self._node, name, guard)) for name in names]
            self._socket.sendall(encode_info_response(pairs))
        elif frame.type == ProtoType.MESSAGE:
            self._runner.run(frame.body)
        elif self._guard is not None:
            self._socket.sendall(self._guard.answer(frame.body))
        else:
            # What a community edition answers, whatever was asked.
            self._socket.sendall(encode_login_response(ResultCode.SECURITY_NOT_SUPPORTED))


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET

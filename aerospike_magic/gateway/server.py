"""The gateway in this process: an address, its clients, and the threads that answer them.

`close` gives everything back: it takes the address away, hangs up on every client, and waits for the threads. A request
that is just being answered is not interrupted; its reply goes nowhere, and its thread ends with it.
"""

from __future__ import annotations

import logging
import os
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from types import TracebackType

from aerospike_magic.connection.hosts import format_address
from aerospike_magic.errors import GatewayError
from aerospike_magic.gateway.bounds import GatewayOptions
from aerospike_magic.gateway.channel import Channel, TlsChannel
from aerospike_magic.gateway.complaints import Complaints
from aerospike_magic.gateway.connection import ClientConnection
from aerospike_magic.gateway.dispatch import Dispatcher, Load
from aerospike_magic.gateway.messages import Service
from aerospike_magic.gateway.tls import check_protection, protection, server_context

log = logging.getLogger("aerospike_magic.gateway")

_BACKLOG = 512
_CLOSE_S = 0.9
_LEAST_IDLE_S = 1.0
_TICK_S = 0.5
_OUT_OF_MEANS_S = 0.1


class Gateway:
    """Serves Trino and Presto, on threads of this process.

    Args:
        service: what answers; it is not closed with the gateway.
        listen: host and port, 0 for a free one.
        options: the bounds and the protection.
        listeners: sockets that listen already, instead of `listen`; they are closed with the gateway.

    Attributes:
        host, port: the first address.

    Raises:
        GatewayError: certificates cannot be used, or nothing would protect the address; from `start`, that the
            address cannot be had.

    Example:
        >>> with Gateway(service) as gateway:  # doctest: +SKIP
        ...     print(gateway.address)
        127.0.0.1:40513
    """

    def __init__(
        self,
        service: Service,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        options: GatewayOptions | None = None,
        *,
        listeners: Sequence[socket.socket] = (),
    ) -> None:
        self._options = options or GatewayOptions()
        self.host: str
        self.port: int
        self.host, self.port = listeners[0].getsockname()[:2] if listeners else listen
        check_protection(self.host, self._options)
        self._context: ssl.SSLContext | None = server_context(self._options)
        self._service = service
        self._listeners = list(listeners)
        self._dispatcher = Dispatcher(self._options)
        self._complaints = Complaints(log)
        self._lock = threading.Lock()
        self._clients: set[ClientConnection] = set()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    @property
    def address(self) -> str:
        """`host:port`."""
        return format_address(self.host, self.port)

    @property
    def protection(self) -> str:
        """Who can read through it, and what it cannot protect."""
        return protection(self.host, self._options)

    @property
    def load(self) -> Load:
        """What it is busy with."""
        return self._dispatcher.load(len(self._clients))

    def start(self) -> Gateway:
        """Listen, and serve."""
        if self._thread is not None or self._is_closed:
            raise GatewayError("the gateway runs already, or has ended", hint="make a new one")
        if not self._listeners:
            self._listeners = [open_listener(self.host, self.port)]
            self.port = self._listeners[0].getsockname()[1]
        for listener in self._listeners:
            listener.setblocking(False)
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._accept, name="aerospike-magic-gateway", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """End everything, within a second."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            clients = list(self._clients)
        deadline = time.monotonic() + _CLOSE_S
        if self._thread is not None:
            os.write(self._wake_write, b"\0")
        self._dispatcher.close()
        for client in clients:
            client.close()
        if self._thread is not None:
            self._thread.join(_CLOSE_S)
            os.close(self._wake_write)
            os.close(self._wake_read)
        else:
            self._close_listeners()
        ended = [client.join(max(0.0, deadline - time.monotonic())) for client in clients]
        if not self._dispatcher.join(max(0.0, deadline - time.monotonic())) or not all(ended):
            log.info("closed; some requests are still being answered, to no one")

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_read, selectors.EVENT_READ)
            for listener in self._listeners:
                selector.register(listener, selectors.EVENT_READ)
            while not self._is_closed:
                for key, _ in selector.select():
                    if isinstance(key.fileobj, socket.socket) and not self._is_closed:
                        self._accept_from(key.fileobj)
        self._close_listeners()

    def _accept_from(self, listener: socket.socket) -> None:
        try:
            self._welcome(*listener.accept())
        except (BlockingIOError, ConnectionAbortedError):
            pass  # another process was faster, or the client has thought better of it
        except (OSError, RuntimeError) as error:
            # Out of file descriptors or threads: those that are connected go on, and some end.
            said = getattr(error, "strerror", None) or str(error)
            self._complaints.say("accept", f"cannot take another client now: {said.lower()}")
            time.sleep(_OUT_OF_MEANS_S)

    def _welcome(self, connected: socket.socket, peer: tuple[str, int]) -> None:
        tick_s = min(_TICK_S, self._options.frame_timeout_s, self._options.send_timeout_s)
        name = format_address(*peer[:2])
        if not self._make_room():
            connected.close()
            said = f"{name}: refused: {self._options.max_connections:,} clients are connected, and none is idle"
            self._complaints.say("refused", said)
            return
        try:
            channel = (
                Channel(connected, tick_s) if self._context is None else TlsChannel(connected, self._context, tick_s)
            )
        except OSError:
            connected.close()  # it has hung up already
            return
        client = ClientConnection(
            channel, name, self._service, self._options, self._dispatcher, self._complaints, self._forget
        )
        with self._lock:
            if self._is_closed:
                channel.close()
                return
            client.start()
            self._clients.add(client)

    def _make_room(self) -> bool:
        """Hang up on the client that was idle the longest, if there are too many."""
        with self._lock:
            clients = list(self._clients)
        if len(clients) < self._options.max_connections:
            return True
        idlest = max(clients, key=lambda client: client.idle_s)
        if idlest.idle_s < _LEAST_IDLE_S:
            return False
        idlest.close()
        return idlest.join(_LEAST_IDLE_S)

    def _forget(self, client: ClientConnection) -> None:
        with self._lock:
            self._clients.discard(client)

    def __enter__(self) -> Gateway:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_listener(host: str, port: int) -> socket.socket:
    """Listen on an address.

    Raises:
        GatewayError: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        said = getattr(error, "strerror", None) or str(error)
        hint = "another gateway, or another program, listens there; --listen HOST:0 takes a free port"
        raise GatewayError(
            f"cannot listen on {format_address(host, port)}: {said.lower()}",
            hint=hint if "in use" in said else "is that an address of this machine, and may you listen there?",
        ) from None

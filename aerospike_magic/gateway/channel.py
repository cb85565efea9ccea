"""Bytes to and from one client, in clear or with TLS, each with a deadline.

The socket blocks: a reply of megabytes is handed to the kernel in one call that needs no GIL. The kernel returns after
`_TICK_S` at the latest (``SO_RCVTIMEO``, ``SO_SNDTIMEO``), and the deadline is looked at then. One thread receives, one
sends. OpenSSL takes no two threads at once and must not hold one up while the other waits for the network, so TLS goes
through memory (`ssl.MemoryBIO`) under a lock, and the network is used outside it.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from typing import cast

from aerospike_magic.gateway.thrift import Part

_TICK_S = 0.5
_KEEP_ALIVE_S = 120
_CHUNK = 1 << 18
_SMALL = 1 << 14
_MOST_AT_ONCE = 64  # buffers; IOV_MAX is 1024 at least where it counts


class Channel:
    """A connected client.

    Args:
        connected: the socket, which belongs to the channel from now on.
        tick_s: seconds after which a deadline is looked at.
    """

    def __init__(self, connected: socket.socket, tick_s: float = _TICK_S) -> None:
        self._socket = connected
        connected.setblocking(True)
        timeout = struct.pack("ll", int(tick_s), int(tick_s % 1 * 1e6))
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            # A client that has vanished without a word; the default is two hours.
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEP_ALIVE_S)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def shake_hands(self, timeout_s: float) -> None:
        """Agree on TLS, if that is spoken."""

    def receive(self, size: int, timeout_s: float, *, may_idle: bool = False) -> bytearray | None:
        """Receive exactly so many bytes.

        Args:
            size: how many.
            timeout_s: seconds for all of them.
            may_idle: whether the time runs from the first byte on only.

        Returns:
            The bytes; None if the client has hung up before the first of them.

        Raises:
            TimeoutError: they did not come in time.
            ConnectionError: the client has hung up within them.
        """
        # What is only announced is not held room for.
        received = bytearray(min(size, _CHUNK))
        at = 0
        deadline = None if may_idle else time.monotonic() + timeout_s
        while at < size:
            if at == len(received):
                received.extend(bytes(min(size - at, max(_CHUNK, at))))
            with memoryview(received) as view:
                n = self._receive_into(view[at:])
            if n == 0:
                if at == 0:
                    return None
                raise ConnectionError(f"it hung up after {at:,} of {size:,} bytes")
            at += max(n, 0)
            if deadline is None:
                deadline = time.monotonic() + timeout_s if at else None
            elif at < size and time.monotonic() > deadline:
                raise TimeoutError(f"{at:,} of {size:,} bytes came in {timeout_s:g} s")
        return received

    def send(self, parts: list[Part], timeout_s: float) -> None:
        """Send all parts.

        Raises:
            TimeoutError: the client did not take them in time.
            OSError: it has hung up.
        """
        deadline = time.monotonic() + timeout_s
        waiting = list(_joined(parts))
        waiting.reverse()
        while waiting:
            try:
                n = self._socket.sendmsg(waiting[: -_MOST_AT_ONCE - 1 : -1])
            except BlockingIOError:
                n = 0
            while n:
                if n >= len(waiting[-1]):
                    n -= len(waiting.pop())
                else:
                    waiting[-1] = waiting[-1][n:]
                    n = 0
            if waiting and time.monotonic() > deadline:
                raise TimeoutError(f"it did not take a reply in {timeout_s:g} s")

    def hang_up(self) -> None:
        """End the connection, from any thread; whoever sends or receives on it is woken."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the socket back, once no thread uses it."""
        self._socket.close()

    def _receive_into(self, view: memoryview) -> int:
        """Receive some bytes: how many, 0 at the end, -1 if none came within a tick."""
        try:
            return self._socket.recv_into(view)
        except BlockingIOError:
            return -1


class TlsChannel(Channel):
    """A client that speaks TLS.

    Args:
        connected: the socket.
        context: the server side's.
        tick_s: seconds after which a deadline is looked at.
    """

    def __init__(self, connected: socket.socket, context: ssl.SSLContext, tick_s: float = _TICK_S) -> None:
        super().__init__(connected, tick_s)
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def shake_hands(self, timeout_s: float) -> None:
        """Agree on TLS.

        Raises:
            TimeoutError: the client is silent.
            OSError: it speaks no TLS, refuses the certificate, or has none itself.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self._tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            finally:
                # An alert says why, also when that failed.
                self._flush(deadline)
            if done:
                return
            if self._fetch(bytearray(_SMALL)) is False:
                raise ConnectionError("it hung up while TLS was agreed on")
            if time.monotonic() > deadline:
                raise TimeoutError(f"it did not agree on TLS within {timeout_s:g} s")

    def send(self, parts: list[Part], timeout_s: float) -> None:
        """Send all parts."""
        deadline = time.monotonic() + timeout_s
        for part in _joined(parts):
            for start in range(0, len(part), _CHUNK):
                with self._sending:
                    with self._lock:
                        self._tls.write(part[start : start + _CHUNK])
                    self._flush_now(deadline)

    def _receive_into(self, view: memoryview) -> int:
        while True:
            with self._lock:
                try:
                    return cast(int, self._tls.read(len(view), view))  # with a buffer it returns how many
                except ssl.SSLWantReadError:
                    pass
                except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                    return 0
                has_output = self._outgoing.pending > 0
            if has_output:
                self._flush(time.monotonic() + 60.0)
            fetched = self._fetch(bytearray(_CHUNK))
            if fetched is None:
                return -1
            if not fetched:
                return 0

    def _fetch(self, room: bytearray) -> bool | None:
        """Receive what TLS has to read: whether the connection lives, None if nothing came within a tick."""
        n = super()._receive_into(memoryview(room))
        if n < 0:
            return None
        with self._lock:
            if n == 0:
                self._incoming.write_eof()
            else:
                self._incoming.write(memoryview(room)[:n])
        return n > 0

    def _flush(self, deadline: float) -> None:
        with self._sending:
            self._flush_now(deadline)

    def _flush_now(self, deadline: float) -> None:
        """Send what TLS has written; records must leave in the order they were made, hence `_sending`."""
        with self._lock:
            data = self._outgoing.read()
        if data:
            super().send([data], max(0.1, deadline - time.monotonic()))


def _joined(parts: list[Part]) -> Iterator[memoryview]:
    """Yield the parts as bytes, small neighbours joined."""
    small: list[Part] = []
    n_small = 0
    for part in parts:
        view = memoryview(part)
        if view.nbytes < _SMALL:
            # An empty view of numbers could not even be cast.
            small.append(part)
            n_small += view.nbytes
            if n_small < _SMALL:
                continue
            view = memoryview(b"")
        if small:
            yield memoryview(b"".join(small))
            small, n_small = [], 0
        if view.nbytes:
            yield view.cast("B")
    if n_small:
        yield memoryview(b"".join(small))

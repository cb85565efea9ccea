"""One client: a thread reads its requests, a thread sends the replies as they come, in whatever order.

What cannot be answered (no Thrift, a frame without end, a client that takes nothing) ends the connection; all else is
answered, if only by an exception. Either is one line in the log, without a trace.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable

from aerospike_magic.errors import AerospikeMagicError, WireError
from aerospike_magic.gateway import thrift
from aerospike_magic.gateway.bounds import GatewayOptions
from aerospike_magic.gateway.calls import METHODS, WRITING, error_body, read_arguments, result_body
from aerospike_magic.gateway.channel import Channel
from aerospike_magic.gateway.complaints import Complaints
from aerospike_magic.gateway.dispatch import Claim, Dispatcher, Request
from aerospike_magic.gateway.messages import Service, ServiceError
from aerospike_magic.gateway.thrift import Fault, Kind, Message, Part

log = logging.getLogger("aerospike_magic.gateway")

_HEAD_OF_LARGE = 256
"""Bytes of a frame that is too large, to find out which request it is."""


class ClientConnection:
    """A client.

    Args:
        channel: to the client; belongs to the connection.
        peer: the client's address, for the log.
        service: what answers.
        options: the bounds.
        dispatcher: runs the requests.
        complaints: take what is to be logged.
        on_end: called when the connection has ended.
    """

    def __init__(
        self,
        channel: Channel,
        peer: str,
        service: Service,
        options: GatewayOptions,
        dispatcher: Dispatcher,
        complaints: Complaints,
        on_end: Callable[[ClientConnection], None],
    ) -> None:
        self._channel = channel
        self._peer = peer
        self._service = service
        self._options = options
        self._dispatcher = dispatcher
        self._complaints = complaints
        self._on_end = on_end
        self._claim = Claim()
        self._outgoing: deque[tuple[Request, list[Part]]] = deque()
        self._has_outgoing = threading.Condition()
        self._is_closed = False
        self._last_used = time.monotonic()
        names = ("reads", "sends")
        self._reader, self._sender = (
            threading.Thread(target=target, name=f"aerospike-magic-gateway-{name}-{peer}", daemon=True)
            for name, target in zip(names, (self._read, self._send), strict=True)
        )

    def start(self) -> None:
        """Begin to read.

        Raises:
            RuntimeError: there are no more threads to be had; the connection has ended.
        """
        try:
            self._sender.start()
            self._reader.start()
        except RuntimeError:
            self.close()
            self._channel.close()
            raise

    @property
    def idle_s(self) -> float:
        """Seconds since it was last used; 0 while it is."""
        return 0.0 if self._claim.in_flight else time.monotonic() - self._last_used

    def close(self) -> None:
        """End it, from any thread, without waiting."""
        with self._has_outgoing:
            self._is_closed = True
            self._has_outgoing.notify_all()
        self._dispatcher.close_claim(self._claim)
        self._channel.hang_up()

    def join(self, timeout_s: float) -> bool:
        """Wait until it has ended; whether it has."""
        self._reader.join(timeout_s)
        return not self._reader.is_alive()

    def _read(self) -> None:
        try:
            self._channel.shake_hands(self._options.handshake_timeout_s)
            while self._read_request():
                pass
        except (OSError, WireError) as error:
            self._end_for(error)
        finally:
            self.close()
            self._sender.join()
            self._channel.close()
            self._on_end(self)

    def _end_for(self, error: Exception) -> None:
        if not self._is_closed:
            self._complaints.say("connection", f"{self._peer}: connection ended: {_told(error)}")

    def _read_request(self) -> bool:
        """Read one request and have it run; False at the end."""
        timeout_s = self._options.frame_timeout_s
        header = self._channel.receive(thrift.HEADER_SIZE, timeout_s, may_idle=True)
        if header is None:
            return False
        self._last_used = time.monotonic()
        size = thrift.frame_size(header)
        if not 0 < size <= self._options.max_frame_bytes:
            self._refuse_large(header, size)
            return True
        request = self._dispatcher.admit(self._claim, size)
        if request is None:
            return False
        try:
            frame = self._channel.receive(size, timeout_s)
            if frame is None:
                raise ConnectionError("it hung up within a frame")
            self._take(request, thrift.read_message(frame))
        except BaseException:
            self._dispatcher.release(request)
            raise
        return True

    def _take(self, request: Request, message: Message) -> None:
        """Have a request run, or answer at once that it cannot be."""
        if message.kind is not Kind.CALL:
            raise WireError(f"a message of kind {message.kind.name} instead of a call")
        method = METHODS.get(message.name)
        if method is None:
            self._reply(request, message, *_unknown(message.name))
            return
        try:
            arguments = read_arguments(method, message.body)
        except WireError as error:
            self._complain(message, error.message)
            self._reply(request, message, Kind.EXCEPTION, [_exception(Fault.PROTOCOL_ERROR, error.message)])
            return
        request.is_rows = method.is_rows
        request.reply_bytes = min(arguments.reply_bytes(method), self._options.max_reply_bytes)

        def work(request: Request) -> None:
            try:
                body = result_body(method, method.run(self._service, arguments))
            except ServiceError as error:
                body = error_body(error)
            except Exception as error:
                body = error_body(self._unexpected(message, error))
            self._reply(request, message, Kind.REPLY, body)

        request.work = work
        self._dispatcher.submit(request)

    def _unexpected(self, message: Message, error: Exception) -> ServiceError:
        """Log what should not happen, and say it to the client without its trace."""
        if isinstance(error, AerospikeMagicError):
            said = str(error)
        else:
            said = f"the gateway failed: {type(error).__name__}: {' '.join(str(error).split())}"[:500]
        self._complain(message, said)
        log.debug("%s: %s", self._peer, message.name, exc_info=error)
        return ServiceError(said)

    def _reply(self, request: Request, message: Message, kind: Kind, body: list[Part]) -> None:
        n_bytes = thrift.n_bytes(body)
        limit = self._options.max_reply_bytes
        if n_bytes > limit:
            said = f"a reply of {n_bytes:,} bytes is larger than the gateway's limit of {limit:,}; is a row that large?"
            self._complain(message, said)
            body = error_body(ServiceError(said))
            n_bytes = thrift.n_bytes(body)
        parts = thrift.frame_message(kind, message.name, message.sequence, body)
        self._dispatcher.settle(request, n_bytes)
        with self._has_outgoing:
            if not self._is_closed:
                self._outgoing.append((request, parts))
                self._has_outgoing.notify()
                return
        self._dispatcher.release(request)

    def _send(self) -> None:
        try:
            while (next_one := self._next_outgoing()) is not None:
                request, parts = next_one
                try:
                    self._channel.send(parts, self._options.send_timeout_s)
                finally:
                    self._dispatcher.release(request)
                self._last_used = time.monotonic()
                # Not held on to while nothing is to be sent.
                del next_one, request, parts
        except OSError as error:
            self._end_for(error)
        finally:
            self.close()
            for request, _ in self._outgoing:
                self._dispatcher.release(request)
            self._outgoing.clear()

    def _next_outgoing(self) -> tuple[Request, list[Part]] | None:
        with self._has_outgoing:
            while not self._outgoing and not self._is_closed:
                self._has_outgoing.wait()
            return None if self._is_closed else self._outgoing.popleft()

    def _refuse_large(self, header: bytearray, size: int) -> None:
        """Answer a request that is too large, and let its bytes pass by; if it is one."""
        foreign = _foreign(header)
        if size <= 0 or foreign:
            raise WireError(f"it speaks no framed Thrift{foreign}")
        limit = self._options.max_frame_bytes
        said = f"a request of {size:,} bytes is larger than the gateway's limit of {limit:,} (max_frame_bytes)"
        head = self._channel.receive(min(size, _HEAD_OF_LARGE), self._options.frame_timeout_s)
        try:
            message = thrift.read_message(head or b"")
        except WireError:
            raise WireError(said) from None
        request = self._dispatcher.admit(self._claim, 0)
        if request is None:
            return
        self._complain(message, said)
        self._reply(request, message, Kind.REPLY, error_body(ServiceError(said)))
        left = size - _HEAD_OF_LARGE
        while left > 0:
            if self._channel.receive(min(left, 1 << 16), self._options.frame_timeout_s) is None:
                raise ConnectionError("it hung up within a frame")
            left -= 1 << 16

    def _complain(self, message: Message, said: str) -> None:
        # Whatever a client calls a method must not become a line, or a kind of line, of its own.
        name = message.name if message.name in METHODS else "an unknown method"
        self._complaints.say(name, f"{self._peer}: {name}: {said}")


def _told(error: Exception) -> str:
    if isinstance(error, WireError):
        return error.message
    if isinstance(error, ssl.SSLError):
        return f"TLS: {(error.reason or str(error)).lower().replace('_', ' ')}"
    strerror = getattr(error, "strerror", None)
    return strerror.lower() if strerror else str(error)


def _unknown(name: str) -> tuple[Kind, list[Part]]:
    if name in WRITING:
        said = "the gateway reads only: write with INSERT INTO in an %%aerosql cell with --write"
        return Kind.REPLY, error_body(ServiceError(said))
    return Kind.EXCEPTION, [_exception(Fault.UNKNOWN_METHOD, f"there is no method {name!r:.80}")]


def _exception(fault: Fault, message: str) -> bytes:
    return thrift.exception_body(fault, message)


def _foreign(header: bytearray) -> str:
    """Say what a client speaks instead, if that is plain."""
    if header[0] == 0x16 and header[1] == 3:
        return " but TLS; this gateway listens in clear"
    if header[0] == 0x80 and header[1] == 1:
        return " but Thrift without frames; set transport=FRAMED"
    if all(32 <= byte < 127 for byte in header):
        return f" but text, {bytes(header).decode()!r}"
    return ""

"""Which request runs when: threads shared by all connections, within the bounds of `GatewayOptions`.

A request is *admitted* before its bytes are read, *runs* when a thread and room for its reply are there, and is
*released* when its reply has been sent, or never will be. Room for a reply is what its client asked for at most; it is
corrected when the reply is known, and a request whose connection holds nothing always has room, so that a large one is
not left behind. Connections take turns. Requests for rows never take the last threads: tables can be listed meanwhile.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aerospike_magic.gateway.bounds import GatewayOptions

log = logging.getLogger("aerospike_magic.gateway")

_SPARE_THREADS = 8


@dataclass(eq=False, slots=True)
class Claim:
    """What one connection takes of the whole.

    Attributes:
        in_flight: requests admitted and not released.
        held: bytes of replies, to come or to be sent.
        is_closed: whether its client is gone: nothing of it is run any more.
    """

    in_flight: int = 0
    held: int = 0
    is_closed: bool = False
    quick: deque[Request] = field(default_factory=deque)
    rows: deque[Request] = field(default_factory=deque)


@dataclass(eq=False, slots=True)
class Request:
    """A request that was admitted.

    Attributes:
        claim: its connection's.
        n_bytes: its size.
        reply_bytes: how large its reply may become.
        is_rows: whether it is one for rows.
        work: what it does, on a thread of the dispatcher; must not raise.
        held: the room that it takes, 0 before it runs.
        is_released: whether it has given back all that it took.
    """

    claim: Claim
    n_bytes: int
    reply_bytes: int = 0
    is_rows: bool = False
    work: Callable[[Request], Any] = print
    held: int = 0
    is_released: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """What a gateway is busy with.

    Attributes:
        connections: clients connected.
        in_flight: requests read and not yet answered.
        running: of these, on a thread.
        held_bytes: of replies, to come or to be sent.
    """

    connections: int
    in_flight: int
    running: int
    held_bytes: int


class Dispatcher:
    """Runs requests.

    Args:
        options: the bounds.
        name: of its threads.
    """

    def __init__(self, options: GatewayOptions, name: str = "aerospike-magic-gateway") -> None:
        self._options = options
        self._name = name
        self._lock = threading.Lock()
        self._runnable = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._turns: deque[Claim] = deque()
        self._threads: list[threading.Thread] = []
        self._n_idle = 0
        self._in_flight = 0
        self._request_bytes = 0
        self._held = 0
        self._running = 0
        self._running_rows = 0
        self._is_closed = False

    def admit(self, claim: Claim, n_bytes: int) -> Request | None:
        """Wait until a request of that size may be read.

        Returns:
            The request, to be submitted or released; None if its connection or the gateway is closed.
        """
        with self._lock:
            while not (self._is_closed or claim.is_closed):
                if self._may_admit(claim, n_bytes):
                    claim.in_flight += 1
                    self._in_flight += 1
                    self._request_bytes += n_bytes
                    return Request(claim, n_bytes)
                self._room.wait()
            return None

    def submit(self, request: Request) -> None:
        """Run a request as soon as there is room for it."""
        claim = request.claim
        with self._lock:
            if self._is_closed or claim.is_closed:
                self._release(request)
                return
            if not claim.quick and not claim.rows:
                self._turns.append(claim)
            (claim.rows if request.is_rows else claim.quick).append(request)
            self._wake()

    def settle(self, request: Request, reply_bytes: int) -> None:
        """Correct the room that a request's reply takes."""
        with self._lock:
            if not request.is_released:
                self._hold(request, reply_bytes - request.held)
            self._wake()

    def release(self, request: Request) -> None:
        """Give back all that a request takes."""
        with self._lock:
            self._release(request)

    def close_claim(self, claim: Claim) -> None:
        """Forget the requests of a connection that do not run yet."""
        with self._lock:
            claim.is_closed = True
            for request in (*claim.quick, *claim.rows):
                self._release(request)
            if claim in self._turns:  # it is not once the gateway has been closed
                self._turns.remove(claim)
            claim.quick.clear()
            claim.rows.clear()
            self._room.notify_all()

    def load(self, connections: int) -> Load:
        """Return what it is busy with."""
        with self._lock:
            return Load(connections, self._in_flight, self._running, self._held)

    def close(self) -> None:
        """Run nothing more; what runs is not waited for, see `join`."""
        with self._lock:
            self._is_closed = True
            self._turns.clear()
            self._room.notify_all()
            self._runnable.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Wait for the threads; whether all have ended."""
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _may_admit(self, claim: Claim, n_bytes: int) -> bool:
        options = self._options
        return (
            claim.in_flight < options.max_in_flight
            and self._in_flight < options.max_in_flight_total
            and self._request_bytes + n_bytes <= options.max_request_bytes
        )

    def _wake(self) -> None:
        """See to it that a thread looks for what may run."""
        if self._n_idle:
            self._runnable.notify()
        elif self._turns and len(self._threads) < self._options.max_running + _SPARE_THREADS:
            number = len(self._threads) + 1
            thread = threading.Thread(target=self._run, name=f"{self._name}-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self) -> None:
        while True:
            with self._lock:
                while (request := self._next()) is None:
                    if self._is_closed:
                        return
                    self._n_idle += 1
                    self._runnable.wait()
                    self._n_idle -= 1
                # There may be more than one thread can do.
                self._wake()
            try:
                request.work(request)
            except Exception:
                log.exception("a request was lost")
                self.release(request)
            finally:
                with self._lock:
                    self._running -= 1
                    self._running_rows -= request.is_rows
                    del request

    def _next(self) -> Request | None:
        """Take the next request that may run, with its room."""
        for _ in range(len(self._turns)):
            claim = self._turns[0]
            self._turns.rotate(-1)
            queue = claim.quick or (claim.rows if claim.rows and self._has_room(claim.rows[0]) else None)
            if queue is None:
                continue
            request = queue.popleft()
            if not claim.quick and not claim.rows:
                self._turns.remove(claim)
            self._running += 1
            self._running_rows += request.is_rows
            self._hold(request, request.reply_bytes)
            return request
        return None

    def _has_room(self, request: Request) -> bool:
        options, claim = self._options, request.claim
        if self._running_rows >= options.max_running:
            return False
        if claim.held and claim.held + request.reply_bytes > options.max_unsent_bytes:
            return False
        return not self._held or self._held + request.reply_bytes <= options.max_unsent_bytes_total

    def _hold(self, request: Request, n_bytes: int) -> None:
        request.held += n_bytes
        request.claim.held += n_bytes
        self._held += n_bytes

    def _release(self, request: Request) -> None:
        if request.is_released:
            return
        request.is_released = True
        self._hold(request, -request.held)
        request.claim.in_flight -= 1
        self._in_flight -= 1
        self._request_bytes -= request.n_bytes
        self._room.notify_all()
        self._wake()

"""A gateway of several processes: they share one address, and each has a port of its own that splits can name.

This process opens all sockets and lends them to its children, so that an address stays while a child is started again:
clients that come meanwhile wait in its queue. Children end with this process, however it dies, for their standard input
ends then; what they must know, secrets among it, goes through that pipe.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from types import TracebackType
from typing import Any

from aerospike_magic.connection.hosts import format_address
from aerospike_magic.errors import GatewayError
from aerospike_magic.gateway.bounds import GatewayOptions
from aerospike_magic.gateway.messages import HostAddress
from aerospike_magic.gateway.opening import AEROSPIKE
from aerospike_magic.gateway.server import open_listener
from aerospike_magic.gateway.tls import check_protection, protection, server_context

log = logging.getLogger("aerospike_magic.gateway")

MAX_PROCESSES = 64
_LOOK_EVERY_S = 0.2
_STOP_S = 0.6
_LONGEST_PAUSE_S = 30.0
_LOG_FORMAT = "%(asctime)s %(levelname)s [%(process)d] %(message)s"
_WILDCARDS = ("0.0.0.0", "::", "")


class GatewayProcesses:
    """Runs a gateway in child processes.

    Args:
        settings: what the service is opened from, see `opening.as_settings`.
        listen: host and port, 0 for a free one.
        n: how many processes.
        options: the bounds of each of them, and the protection.
        advertise: the host by which clients reach the processes' own ports; by default that of `listen`. None while
            that is a wildcard: splits then name no process, and the shared address decides.
        factory: what opens the service, `module:function`.
        timeout_s: seconds for a process to begin to serve; on a new machine it compiles kernels first.

    Attributes:
        host, port: the shared address.
        hosts: the processes' own addresses; none with one process.

    Raises:
        GatewayError: certificates cannot be used, nothing would protect the address, or the number makes no sense.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        listen: tuple[str, int] = ("127.0.0.1", 0),
        n: int = 1,
        options: GatewayOptions | None = None,
        *,
        advertise: str | None = None,
        factory: str = AEROSPIKE,
        timeout_s: float = 180.0,
    ) -> None:
        if not 1 <= n <= MAX_PROCESSES:
            raise GatewayError(f"a gateway has 1 to {MAX_PROCESSES} processes, not {n}")
        self.host, self.port = listen
        self.hosts: tuple[HostAddress, ...] = ()
        self._settings = settings
        self._n = n
        self._options = options or GatewayOptions()
        self._advertise = advertise or (None if self.host in _WILDCARDS else self.host)
        self._factory = factory
        self._timeout_s = timeout_s
        self._sockets: list[socket.socket] = []
        self._children: list[_Child] = []
        self._ending = threading.Event()
        self._watcher: threading.Thread | None = None
        check_protection(self.host, self._options)
        server_context(self._options)

    @property
    def address(self) -> str:
        """`host:port`, shared by all processes."""
        return format_address(self.host, self.port)

    @property
    def protection(self) -> str:
        """Who can read through it, and what it cannot protect."""
        return protection(self.host, self._options)

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that run."""
        return tuple(child.process.pid for child in self._children)

    def start(self) -> GatewayProcesses:
        """Start all processes, and wait until they serve.

        Raises:
            GatewayError: the address cannot be had, or a process cannot serve.
        """
        try:
            self._sockets = [open_listener(self.host, self.port)]
            self.port = self._sockets[0].getsockname()[1]
            if self._n > 1:
                self._sockets += [open_listener(self.host, 0) for _ in range(self._n)]
            if self._advertise is not None:
                self.hosts = tuple(HostAddress(self._advertise, s.getsockname()[1]) for s in self._sockets[1:])
            self._children = [_Child(self._order(number), self._lent(number)) for number in range(self._n)]
            for child in self._children:
                child.wait_until_ready(self._timeout_s)
        except BaseException:
            self.close()
            raise
        self._watcher = threading.Thread(target=self._watch, name="aerospike-magic-gateway-watch", daemon=True)
        self._watcher.start()
        return self

    def close(self) -> None:
        """End all processes, within a second."""
        self._ending.set()
        if self._watcher is not None:
            self._watcher.join()
        for child in self._children:
            child.let_end()
        deadline = time.monotonic() + _STOP_S
        for child in self._children:
            child.end(max(0.0, deadline - time.monotonic()))
        for listener in self._sockets:
            listener.close()
        self._children, self._sockets = [], []

    def _lent(self, number: int) -> list[int]:
        return [listener.fileno() for listener in (self._sockets[0], *self._sockets[1 + number : 2 + number])]

    def _order(self, number: int) -> dict[str, Any]:
        options = asdict(self._options)
        for name in ("tls_certfile", "tls_keyfile", "tls_client_cafile"):
            # A child has the same working directory, but a path object is no JSON.
            options[name] = options[name] and os.fspath(options[name])
        return {
            "factory": self._factory,
            "settings": self._settings,
            "options": options,
            "hosts": [(host.host, host.port) for host in self.hosts],
            "sockets": self._lent(number),
            "log_level": logging.getLogger("aerospike_magic").getEffectiveLevel(),
            "log_format": _LOG_FORMAT,
        }

    def _watch(self) -> None:
        """Start again what ends unasked; what cannot stay alive, ever more rarely."""
        while not self._ending.wait(_LOOK_EVERY_S):
            for number, child in enumerate(self._children):
                if child.process.poll() is None or time.monotonic() < child.not_before:
                    continue
                log.warning("a process ended (%s); it is started again", _ending(child.process.returncode))
                child.end(0.0)
                again = _Child(self._order(number), self._lent(number))
                again.pause_s = min(_LONGEST_PAUSE_S, 2 * child.pause_s)
                again.not_before = time.monotonic() + again.pause_s
                self._children[number] = again

    def __enter__(self) -> GatewayProcesses:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _Child:
    """One process.

    Args:
        order: what it is told.
        sockets: that it inherits.

    Attributes:
        pause_s, not_before: when it is started again, should it end.
    """

    def __init__(self, order: dict[str, Any], sockets: list[int]) -> None:
        self.pause_s = 0.5
        self.not_before = 0.0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "aerospike_magic.gateway.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None,
            pass_fds=sockets,
            # An interrupt goes to the whole process group of a terminal; this process decides what it means.
            process_group=0,
        )
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # what it has to say is on its standard output
            self.process.stdin.write(json.dumps(order).encode() + b"\n")
            self.process.stdin.flush()

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait for its answer."""
        assert self.process.stdout is not None
        watch = threading.Timer(timeout_s, self.process.kill)
        watch.start()
        try:
            line = self.process.stdout.readline()
        finally:
            watch.cancel()
        answer = json.loads(line) if line.startswith(b"{") else {}
        if "error" in answer:
            raise GatewayError(answer["error"], hint=answer["hint"])
        if "ready" not in answer:
            raise GatewayError(f"a process of the gateway did not start ({_ending(self.process.wait())})")

    def let_end(self) -> None:
        """Tell it to end."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()

    def end(self, timeout_s: float) -> None:
        """See to it that it has ended."""
        self.let_end()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def _ending(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"

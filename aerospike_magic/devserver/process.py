"""The server as a child process with a context manager, for tests, benchmarks and notebooks."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType

from aerospike_magic.devserver.accounts import account_environment
from aerospike_magic.devserver.orders import ClusterControl
from aerospike_magic.errors import DevServerError


class DevServer:
    """Starts a development server as a child process and stops it on exit.

    The child also ends when this process dies, however it dies.

    Args:
        namespaces: namespaces to have.
        demo: load the flight data into namespace `demo`.
        synthetic: put so many made-up records of 7 bins into `test.bench`.
        load: files to load, each as `FILE:namespace.set[:keycolumn]`.
        port: port to listen on, 0 for a free one.
        host: address to listen on.
        nodes: how many nodes the cluster has.
        data: a directory that keeps the data over restarts; None for memory only.
        max_record_size: bytes of the largest record, 64 to 8 MiB; None for a server's default, 1 MiB.
        users: who may log in, name → password, or name → (password, roles with commas); logins are demanded if given.
        session_ttl_s: seconds a login's token lives, a day by default.
        tls_certfile, tls_keyfile: PEM files of the server's certificate and its key; it speaks TLS only if given.
        tls_cafile: PEM file of the authorities of client certificates, which are demanded if given.
        tls_name: the name told to clients; the certificate's by default.
        timeout_s: how long loading and starting may take.

    Attributes:
        host, port: the first node's address.
        ports: all nodes' ports.
        control: stops nodes, moves partitions and makes the network bad, for tests.

    Raises:
        DevServerError: it did not start.

    Example:
        >>> with DevServer(namespaces=("test",)) as server:
        ...     print(server.host)
        127.0.0.1
    """

    def __init__(
        self,
        namespaces: str | Sequence[str] = ("test", "demo"),
        *,
        demo: bool = False,
        synthetic: int = 0,
        load: str | Sequence[str] = (),
        port: int = 0,
        host: str = "127.0.0.1",
        nodes: int = 1,
        data: str | os.PathLike[str] | None = None,
        max_record_size: int | None = None,
        users: Mapping[str, str | tuple[str, str]] | None = None,
        session_ttl_s: int | None = None,
        tls_certfile: str | os.PathLike[str] | None = None,
        tls_keyfile: str | os.PathLike[str] | None = None,
        tls_cafile: str | os.PathLike[str] | None = None,
        tls_name: str | None = None,
        timeout_s: float = 120.0,
    ) -> None:
        self.host = host
        self.port = port
        self.ports: list[int] = []
        self.control = ClusterControl(self._ask)
        self._lock = threading.Lock()
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[str] | None = None
        self._arguments = ["--host", host, "--port", str(port), "--watch-stdin", "--quiet"]
        for name in [namespaces] if isinstance(namespaces, str) else namespaces:
            self._arguments += ["--namespace", name]
        if nodes != 1:
            self._arguments += ["--nodes", str(nodes)]
        if max_record_size is not None:
            self._arguments += ["--max-record-size", str(max_record_size)]
        if demo:
            self._arguments.append("--demo")
        if synthetic:
            self._arguments += ["--synthetic", str(synthetic)]
        if data is not None:
            self._arguments += ["--data", os.fspath(data)]
        for source in [load] if isinstance(load, str) else load:
            self._arguments += ["--load", source]
        self._passwords: dict[str, str] = {}
        if users is not None:
            if not isinstance(users, Mapping):
                raise DevServerError("users is no mapping", hint='users={"name": "password"} or ("password", "roles")')
            given = {name: (is_, "") if isinstance(is_, str) else is_ for name, is_ in users.items()}
            arguments, self._passwords = account_environment(given)
            self._arguments += arguments
        options = {
            "--session-ttl": session_ttl_s,
            "--tls-certfile": tls_certfile,
            "--tls-keyfile": tls_keyfile,
            "--tls-cafile": tls_cafile,
            "--tls-name": tls_name,
        }
        for option, value in options.items():
            if value is not None:
                self._arguments += [option, str(value)]

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{self.host}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The child's process id, None when it does not run."""
        return None if self._process is None else self._process.pid

    def start(self) -> DevServer:
        """Start the child and wait until it serves."""
        if self._process is not None:
            raise DevServerError("the server runs already")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "aerospike_magic.devserver", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None,
            text=True,
            env={**os.environ, **self._passwords},
            # A notebook's interrupt goes to the whole process group; the server is not what the user means by it.
            process_group=0,
        )
        assert self._process.stdout is not None
        watch = threading.Timer(self._timeout_s, self._process.kill)
        watch.start()
        began = time.monotonic()
        try:
            line = self._process.stdout.readline().split()
        except BaseException:
            # An interrupted cell must not leave a server behind that nobody can stop.
            self._process.kill()
            self.stop()
            raise
        finally:
            watch.cancel()
        if len(line) < 3:
            code = self._process.wait()
            self.stop()
            if time.monotonic() - began >= self._timeout_s:
                raise DevServerError(
                    f"the development server was not ready within {self._timeout_s:g} s", hint="raise timeout_s"
                )
            raise DevServerError(
                f"the development server did not start (exit code {code})", hint="its messages are above"
            )
        self.ports = [int(port) for port in line[2:]]
        self.port = self.ports[0]
        return self

    def stop(self) -> None:
        """Stop the child; nothing happens if it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            process.terminate()
        try:
            # With data to send to the disk, that may take its time.
            process.wait(timeout=60 if "--data" in self._arguments else 5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _ask(self, line: str) -> str:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise DevServerError("the server does not run")
        with self._lock:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

    def __enter__(self) -> DevServer:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

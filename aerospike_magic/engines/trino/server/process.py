"""A Trino or Presto on this machine, on the loopback address, for as long as its owner wants it.

A launcher (`launcher.py`) stands between this process and Java: whatever becomes of this process, Java ends within
seconds and its folder goes. The server is ready when it says so, answers with the name that it was given here (another
program may have taken the port meanwhile) and has run a query.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from aerospike_magic.engines.trino.server.asking import ask_info, run_query
from aerospike_magic.engines.trino.server.catalogs import Catalogs, all_catalogs
from aerospike_magic.engines.trino.server.fetch import OnProgress, ServerProgress, fetch_server
from aerospike_magic.engines.trino.server.java import find_java, java_version
from aerospike_magic.engines.trino.server.releases import Release, find_release
from aerospike_magic.engines.trino.server.settings import LOOPBACK, heap_bytes, java_command, write_settings
from aerospike_magic.engines.trino.server.words import last_words
from aerospike_magic.errors import EngineServerError

N_PORTS = 3
STOP_S = 10.0
_LINES = 500
_POLL_S = 0.2


class _PortTaken(Exception):
    """Another program took the port between our look and the server's."""


class LocalServer:
    """A server that runs here; `LocalServer.start()` makes one.

    It ends with `stop`, with the block of a `with`, with this process at the latest, however that ends.

    Attributes:
        kind: "trino" or "presto".
        version: its version.
        host, port: where it listens; the loopback address, and nothing listens elsewhere.
        heap: bytes of heap that it may have.
        catalogs: names of its catalogs.
    """

    host = LOOPBACK

    def __init__(self, release: Release, port: int, heap: int, catalogs: Sequence[str]) -> None:
        self.kind = release.kind
        self.version = release.version
        self.port = port
        self.heap = heap
        self.catalogs = tuple(catalogs)
        self._title = f"{release.title} {release.version}"
        self._log: deque[str] = deque(maxlen=_LINES)
        self._folder: Path | None = None
        self._launcher: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._lock = threading.Lock()

    @classmethod
    def start(
        cls,
        kind: str = "trino",
        catalogs: Catalogs | None = None,
        *,
        port: int = 0,
        memory: int | None = None,
        timeout_s: float = 300.0,
        on_progress: OnProgress | None = None,
    ) -> LocalServer:
        """Start a server, fetched first if it is not on this machine, and wait until it answers queries.

        Args:
            kind: "trino" or "presto".
            catalogs: name → properties of its catalogs; `tpch` and `memory` are added.
            port: where to listen, 0 for a free port.
            memory: bytes of heap, at least 512 MB; None for a quarter of the machine's memory, 2 GB at most.
            timeout_s: how long the start may take, without the download.
            on_progress: is told of download, unpacking and start, in this thread; the first call tells the size.

        Returns:
            The server, ready.

        Raises:
            EngineServerError: it cannot be fetched, has no Java, or does not start; `details` is the end of its log.
        """
        release = find_release(kind)
        checked = all_catalogs(catalogs, release)
        if memory is not None and memory < 512 << 20:
            raise EngineServerError(f"{release.title} cannot run in {memory:,} bytes", hint="give 512 MB at least")
        java = find_java(release)
        home = fetch_server(kind, on_progress)
        if on_progress is not None:
            on_progress(ServerProgress("start", f"{release.title} {release.version}"))
        deadline = time.monotonic() + timeout_s
        for _ in range(1 if port else N_PORTS):
            with contextlib.suppress(_PortTaken):
                server = cls(release, _find_port(port), memory or heap_bytes(), list(checked))
                server._run(release, java, home, checked, deadline)
                if on_progress is not None:
                    on_progress(ServerProgress("ready", server._title))
                return server
        raise EngineServerError(f"port {port} is taken" if port else "no port is free", hint="choose another port")

    @property
    def url(self) -> str:
        """Its address, `http://127.0.0.1:PORT`."""
        return f"http://{self.host}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The launcher's process id, whose child Java is; None when it does not run."""
        return None if self._launcher is None else self._launcher.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._launcher is not None and self._launcher.poll() is None

    @property
    def log_tail(self) -> str:
        """The last lines of its log."""
        return "\n".join(self._log)

    def stop(self) -> None:
        """Stop it, within seconds; nothing happens if it does not run."""
        with self._lock:
            launcher, self._launcher = self._launcher, None
            if launcher is None:
                return
            _end(launcher)
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)  # should the launcher have been killed
            if self._reader is not None:
                self._reader.join(STOP_S)
            if launcher.stdout is not None:
                launcher.stdout.close()
            _running.discard(self)

    def _run(
        self, release: Release, java: Path, home: Path, catalogs: dict[str, dict[str, str]], deadline: float
    ) -> None:
        """Start Java and wait until it is ready; leave nothing behind if it does not get that far."""
        environment = f"aerospike_magic_{secrets.token_hex(6)}"
        folder = Path(tempfile.mkdtemp(prefix=f"aerospike-magic-{self.kind}-"))
        try:
            write_settings(folder, release, home, self.port, environment, catalogs)
            command = java_command(java, release, home, folder, self.heap, java_version(java) or release.java[0])
            launcher = _launch(folder, command)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)  # the launcher, which would do it, does not run
            raise
        self._launcher, self._folder = launcher, folder
        _running.add(self)
        self._reader = threading.Thread(target=self._read_log, args=(launcher,), name="server-log", daemon=True)
        self._reader.start()
        try:
            self._wait(environment, deadline)
        except BaseException:
            self.stop()
            raise

    def _read_log(self, launcher: subprocess.Popen[str]) -> None:
        assert launcher.stdout is not None
        with contextlib.suppress(ValueError, OSError):  # closed
            for line in launcher.stdout:
                self._log.append(line.rstrip("\n"))

    def _wait(self, environment: str, deadline: float) -> None:
        launcher = self._launcher
        assert launcher is not None
        while time.monotonic() < deadline:
            if launcher.poll() is not None:
                raise self._failure("did not start")
            info = ask_info(self.host, self.port)
            if info is not None and info.get("environment") != environment:
                raise _PortTaken
            if info is not None and info.get("starting") is False and self._runs_queries():
                return
            time.sleep(_POLL_S)
        raise self._failure("was not ready in time")

    def _runs_queries(self) -> bool:
        # One that reads a table: the coordinator answers others before any node is known to it.
        return run_query(self.kind, self.host, self.port, "SELECT count(*) FROM tpch.tiny.region") == [[5]]

    def _failure(self, what: str) -> Exception:
        """Say what went wrong; called when the server has ended or has had its time."""
        if self._reader is not None and not self.is_running:
            self._reader.join(STOP_S)
        lines = list(self._log)
        if any("Address already in use" in line for line in lines):
            return _PortTaken()
        said = last_words(lines)
        error = EngineServerError(f"{self._title} {what}: {said}", hint="a catalog's properties, or more memory?")
        error.details = "\n".join(lines)
        return error

    def __repr__(self) -> str:
        return f"<LocalServer {self._title} {self.url}{'' if self.is_running else ' stopped'}>"

    def __enter__(self) -> LocalServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


# Flags for the user's own Java programs are not meant for this one.
_NOT_FOR_JAVA = frozenset({"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH"})

_running: weakref.WeakSet[LocalServer] = weakref.WeakSet()
"""What is to be stopped when the interpreter ends: the launcher would do it, but later."""


@atexit.register
def _stop_all() -> None:
    for server in list(_running):
        server.stop()


def _launch(folder: Path, command: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(Path(__file__).with_name("launcher.py")), str(folder), *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={name: value for name, value in os.environ.items() if name not in _NOT_FOR_JAVA},
        # A notebook's interrupt goes to the whole process group; the server is not what the user means by it.
        process_group=0,
    )


def _end(launcher: subprocess.Popen[str]) -> None:
    """End the launcher by closing its input; it ends Java. What takes too long is killed."""
    assert launcher.stdin is not None
    with contextlib.suppress(OSError):
        launcher.stdin.close()
    try:
        launcher.wait(STOP_S)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(OSError):
            os.killpg(launcher.pid, signal.SIGKILL)
        launcher.wait()


def _find_port(port: int) -> int:
    """Return the port if it can be listened on, a free one for 0."""
    with socket.socket() as probe:
        if port:  # one that was just left can be taken, as Java does
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OverflowError:
            raise EngineServerError(f"{port} is no port", hint="1 to 65535, or 0 for a free one") from None
        except OSError:
            raise _PortTaken from None
        return int(probe.getsockname()[1])

"""How far a task is, told to the notebook while it runs.

A cell gives its scans an address. The planning process and each process that runs tasks open one TCP connection to it
(a gateway, one to each of its notebooks) and send lines of JSON. What cannot be told is left untold: a task neither
waits for the notebook nor fails for it. The notebook answers with nothing but the wish that a query ends, which a task
hears at its next report, so that a scan lets go of the cluster at once, whatever the engine's own patience with its
tasks is.

A line is ``{"token", "reference", "scan", "kind": "plan" | "task" | "written", …}``; `planned` and `reported` say
what else.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
import uuid
import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from aerospike_magic.errors import ConfigError, ScanCancelled
from aerospike_magic.filters.access import KeyLookup, Nothing
from aerospike_magic.scan import Mismatch, ScanPlan
from aerospike_magic.scan.progress import N_PARTITIONS, ScanProgress

_PATIENCE_S = 0.5
_AGAIN_AFTER_S = 5.0
_MOST_MISMATCHES = 200
_IDLE_S = 300.0
_MOST_CANCELLED = 1_000


@dataclass(frozen=True, slots=True)
class ProgressAddress:
    """Where the progress of a query is told, as the option ``host:port/token/reference`` says it.

    Attributes:
        host, port: of the notebook.
        token: says which query, and that the teller belongs to it.
        reference: which of the statement's tables is read.
    """

    host: str
    port: int
    token: str
    reference: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.token}/{self.reference}"

    @classmethod
    def parse(cls, text: str) -> ProgressAddress:
        """Read the option.

        Raises:
            ConfigError: it is of another form.
        """
        try:
            place, token, reference = text.split("/")
            host, _, port = place.rpartition(":")
            return cls(host, int(port), token, int(reference))
        except ValueError:
            raise ConfigError(
                "aerospike.progress is not of the form host:port/token/number", hint="leave it out: cells set it"
            ) from None


class TaskTeller:
    """Tells how far one task is.

    Args:
        address: where to.
        scan: the scan that the task belongs to.
        task: its number, 0-based.
        modulus: tasks that share each of its partitions.
    """

    def __init__(self, address: ProgressAddress, scan: str, task: int, modulus: int) -> None:
        self._address = address
        self._head = {"scan": scan, "kind": "task", "task": task, "attempt": uuid.uuid4().hex, "modulus": modulus}

    def tell(self, progress: ScanProgress) -> None:
        """Send a snapshot of the task's scan; its last one is left to `finish`.

        Raises:
            ScanCancelled: the notebook wants the query to end.
        """
        if progress.is_finished:
            return
        channel = _channel(self._address.host, self._address.port)
        if channel.is_cancelled(self._address.token):
            raise ScanCancelled("the query was stopped in the notebook")
        channel.send(self._address, self._head | reported(progress))

    def finish(self, progress: ScanProgress, mismatches: Sequence[Mismatch]) -> None:
        """Send the last snapshot, with all that did not fit."""
        channel = _channel(self._address.host, self._address.port)
        channel.send(self._address, self._head | reported(progress, mismatches))


def tell_plan(address: ProgressAddress, scan: str, plan: ScanPlan, n_tasks: int, task_name: str) -> None:
    """Tell what a scan will do; called once, where it is planned.

    Args:
        address: where to.
        scan: its name, which its tasks tell too.
        plan: the scan, of the whole set.
        n_tasks: how many tasks it has.
        task_name: what the engine calls them, for people, such as "Spark tasks".
    """
    message = {"scan": scan, "kind": "plan", "tasks": n_tasks, "task_name": task_name} | planned(plan)
    _channel(address.host, address.port).send(address, message)


def tell_written(address: ProgressAddress, rows: int) -> None:
    """Tell how many rows a query has written; called once, where its tasks' work is committed."""
    message = {"scan": "", "kind": "written", "rows": rows}
    _channel(address.host, address.port).send(address, message)


def planned(plan: ScanPlan) -> dict[str, Any]:
    """Return what a plan's line says of it: the arguments of a `ScanExplanation`, and the name of the access path."""
    return {
        "namespace": plan.namespace,
        "set": plan.set_name,
        "path": plan.access_text,
        "access": plan.access.describe(),
        "pushed": plan.pushed,
        "residual": plan.residual,
        "columns": [column.name for column in plan.decoded],
        "partitions": 0 if isinstance(plan.access, KeyLookup | Nothing) else N_PARTITIONS,
        "objects": plan.objects,
        "estimated": plan.estimated_rows,
        "details": plan.describe(),
        "throttled": plan.options.records_per_second > 0,
    }


def reported(progress: ScanProgress, mismatches: Sequence[Mismatch] = ()) -> dict[str, Any]:
    """Return what a task's line says of a snapshot."""
    return {
        "state": progress.state,
        "states": base64.b64encode(zlib.compress(progress.partitions, 1)).decode(),
        "scanned": progress.scanned,
        "records": progress.records,
        "returned": progress.returned,
        "bytes": progress.n_bytes,
        "retries": progress.retries,
        "nodes": [[node.name, node.records, node.n_bytes] for node in progress.nodes],
        "mismatches": [[m.bin, m.count, m.example, m.kind] for m in mismatches[:_MOST_MISMATCHES]],
    }


class _Channel:
    """One process's connection to a notebook; safe to use from several threads."""

    def __init__(self, host: str, port: int) -> None:
        self._place = (host, port)
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._failed_at: float | None = None
        self._heard = b""
        self._cancelled: deque[str] = deque(maxlen=_MOST_CANCELLED)

    def __del__(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def close(self) -> None:
        """Hang up; what is told later connects again."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
            self._socket = None

    def send(self, address: ProgressAddress, message: dict[str, Any]) -> None:
        line = json.dumps({"token": address.token, "reference": address.reference} | message) + "\n"
        with self._lock:
            sock = self._connected()
            if sock is None:
                return
            try:
                sock.sendall(line.encode())
            except OSError:
                self._give_up()

    def is_cancelled(self, token: str) -> bool:
        with self._lock:
            if self._socket is not None:
                try:
                    self._socket.setblocking(False)
                    self._heard += self._socket.recv(4096)
                except OSError:
                    pass  # nothing to hear; that the notebook is gone shows when something is sent
                finally:
                    self._socket.settimeout(_PATIENCE_S)
                *lines, self._heard = self._heard.split(b"\n")
                self._cancelled.extend(line.decode("ascii", "replace") for line in lines)
            return token in self._cancelled

    def _connected(self) -> socket.socket | None:
        if self._socket is None and (self._failed_at is None or time.monotonic() - self._failed_at > _AGAIN_AFTER_S):
            try:
                self._socket = socket.create_connection(self._place, _PATIENCE_S)
            except OSError:
                self._failed_at = time.monotonic()
        return self._socket

    def _give_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._failed_at = None, time.monotonic()


class _Channels:
    """The channels of this process, each kept for as long as something is told through it now and then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: dict[tuple[str, int], tuple[float, _Channel]] = {}

    def to(self, host: str, port: int) -> _Channel:
        now = time.monotonic()
        with self._lock:
            idle = [place for place, (used_at, _) in self._used.items() if now - used_at > _IDLE_S]
            left = [self._used.pop(place)[1] for place in idle]
            _, channel = self._used.get((host, port)) or (now, _Channel(host, port))
            self._used[host, port] = now, channel
        for other in left:
            other.close()
        return channel


@lru_cache(maxsize=1)
def _channels() -> _Channels:
    return _Channels()


def _channel(host: str, port: int) -> _Channel:
    """The channel to a notebook."""
    return _channels().to(host, port)

"""The progress of queries whose tasks run elsewhere, put together again from what each task tells.

One thread listens for all queries of an engine; what does not begin with the token of a query that runs is hung up on.
A task counts once: an attempt that the engine gave up is replaced by the next, and of two that run at the same time the
first to end counts. Above 4,096 tasks several read slices of one partition, which is done when all of them are.
"""

from __future__ import annotations

import base64
import json
import secrets
import selectors
import socket
import threading
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from aerospike_magic.connection import PartitionMap
from aerospike_magic.engines.base import QueryProgressCallback, ScanExplanation
from aerospike_magic.scan.progress import (
    N_PARTITIONS,
    Mismatch,
    NodeProgress,
    PartitionState,
    ScanProgress,
    ScanState,
)
from aerospike_magic.scan.teller import ProgressAddress

_LONGEST_LINE = 1 << 20
_TOKEN_BYTES = 8
_TELL_EVERY_S = 0.1
_RATE_OVER_S = 1.0

PartitionMaps = Mapping[str, PartitionMap]
"""By namespace."""


class ProgressReceiver:
    """Listens for tasks on one address, for all queries of an engine.

    Args:
        bind: the address to listen on.
        advertised: the host that tasks connect to.
    """

    def __init__(self, bind: str = "127.0.0.1", advertised: str | None = None) -> None:
        self._socket = socket.create_server((bind, 0), backlog=256)
        self._socket.setblocking(False)
        self._host = advertised or bind
        self._port: int = self._socket.getsockname()[1]
        self._lock = threading.Lock()
        self._queries: dict[str, QueryProgress] = {}
        self._peers: dict[socket.socket, bytearray] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._listen, name="aerospike-magic-progress", daemon=True)
        self._thread.start()

    def open(self, maps: PartitionMaps, on_progress: QueryProgressCallback | None = None) -> QueryProgress:
        """Expect the progress of one more query.

        Args:
            maps: who owns which partition of the namespaces that are read.
            on_progress: called with a snapshot of each scan, about ten times a second.
        """
        query = QueryProgress(secrets.token_hex(_TOKEN_BYTES), self._host, self._port, maps, on_progress)
        with self._lock:
            self._queries[query.token] = query
        return query

    def forget(self, query: QueryProgress) -> None:
        """Expect nothing more of a query."""
        with self._lock:
            self._queries.pop(query.token, None)

    def cancel(self, query: QueryProgress) -> None:
        """Ask every task of a query to end."""
        order = f"{query.token}\n".encode()
        for peer in list(self._peers):
            with suppress(OSError):
                peer.send(order)

    def close(self) -> None:
        """Stop listening, and hang up on every task."""
        with suppress(OSError):
            self._wake.send(b"x")
        self._thread.join(2.0)

    def _listen(self) -> None:
        try:
            while True:
                for key, _ in self._selector.select():
                    if key.fileobj is self._woken:
                        return
                    if key.fileobj is self._socket:
                        self._accept()
                    else:
                        self._read(key.fileobj)  # type: ignore[arg-type]  # only sockets are registered
        finally:
            for sock in (*self._peers, self._socket, self._wake, self._woken):
                sock.close()
            self._selector.close()

    def _accept(self) -> None:
        try:
            peer, _ = self._socket.accept()
        except OSError:
            return
        peer.setblocking(False)
        self._peers[peer] = bytearray()
        self._selector.register(peer, selectors.EVENT_READ)

    def _read(self, peer: socket.socket) -> None:
        heard = self._peers[peer]
        try:
            received = peer.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        heard += received
        *lines, rest = heard.split(b"\n")
        # A task of a query that has ended may still tell; anything else that is not known is no task.
        is_welcome = bool(received) and len(rest) <= _LONGEST_LINE and all(map(self._take, lines))
        if is_welcome:
            self._peers[peer] = bytearray(rest)
            return
        self._selector.unregister(peer)
        del self._peers[peer]
        peer.close()

    def _take(self, line: bytearray) -> bool:
        try:
            message = json.loads(line)
            token = str(message["token"])
        except (ValueError, TypeError, KeyError):
            return False
        with self._lock:
            query = self._queries.get(token)
        if query is None:
            return len(token) == 2 * _TOKEN_BYTES
        try:
            query.take(message)
        except (ValueError, TypeError, KeyError, IndexError, zlib.error):
            return False
        return True


class QueryProgress:
    """The scans of one query, as their tasks tell.

    Args:
        token: that its tasks know.
        host, port: where they tell.
        maps: who owns which partition of the namespaces that are read.
        on_progress: called with a snapshot of each scan.

    Attributes:
        written: rows that the query has written, once all are.
    """

    def __init__(
        self,
        token: str,
        host: str,
        port: int,
        maps: PartitionMaps,
        on_progress: QueryProgressCallback | None,
    ) -> None:
        self.token = token
        self._place = (host, port)
        self._maps = maps
        self._on_progress = on_progress
        self._told_at = 0.0
        self._lock = threading.Lock()
        self._scans: dict[str, _Scan] = {}
        self._ended: tuple[ScanState, str] | None = None
        self._is_awaited = False
        self.written = 0

    def address(self, reference: int) -> str:
        """Return the option for the scans of one of the statement's tables."""
        self._is_awaited = True
        return str(ProgressAddress(*self._place, self.token, reference))

    def take(self, message: dict[str, Any]) -> None:
        """Take a line into account."""
        with self._lock:
            name = str(message["scan"])
            if message["kind"] == "plan":
                self._scans[name] = _Scan(message, self._maps[str(message["namespace"])])
            elif message["kind"] == "written":
                self.written += int(message["rows"])
            elif name in self._scans:
                self._scans[name].take(message)
        self._tell()

    def end(self, state: ScanState, error: str = "") -> None:
        """Say how the query ended; what is told later changes nothing."""
        with self._lock:
            self._ended = self._ended or (state, error)
            for scan in self._scans.values():
                scan.end()
        self._tell(at_once=True)

    def wait_for_plans(self, n: int, timeout_s: float) -> None:
        """Wait until `n` scans were planned, or no longer."""
        deadline = time.monotonic() + timeout_s
        while len(self.explanations) < n and time.monotonic() < deadline:
            time.sleep(0.005)

    @property
    def state(self) -> ScanState:
        """How the query ended, "running" before that."""
        return "running" if self._ended is None else self._ended[0]

    @property
    def is_settled(self) -> bool:
        """Whether every scan that was to tell anything has, and every task of theirs its end."""
        with self._lock:
            if any(scan.running for scan in self._scans.values()):
                return False
            # What a short task tells may still be on its way when the query's rows are all there.
            told = {scan.reference for scan in self._scans.values() if scan.has_begun}
            planned = {scan.reference for scan in self._scans.values()}
            return told >= planned and (bool(planned) or not self._is_awaited)

    @property
    def snapshots(self) -> tuple[ScanProgress, ...]:
        """A snapshot of each scan that has begun, in the order they were planned."""
        with self._lock:
            return tuple(scan.snapshot(self._ended) for scan in self._scans.values() if scan.has_begun)

    @property
    def untold(self) -> tuple[str, ...]:
        """The sets that were to be read of which no task has told anything."""
        with self._lock:
            # An engine may plan a scan again, and run one of the plans only.
            begun = {scan.reference for scan in self._scans.values() if scan.has_begun}
            return tuple(sorted({scan.table for scan in self._scans.values() if scan.reference not in begun}))

    @property
    def explanations(self) -> tuple[ScanExplanation, ...]:
        """How each scan was planned, in the order of the tables in the statement."""
        with self._lock:
            scans = sorted(self._scans.values(), key=lambda scan: scan.reference)
            return tuple(scan.explanation() for scan in scans)

    def _tell(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if self._on_progress is None or not (at_once or now - self._told_at >= _TELL_EVERY_S):
            return
        self._told_at = now
        snapshots = self.snapshots
        if snapshots:
            self._on_progress(snapshots)


@dataclass
class _Counts:
    """What tasks have read."""

    scanned: int = 0
    records: int = 0
    returned: int = 0
    n_bytes: int = 0
    retries: int = 0
    by_node: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, message: dict[str, Any]) -> None:
        """Add one task's."""
        self.scanned += int(message["scanned"])
        self.records += int(message["records"])
        self.returned += int(message["returned"])
        self.n_bytes += int(message["bytes"])
        self.retries += int(message["retries"])
        for name, records, n_bytes in message["nodes"]:
            before = self.by_node.get(name, (0, 0))
            self.by_node[name] = (before[0] + int(records), before[1] + int(n_bytes))


class _Scan:
    """One scan of a query."""

    def __init__(self, plan: dict[str, Any], partition_map: PartitionMap) -> None:
        self.plan = plan
        self.reference = int(plan["reference"])
        self.table = f"{plan['namespace']}.{plan['set']}"
        self.running: dict[int, dict[str, Any]] = {}
        self._map = partition_map
        self._done: set[int] = set()
        self._counts = _Counts()
        self._slices = np.ones(N_PARTITIONS, np.int32)
        self._slices_done = np.zeros(N_PARTITIONS, np.int32)
        self._mismatches: dict[tuple[str, str], Mismatch] = {}
        self._started_at = time.monotonic()
        self._ended_at: float | None = None
        self._last_rates: list[tuple[float, int]] = []

    @property
    def has_begun(self) -> bool:
        """Whether a task has told anything."""
        return bool(self.running or self._done)

    def take(self, message: dict[str, Any]) -> None:
        """Take a task's line into account."""
        task = int(message["task"])
        if task in self._done or self._ended_at is not None:
            return
        states = np.frombuffer(zlib.decompress(base64.b64decode(message["states"])), np.uint8)
        if len(states) != N_PARTITIONS:
            raise ValueError("not a state for each partition")
        message["states"] = states
        self._slices[states != PartitionState.NOT_ASKED] = int(message["modulus"])
        if message["state"] == "running" or message["state"] == "planning":
            self.running[task] = message
            return
        before = self.running.pop(task, message)
        if message["state"] == "failed" and before["attempt"] == message["attempt"]:
            return  # the engine runs the task again
        self._done.add(task)
        self._counts.add(message)
        self._slices_done += states == PartitionState.DONE
        for bin_name, count, example, kind in message["mismatches"]:
            known = self._mismatches.get((bin_name, kind))
            total = int(count) + (known.count if known is not None else 0)
            self._mismatches[bin_name, kind] = Mismatch(str(bin_name), total, str(example), kind)

    def end(self) -> None:
        """Stand still."""
        if self._ended_at is None:
            self._ended_at = time.monotonic()

    def snapshot(self, ended: tuple[ScanState, str] | None) -> ScanProgress:
        """Return the scan as it is now."""
        counts = replace(self._counts, by_node=dict(self._counts.by_node))
        for message in self.running.values():
            counts.add(message)
        partitions = self._partitions()
        elapsed_s = (self._ended_at or time.monotonic()) - self._started_at
        is_whole = len(self._done) >= int(self.plan["tasks"])
        state, error = ended or ("running", "")
        if state == "done" and not is_whole:
            state = "cancelled"
        found = ScanProgress(
            namespace=str(self.plan["namespace"]),
            set_name=str(self.plan["set"]),
            state=state,
            partitions=partitions.tobytes(),
            owners=np.maximum(self._map.owners, 0).astype(np.uint8).tobytes(),
            nodes=self._nodes(partitions, counts),
            scanned=counts.scanned,
            records=counts.records,
            returned=counts.returned,
            n_bytes=counts.n_bytes,
            elapsed_s=elapsed_s,
            records_per_s=self._rate(counts.scanned, elapsed_s),
            eta_s=None,
            retries=counts.retries,
            throttled=bool(self.plan["throttled"]),
            access=str(self.plan["path"]),
            pushed=str(self.plan["pushed"]),
            residual=str(self.plan["residual"]),
            columns=tuple(self.plan["columns"]),
            mismatches=tuple(self._mismatches.values()),
            error=error if state == "failed" else "",
        )
        fraction = found.fraction
        if state != "running" or not 0 < fraction < 1:
            return found
        return replace(found, eta_s=elapsed_s * (1 - fraction) / fraction)

    def explanation(self) -> ScanExplanation:
        """Return how it was planned."""
        plan = self.plan
        details = tuple((str(label), str(text)) for label, text in plan["details"])
        return ScanExplanation(
            table=self.table,
            access=str(plan["access"]),
            pushed=str(plan["pushed"]),
            residual=str(plan["residual"]),
            columns=tuple(plan["columns"]),
            partitions=int(plan["partitions"]),
            objects=int(plan["objects"]),
            estimated_rows=int(plan["estimated"]),
            details=(*details, (str(plan["task_name"]), f"{int(plan['tasks']):,}")),
        )

    def _partitions(self) -> npt.NDArray[np.uint8]:
        """The state of each partition over all tasks."""
        if int(self.plan["partitions"]) == 0:
            return np.zeros(N_PARTITIONS, np.uint8)
        states = np.full(N_PARTITIONS, PartitionState.WAITING, np.uint8)
        slices_done = self._slices_done.copy()
        for message in self.running.values():
            told: npt.NDArray[np.uint8] = message["states"]
            busy = (told != PartitionState.NOT_ASKED) & (told != PartitionState.WAITING)
            slices_done += told == PartitionState.DONE
            states[busy & (told != PartitionState.DONE)] = told[busy & (told != PartitionState.DONE)]
        needed = self._slices
        states[(slices_done > 0) & (slices_done < needed) & (states == PartitionState.WAITING)] = PartitionState.READING
        states[slices_done >= needed] = PartitionState.DONE
        return states

    def _nodes(self, partitions: npt.NDArray[np.uint8], counts: _Counts) -> tuple[NodeProgress, ...]:
        found = []
        is_asked = partitions != PartitionState.NOT_ASKED
        for index, node in enumerate(self._map.nodes):
            own = (self._map.owners == index) & is_asked
            records, n_bytes = counts.by_node.get(node.name, (0, 0))
            n_done = int(np.count_nonzero(partitions[own] == PartitionState.DONE))
            address = f"{node.host}:{node.port}"
            found.append(NodeProgress(node.name, address, int(np.count_nonzero(own)), n_done, records, n_bytes))
        return tuple(found)

    def _rate(self, scanned: int, elapsed_s: float) -> float:
        if self._ended_at is not None:
            return scanned / elapsed_s if elapsed_s > 0 else 0.0
        self._last_rates.append((elapsed_s, scanned))
        while len(self._last_rates) > 2 and elapsed_s - self._last_rates[0][0] > _RATE_OVER_S:
            self._last_rates.pop(0)
        (then_s, then), (now_s, now) = self._last_rates[0], self._last_rates[-1]
        return max(0.0, (now - then) / (now_s - then_s)) if now_s > then_s else 0.0

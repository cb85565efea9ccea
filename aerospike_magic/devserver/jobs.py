"""The queries that run and those that ran: what `query-show` tells and `query-abort` stops."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

KEPT = 100
"""Finished queries that are remembered, as many as a real server keeps by default."""

_STATUS = {0: "done(ok)", 9: "done(response-timeout)", 15: "done(user-aborted)"}


@dataclass(slots=True)
class QueryJob:
    """A query and its counters, read by others while it runs."""

    task_id: int
    namespace: str
    set_name: str
    n_partitions: int
    n_digests: int
    records_per_second: int
    client: str
    socket_timeout_ms: int
    index_name: str = ""
    is_background: bool = False
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None
    result: int = 0
    partitions_done: int = 0
    throttled: int = 0
    filtered_meta: int = 0
    filtered_bins: int = 0
    succeeded: int = 0
    failed: int = 0
    sent_bytes: int = 0
    sending_s: float = 0.0
    aborted: bool = False

    def describe(self) -> str:
        """The query as a record of `query-show`."""
        now = time.monotonic()
        total = self.n_partitions + self.n_digests
        done = 100.0 * self.partitions_done / total if total else 100.0
        if self.ended is None:
            status, ran, since = "active(ok)", now - self.started, 0.0
        else:
            status = _STATUS.get(self.result, "done(abandoned-unknown)")
            ran, since = self.ended - self.started, now - self.ended
        kind = "background-ops" if self.is_background else "basic"
        index = f":sindex-name={self.index_name}" if self.index_name else ""
        return (
            f"trid={self.task_id}:ns={self.namespace}"
            + (f":set={self.set_name}" if self.set_name else "")
            + index
            + f":n-pids-requested={self.n_partitions}:n-keyds-requested={self.n_digests}"
            f":rps={self.records_per_second}:active-threads={1 if self.ended is None else 0}"
            f":status={status}:job-progress={done:.2f}"
            f":run-time={int(ran * 1000)}:time-since-done={int(since * 1000)}"
            f":recs-throttled={self.throttled}:recs-filtered-meta={self.filtered_meta}"
            f":recs-filtered-bins={self.filtered_bins}:recs-succeeded={self.succeeded}"
            f":recs-failed={self.failed}:from={self.client}:job-type={kind}"
            f":net-io-bytes={self.sent_bytes}"
            + ("" if self.is_background else f":net-io-time={int(self.sending_s * 1000)}")
            + f":socket-timeout={self.socket_timeout_ms}"
            + (":ops-active=0" if self.is_background else "")
        )


class QueryJobs:
    """All queries of a node, the running ones and the last finished."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[QueryJob] = []
        self._finished: deque[QueryJob] = deque(maxlen=KEPT)
        self.completed = 0

    def start(self, job: QueryJob) -> None:
        """Show a query as running."""
        with self._lock:
            self._running.append(job)

    def finish(self, job: QueryJob, result: int) -> None:
        """Show a query as done, with its result code."""
        with self._lock:
            job.result = result
            job.ended = time.monotonic()
            self._running.remove(job)
            self._finished.appendleft(job)
            self.completed += 1

    @property
    def n_running(self) -> int:
        """Queries running now."""
        return len(self._running)

    def __iter__(self) -> Iterator[QueryJob]:
        with self._lock:
            return iter([*self._running, *self._finished])

    def find(self, task_id: int) -> QueryJob | None:
        """Return the newest query of a task id."""
        return next((job for job in self if job.task_id == task_id), None)

    def abort(self, task_id: int) -> bool:
        """Stop the running queries of a task id; False if there is none."""
        found = [job for job in self if job.task_id == task_id and job.ended is None]
        for job in found:
            job.aborted = True
        return bool(found)

    def abort_all(self) -> int:
        """Stop every running query; returns how many there were."""
        found = [job for job in self if job.ended is None]
        for job in found:
            job.aborted = True
        return len(found)

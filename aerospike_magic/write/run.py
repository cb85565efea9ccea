"""Writing: record batches in, an account of every row out.

The caller's thread prepares batches (digests, sizes) and hands each to all lanes; these encode, send and read the
answers outside the GIL. Few batches are under way at a time, so that memory stays bounded whatever the source is.
When anything ends the write (an error of the source, of the cluster or of a callback, an interrupt, `cancel`), no
further request is sent, those under way have half a second to be answered, and every thread and socket is gone when
`write` returns.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from aerospike_magic.connection import Connection
from aerospike_magic.errors import AerospikeMagicError, WriteCancelled, WriteError
from aerospike_magic.wire.result import ResultCode, result_text
from aerospike_magic.write import prepared as codes
from aerospike_magic.write.cluster import Owners, Throttle
from aerospike_magic.write.lane import Job, Lane, LaneSettings
from aerospike_magic.write.options import WriteOptions
from aerospike_magic.write.prepared import PreparedBatch, Target
from aerospike_magic.write.report import Failure, WriteReport

_ROWS_AT_ONCE = 32_768
_BATCHES_UNDER_WAY = 3
_BYTES_UNDER_WAY = 256 << 20
_POLL_S = 0.05
_PROGRESS_EVERY_S = 0.1
_GRACE_S = 0.5
_GATHERING_S = 0.2
_MOST_LANES = 8

_REASONS = {
    codes.NO_KEY: "the key is NULL",
    codes.NO_VALUE: "a record needs at least one bin that is not NULL",
    codes.BAD_DIGEST: "a digest has 20 bytes",
    codes.NO_ANSWER: "no answer came from the node",
    codes.NO_OWNER: "no node owns the record's partition",
    codes.UNREACHABLE: "the node could not be reached",
    codes.PENDING: "the write was stopped",
    codes.BAD_TTL: "a time to live is a number of seconds, or -1 for ever",
    codes.BAD_GENERATION: "a generation is a number from 0 to 65535",
    ResultCode.GENERATION: "the record has another generation than the row expects",
}
_ALL_NULL = "the row's values are all NULL, and there is no record to take bins from"
_NOT_THERE = "there is no such record"
_UNCERTAIN = ", but an answer was lost: the row itself may have been written before"


@dataclass(frozen=True)
class WriteProgress:
    """How far a write is.

    Attributes:
        written: rows written.
        failed: rows that were refused for good, of batches that are finished.
        taken: rows that were taken from the source.
        n_bytes: bytes sent.
        elapsed_s: seconds since the start.
    """

    written: int
    failed: int
    taken: int
    n_bytes: int
    elapsed_s: float


class Writer:
    """One write of many rows.

    Args:
        connection: whose cluster.
        namespace, set_name: where to.
        options: how rows become records.
        records_per_second: throttle; 0 for none.
        on_progress: called in the thread of `write`, about ten times a second.
        n_lanes: threads with a socket a node each; chosen for the machine if None.
        settings: how lanes work; the timeout is that of the connection if None.
    """

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        set_name: str,
        options: WriteOptions,
        *,
        records_per_second: int = 0,
        on_progress: Callable[[WriteProgress], None] | None = None,
        n_lanes: int | None = None,
        settings: LaneSettings | None = None,
    ) -> None:
        self._connection = connection
        self._settings = settings or LaneSettings(timeout_s=connection.settings.timeout_s)
        self._target = Target(namespace, set_name, options, int(self._settings.timeout_s * 1_000))
        self._n_lanes = n_lanes or min(max(2, 2 * (os.cpu_count() or 1)), _MOST_LANES)
        self._on_progress = on_progress
        self._stopping = threading.Event()
        self._cancelled = False
        self._changed = threading.Condition()
        self._under_way: list[Job] = []
        self._finished: list[Job] = []
        self._error: BaseException | None = None
        self._throttle = Throttle(records_per_second, self._stopping)
        self._lanes: list[Lane] = []
        self._report = WriteReport()
        self._taken = 0
        self._started = self._last_progress = time.monotonic()
        self._ended: float | None = None

    @property
    def report(self) -> WriteReport:
        """What has become of the rows so far; after `write` has ended, however, of all that were sent."""
        elapsed = (self._ended or time.monotonic()) - self._started
        written = sum(lane.written for lane in self._lanes)
        n_bytes = sum(lane.n_bytes for lane in self._lanes)
        retries = sum(lane.retries for lane in self._lanes)
        return WriteReport(written, self._report.failures, n_bytes, elapsed, retries)

    @property
    def progress(self) -> WriteProgress:
        """How far it is now."""
        report = self.report
        return WriteProgress(report.written, report.failed, self._taken, report.n_bytes, report.elapsed_s)

    def cancel(self) -> None:
        """Stop; `write` then raises `WriteCancelled` within a second. Any thread may call this."""
        self._cancelled = True
        self._stop()

    def write(self, batches: Iterable[pa.RecordBatch]) -> WriteReport:
        """Write all rows; those that are refused are counted, and the others are written. Once only.

        Args:
            batches: of a schema that `check_columns` has passed; pulled as the cluster takes them.

        Returns:
            what became of the rows.

        Raises:
            WriteError: the cluster cannot be written to any more; `report` says what became of the rows until then.
            WriteCancelled: `cancel` was called.
        """
        self._started = time.monotonic()
        try:
            self._start_lanes()
            for batch in _gathered(batches):
                self._put(batch)
            self._wait_until(lambda: not self._under_way)
        except BaseException as error:
            self._stop()
            self._close()
            if isinstance(error, WriteCancelled):
                error.report = self.report
            elif self._error is error and isinstance(error, AerospikeMagicError):
                raise self._with_report(error) from error
            error.add_note(f"{self.report.written:,} rows had been written")
            raise
        self._close()
        self._tell(force=True)
        return self.report

    def _start_lanes(self) -> None:
        owners = Owners(self._connection, self._target.namespace)
        for number in range(self._n_lanes):
            lane = Lane(
                self._connection,
                number,
                self._n_lanes,
                settings=self._settings,
                owners=owners,
                throttle=self._throttle,
                stopping=self._stopping,
                on_done=self._on_done,
                on_error=self._on_error,
            )
            self._lanes.append(lane)
            lane.start()

    def _put(self, batch: pa.RecordBatch) -> None:
        for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
            rows = batch.slice(start, _ROWS_AT_ONCE)
            job = Job(PreparedBatch(rows, self._target), self._n_lanes)
            self._wait_until(partial(self._has_room, job.prepared.n_bytes))
            self._taken += rows.num_rows
            with self._changed:
                self._under_way.append(job)
            for lane in self._lanes:
                lane.jobs.put(job)

    def _has_room(self, n_bytes: int) -> bool:
        held = sum(job.prepared.n_bytes for job in self._under_way)
        return not self._under_way or (len(self._under_way) < _BATCHES_UNDER_WAY and held + n_bytes < _BYTES_UNDER_WAY)

    def _wait_until(self, is_so: Callable[[], bool]) -> None:
        while True:
            with self._changed:
                if not is_so() and self._error is None and not self._stopping.is_set():
                    self._changed.wait(_POLL_S)
                ready = is_so()
            self._take_finished()
            if self._error is not None:
                raise self._error
            if self._cancelled:
                raise WriteCancelled("the write was cancelled", hint="the rows written until then stay")
            self._tell()
            if ready:
                return

    def _take_finished(self) -> None:
        with self._changed:
            finished, self._finished = self._finished, []
        for job in finished:
            self._report = self._report.plus(_account(job.prepared))

    def _tell(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if self._on_progress is not None and (force or now - self._last_progress >= _PROGRESS_EVERY_S):
            self._last_progress = now
            self._on_progress(self.progress)

    def _on_done(self, job: Job) -> None:
        if job.done():
            with self._changed:
                self._under_way.remove(job)
                self._finished.append(job)
                self._changed.notify_all()

    def _on_error(self, error: BaseException) -> None:
        with self._changed:
            self._error = self._error or error
            self._stopping.set()
            self._changed.notify_all()

    def _stop(self) -> None:
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()

    def _close(self) -> None:
        """End all lanes; those that wait for an answer after the grace time are woken."""
        for lane in self._lanes:
            lane.jobs.put(None)
        deadline = time.monotonic() + _GRACE_S
        for lane in self._lanes:
            if self._stopping.is_set():
                lane.join(max(0.0, deadline - time.monotonic()))
        for lane in self._lanes:
            if lane.is_alive() and self._stopping.is_set():
                lane.interrupt()
            # One that waits for a node to take its connection cannot be woken. It sends nothing any more, and ends
            # when the node answers, or the connection's timeout is over.
            lane.join(_GRACE_S / 2 if self._stopping.is_set() else None)
        self._ended = time.monotonic()
        self._take_finished()

    def _with_report(self, error: AerospikeMagicError) -> WriteError:
        report = self.report
        return WriteError(
            f"{error.message}; {report.written:,} rows had been written",
            hint=error.hint,
            node=error.node,
            report=report,
        )


def _gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield small batches together, unless the source is so slow that rows would wait."""
    held: list[pa.RecordBatch] = []
    n_rows, since = 0, 0.0
    for batch in batches:
        if not held:
            since = time.monotonic()
        held.append(batch)
        n_rows += batch.num_rows
        if n_rows >= _ROWS_AT_ONCE // 2 or time.monotonic() - since > _GATHERING_S:
            yield from _together(held)
            held, n_rows = [], 0
    yield from _together(held)


def _together(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    if len(batches) < 2:
        return batches
    found: list[pa.RecordBatch] = pa.Table.from_batches(batches).unify_dictionaries().combine_chunks().to_batches()
    return found


def write_batches(
    connection: Connection,
    namespace: str,
    set_name: str,
    batches: Iterable[pa.RecordBatch],
    options: WriteOptions,
    *,
    records_per_second: int = 0,
    on_progress: Callable[[WriteProgress], None] | None = None,
) -> WriteReport:
    """Write all rows; those that are refused are counted, and the others are written.

    Args:
        connection: whose cluster.
        namespace, set_name: where to.
        batches: of a schema that `check_columns` has passed.
        options: how rows become records.
        records_per_second: throttle; 0 for none.
        on_progress: called in this thread, about ten times a second.

    Raises:
        WriteError: the cluster cannot be written to any more; its `report` says what became of the rows until then.
    """
    writer = Writer(
        connection,
        namespace,
        set_name,
        options,
        records_per_second=records_per_second,
        on_progress=on_progress,
    )
    return writer.write(batches)


def _account(prepared: PreparedBatch) -> WriteReport:
    """What became of a batch's rows, but for the number of those written, which the lanes count."""
    failures = []
    for code in np.unique(prepared.codes).tolist():
        if code == ResultCode.OK:
            continue
        rows = np.flatnonzero(prepared.codes == code)
        for is_uncertain in (False, True):
            concerned = rows[_uncertain(prepared, rows, code) == is_uncertain]
            # Never sent: only a write that was stopped leaves such rows, and they are no failures.
            never_sent = code == codes.PENDING and not is_uncertain
            if len(concerned) and not never_sent:
                failures.append(_failure(prepared, concerned, code, is_uncertain))
    return WriteReport(0, tuple(failures))


def _uncertain(prepared: PreparedBatch, rows: codes.Ints, code: int) -> np.ndarray:
    if code in (codes.NO_ANSWER, ResultCode.TIMEOUT):
        return np.ones(len(rows), np.bool_)
    return prepared.doubted[rows]


def _failure(prepared: PreparedBatch, rows: codes.Ints, code: int, is_uncertain: bool) -> Failure:
    row = int(rows[0])
    if code == codes.BAD_VALUE:
        reason = prepared.misfit(row)
    elif code == ResultCode.NOT_FOUND:
        is_update = prepared.target.options.mode == "update"
        # Deleting bins of a record that is not there: all values of the row were NULL.
        reason = _REASONS[codes.NO_VALUE] if is_update else _NOT_THERE
    else:
        reason = _REASONS.get(code) or result_text(code)
    if is_uncertain:
        reason += " (it may have been written)" if code in (codes.NO_ANSWER, ResultCode.TIMEOUT) else _UNCERTAIN
    return Failure(reason, len(rows), prepared.key_text(row), is_uncertain)

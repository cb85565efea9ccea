"""A query that runs in a thread of its own, and its rows as they come.

DuckDB runs in the thread; the reader waits on a short queue, in steps, so that Ctrl-C reaches it at once and turns
into a cancel. The queue holds two batches: a reader that stops asking stops DuckDB, which stops the scans.
"""

from __future__ import annotations

import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from aerospike_magic.engines.base import QueryOptions, QueryResult
from aerospike_magic.engines.local.source import ScanLog
from aerospike_magic.errors import AerospikeMagicError, QueryError, ScanCancelled, ScanTimeout
from aerospike_magic.scan.progress import ScanProgress

if TYPE_CHECKING:
    import duckdb

_QUEUED_BATCHES = 2
_STEP_S = 0.1
_JOIN_S = 5.0

Start = Callable[[], "pa.RecordBatchReader"]
Translate = Callable[[BaseException], AerospikeMagicError]


class Execution:
    """One run of one statement, in its own thread and on its own DuckDB connection.

    Args:
        con: the connection; closed at the end.
        start: binds and starts the statement and returns its reader; called in the thread.
        log: what happens below DuckDB.
        translate: makes DuckDB's error one of ours.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, start: Start, log: ScanLog, translate: Translate) -> None:
        self.log = log
        self.schema: pa.Schema | None = None
        self.started_at = time.monotonic()
        self.ended_at: float | None = None
        self._con = con
        self._start = start
        self._translate = translate
        self._is_ready = threading.Event()
        self._is_stopped = threading.Event()
        self._batches: queue.Queue[pa.RecordBatch | None] = queue.Queue(_QUEUED_BATCHES)
        self._failure: BaseException | None = None
        self._is_timed_out = False
        self._open_lock = threading.Lock()
        self._is_open = True
        self._thread = threading.Thread(target=self._run, name="aerosql", daemon=True)
        self._thread.start()

    def wait_ready(self) -> pa.Schema:
        """Wait until the rows' schema is known; raise what the statement raises."""
        while not self._is_ready.wait(_STEP_S):
            self._check_time()
        if self.schema is None:
            raise self._error()
        return self.schema

    def next_batch(self) -> pa.RecordBatch | None:
        """Return the next batch, None after the last; raise what the query raises."""
        while True:
            try:
                batch = self._batches.get(timeout=_STEP_S)
            except queue.Empty:
                self._check_time()
                if not self._thread.is_alive() and self._batches.empty():
                    batch = None
                else:
                    continue
            if batch is None and (self._failure is not None or self._is_stopped.is_set()):
                raise self._error()
            return batch

    def stop(self, *, is_cancelled: bool = True) -> None:
        """Interrupt DuckDB and stop the scans, from any thread.

        Args:
            is_cancelled: whether someone wanted the query to stop, or the reader just needs no more.
        """
        self._is_stopped.set()
        self.log.stop(is_cancelled=is_cancelled)
        with self._open_lock:
            if self._is_open:
                self._con.interrupt()

    def join(self) -> None:
        """Wait until the thread has freed everything."""
        if threading.current_thread() is self._thread:
            return
        deadline = time.monotonic() + _JOIN_S
        while self._thread.is_alive() and time.monotonic() < deadline:
            # An interrupt that comes between two statements is lost, so it is given again.
            self.stop(is_cancelled=False)
            self._thread.join(_STEP_S)

    def _check_time(self) -> None:
        limit = self.log.options.timeout_s
        if limit is not None and time.monotonic() - self.started_at > limit and self._thread.is_alive():
            self._is_timed_out = True
            self.stop()

    def _run(self) -> None:
        reader = None
        try:
            if not self._is_stopped.is_set():
                reader = self._start()
                self.schema = reader.schema
                self._is_ready.set()
                self._drain(reader)
        except BaseException as error:
            self._failure = error
        finally:
            self._release(reader)
            self.ended_at = time.monotonic()
            self._is_ready.set()
            self._put(None)

    def _release(self, reader: Any) -> None:
        try:
            if reader is not None:
                reader.close()
        except Exception as error:
            self._failure = self._failure or error
        with self._open_lock:
            self._is_open = False
        self._con.close()

    def _drain(self, reader: pa.RecordBatchReader) -> None:
        missing = self.log.options.limit
        while missing is None or missing > 0:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            if missing is not None:
                batch = batch.slice(0, missing)
                missing -= batch.num_rows
            if batch.num_rows and not self._put(batch):
                return

    def _put(self, batch: pa.RecordBatch | None) -> bool:
        while not self._is_stopped.is_set():
            try:
                self._batches.put(batch, timeout=_STEP_S)
            except queue.Full:
                continue
            return True
        return False

    def _error(self) -> BaseException:
        if self._is_timed_out:
            return ScanTimeout(f"the query took longer than {self.log.options.timeout_s:g} s", hint="raise timeout_s")
        if self.log.error is not None and not isinstance(self.log.error, ScanCancelled):
            return self.log.error
        if self._is_stopped.is_set():
            return ScanCancelled("the query was cancelled")
        if self._failure is None:
            return QueryError("the query ended without a result")
        if isinstance(self._failure, AerospikeMagicError):
            return self._failure
        return self._translate(self._failure)


class LocalResult(QueryResult):
    """The rows of a query on DuckDB."""

    def __init__(
        self,
        execution: Execution,
        options: QueryOptions,
        estimate: Callable[[pa.Schema], int | None],
        notes: tuple[str, ...] = (),
    ) -> None:
        self._execution = execution
        self._options = options
        self._estimate = estimate
        self._notes = notes
        self._is_closed = False
        self._stop_when_forgotten = weakref.finalize(self, execution.join)

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the rows; waits until DuckDB has its first rows."""
        with self._interruptible():
            return self._execution.wait_ready()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows not yet taken; Ctrl-C while it waits cancels the query."""
        if self._is_closed:
            return
        with self._interruptible():
            self._execution.wait_ready()
            while (batch := self._execution.next_batch()) is not None:
                yield batch
        self.close()

    @property
    def progress(self) -> tuple[ScanProgress, ...]:
        """The latest snapshot of each scan, in the order they were asked for."""
        return self._execution.log.snapshots

    @property
    def elapsed_s(self) -> float:
        """Seconds since the statement was given to DuckDB, until its last row was read."""
        end = self._execution.ended_at
        return (time.monotonic() if end is None else end) - self._execution.started_at

    @property
    def estimated_bytes(self) -> int | None:
        """Bytes of the result, where it has a row for each record scanned and no filter; else None."""
        return self._estimate(self.schema)

    @property
    def memory_limit(self) -> int | None:
        """As the options say."""
        return self._options.memory_limit

    @property
    def notes(self) -> tuple[str, ...]:
        """Comparisons that are never true."""
        return self._notes

    def cancel(self) -> None:
        """Stop the query, from any thread; a reader gets `ScanCancelled`."""
        self._execution.stop()

    def close(self) -> None:
        """Stop what still runs, wait for its threads and free it."""
        if not self._is_closed:
            self._is_closed = True
            self._stop_when_forgotten.detach()
            self._execution.join()

    def _interruptible(self) -> _StopOnInterrupt:
        return _StopOnInterrupt(self)


class _StopOnInterrupt:
    """Closes the result when Ctrl-C, a closed generator or any error passes through."""

    def __init__(self, result: LocalResult) -> None:
        self._result = result

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is None or issubclass(kind, GeneratorExit):
            return
        if issubclass(kind, KeyboardInterrupt):
            self._result.cancel()
        self._result.close()

"""The rows of a query on Spark: a DataFrame that has not run yet, or its rows in Arrow.

Spark runs the query in a thread of its own when the rows are first asked for; whoever asks waits in short steps, so
that Ctrl-C is heard at once. Rows can be given only when all are there, since Spark's tasks end in any order.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pyarrow as pa

from aerospike_magic.engines.base import QueryOptions, QueryResult, SaveOrder
from aerospike_magic.engines.memory import MemoryGuard
from aerospike_magic.engines.spark.collect import arrow_schema, collect_batches
from aerospike_magic.engines.spark.diagnose import unlogged
from aerospike_magic.engines.spark.jobs import Jobs
from aerospike_magic.engines.telling import Telling
from aerospike_magic.errors import AerospikeMagicError, ScanCancelled, ScanTimeout
from aerospike_magic.scan.progress import ScanProgress
from aerospike_magic.write import WriteReport

T = TypeVar("T")

_STEP_S = 0.05
_STOP_AGAIN_S = 0.2
_STOP_WITHIN_S = 5.0

Translate = Callable[[BaseException], BaseException]


class SparkRun:
    """Spark at work for one query: it can be waited for, counted, and stopped from any thread.

    Args:
        jobs: its jobs in the session.
        telling: its progress.
        options: its limits.
        translate: makes Spark's error one of ours.
        free: gives back what the query holds in the session; called once.
    """

    def __init__(
        self, jobs: Jobs, telling: Telling, options: QueryOptions, translate: Translate, free: Callable[[], None]
    ) -> None:
        self.jobs = jobs
        self.telling = telling
        self.started_at = time.monotonic()
        self.ended_at: float | None = None
        self._options = options
        self._translate = translate
        self._free = free
        self._is_stopped = threading.Event()

    def run(self, work: Callable[[], T]) -> T:
        """Do the work in a thread of its own, as part of the query.

        Raises:
            ScanCancelled: it was stopped, or Ctrl-C was pressed (then as KeyboardInterrupt).
            ScanTimeout: it took longer than the options allow.
            AerospikeMagicError: it failed.
        """
        done: list[T] = []
        failed: list[BaseException] = []

        def target() -> None:
            try:
                with unlogged():
                    self.jobs.begin()
                    done.append(work())
            except BaseException as error:
                failed.append(error)
            finally:
                self.jobs.end()

        if self._is_stopped.is_set():
            raise ScanCancelled("the query was cancelled")
        thread = self.jobs.thread(target)
        thread.start()
        error = self._wait(thread)
        if error is None and failed:
            error = ScanCancelled("the query was cancelled") if self._is_stopped.is_set() else failed[0]
            error = self._translate(error)
        self.ended_at = time.monotonic()
        self.telling.end(error)
        if error is not None:
            raise error from None
        return done[0]

    def stop(self) -> None:
        """Stop, from any thread."""
        self._is_stopped.set()
        self.telling.stop()
        self.jobs.stop()

    def close(self) -> None:
        """Give back what the query holds; what still runs is stopped."""
        if self.ended_at is None:
            self.ended_at = time.monotonic()
        self.telling.close()
        self._free()

    def _wait(self, thread: threading.Thread) -> BaseException | None:
        """Wait for the thread; the error to raise if that took too long."""
        limit = self._options.timeout_s
        try:
            while thread.is_alive():
                thread.join(_STEP_S)
                if self._is_stopped.is_set():
                    self._stop_until_it_ends(thread)
                    return ScanCancelled("the query was cancelled")
                if limit is not None and time.monotonic() - self.started_at > limit and thread.is_alive():
                    self._stop_until_it_ends(thread)
                    return ScanTimeout(f"the query took longer than {limit:g} s", hint="raise timeout_s")
        except KeyboardInterrupt:
            self._stop_until_it_ends(thread)
            self.ended_at = time.monotonic()
            self.telling.end(ScanCancelled("the query was interrupted"))
            raise
        return None

    def _stop_until_it_ends(self, thread: threading.Thread) -> None:
        deadline = time.monotonic() + _STOP_WITHIN_S
        while thread.is_alive() and time.monotonic() < deadline:
            # A job that starts just after the others were stopped is stopped by the next turn.
            self.stop()
            thread.join(_STOP_AGAIN_S)


class SparkResult(QueryResult):
    """The rows of a query on Spark."""

    def __init__(
        self,
        frame: Any,
        run: SparkRun,
        options: QueryOptions,
        *,
        keep: Callable[[], None],
        save: Callable[[Any, SaveOrder], None],
    ) -> None:
        self._frame = frame
        self._save = save
        self._keep = keep
        self._run = run
        self._options = options
        self._is_taken = False
        self._is_closed = False
        self._close_when_forgotten = weakref.finalize(self, run.close)
        self._close_when_forgotten.atexit = False  # the session ends with the process, and may have ended before

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the rows; Spark knows it before it runs."""
        return arrow_schema(self._frame)

    def to_spark(self) -> Any:
        """Return the query as a Spark DataFrame, which has not run yet; this result has no rows then."""
        self._is_taken = True
        self._keep()
        return self._frame

    def save(self, order: SaveOrder) -> WriteReport | None:
        """Let Spark's tasks write the rows they have, none of which come here; see `QueryResult.save`."""
        self._is_taken = True
        try:
            self._run.run(lambda: self._save(self._frame, order))
        finally:
            self.close()
        query = self._run.telling.query
        return WriteReport(0 if query is None else query.written, elapsed_s=self.elapsed_s)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Run the query and yield its rows, in their order, once all are there."""
        yield from self._take(self._frame)
        self.close()

    def head(self, n: int) -> pa.Table:
        """Return the first `n` rows; Spark reads no more than it needs for them."""
        schema = self.schema
        try:
            batches = self._take(self._frame.limit(n)) if n > 0 else []
        finally:
            self.close()
        return pa.Table.from_batches(batches, schema)

    @property
    def progress(self) -> tuple[ScanProgress, ...]:
        """The latest snapshot of each scan whose tasks have begun."""
        return self._run.telling.snapshots

    @property
    def activity(self) -> str:
        """Spark's stages and tasks."""
        return self._run.jobs.words if self._run.ended_at is None else ""

    @property
    def elapsed_s(self) -> float:
        """Seconds since the statement was given to Spark, until its last row was there."""
        end = self._run.ended_at
        return (time.monotonic() if end is None else end) - self._run.started_at

    @property
    def estimated_bytes(self) -> int | None:
        """Not known: rows are counted as they arrive."""
        return None

    @property
    def memory_limit(self) -> int | None:
        """As the options say."""
        return self._options.memory_limit

    @property
    def notes(self) -> tuple[str, ...]:
        """Which sets were read without a word on how far the scan was."""
        query = self._run.telling.query
        if query is None or query.state != "done" or not query.untold:
            return ()
        return (f"no task told its progress of {', '.join(query.untold)}",)

    def cancel(self) -> None:
        """Stop the query, from any thread; a reader gets `ScanCancelled`."""
        self._run.stop()

    def close(self) -> None:
        """Free what the query holds; it has ended by then, for whoever reads it waits for that."""
        if not self._is_closed:
            self._is_closed = True
            self._close_when_forgotten()

    def _take(self, frame: Any) -> list[pa.RecordBatch]:
        if self._is_taken or self._is_closed:
            return []
        self._is_taken = True
        schema = self.schema
        guard = MemoryGuard(self.memory_limit)

        def count(batch: pa.RecordBatch) -> None:
            guard.add(batch.nbytes)

        try:
            batches = self._run.run(lambda: collect_batches(frame, count))
        except AerospikeMagicError:
            self._run.jobs.stop()  # a result that is too large leaves its job behind
            self._run.telling.stop()
            raise
        return [_as(batch, schema) for batch in batches if batch.num_rows]


def _as(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    return (
        batch
        if batch.schema.equals(schema)
        else pa.RecordBatch.from_arrays(
            [column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)], schema=schema
        )
    )

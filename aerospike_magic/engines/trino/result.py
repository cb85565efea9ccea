"""The rows of a statement on Trino or Presto, page by page, as Arrow batches.

The server starts when the statement is sent, which is before the first row is asked for; at most two pages wait here.
Whoever waits does so in short steps, so that Ctrl-C and a cancel are heard at once. A result that is closed early, or
forgotten, has the server drop the statement.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from aerospike_magic.engines.base import QueryOptions, QueryResult
from aerospike_magic.engines.telling import Telling
from aerospike_magic.engines.trino.client import Page, RunningStatement
from aerospike_magic.engines.trino.columns import to_arrow
from aerospike_magic.engines.trino.types import SqlType, parse_type
from aerospike_magic.errors import AerospikeMagicError, ScanCancelled, ScanTimeout
from aerospike_magic.scan.progress import ScanProgress

_STEP_S = 0.05

Translate = Callable[[BaseException], BaseException]


class TrinoRun:
    """One statement at work, with what it holds: it can be read, watched, and stopped from any thread.

    Args:
        statement: as it was sent.
        telling: the progress of its scans.
        options: its limits.
        translate: makes the server's error one of ours.
        free: gives back what the query holds; called once.
    """

    def __init__(
        self,
        statement: RunningStatement,
        telling: Telling,
        options: QueryOptions,
        translate: Translate,
        free: Callable[[], None],
    ) -> None:
        self.statement = statement
        self.telling = telling
        self.started_at = time.monotonic()
        self.ended_at: float | None = None
        self._options = options
        self._translate = translate
        self._free = free
        self._is_cancelled = False
        self._is_closed = False
        self._activity = Activity(statement)

    @property
    def activity(self) -> str:
        """Where the server is."""
        return self._activity.words if self.ended_at is None else ""

    def wait_columns(self) -> None:
        """Wait until the columns are known; raise what the statement raises."""
        while not self.statement.wait_columns(_STEP_S):
            self._check()
        self._check()
        if self.statement.failure is not None and not self.statement.columns:
            self._fail(self.statement.failure)

    def next_page(self) -> Page | None:
        """Return the next rows, None after the last; raise what the statement raises."""
        while True:
            self._check()
            has_ended = self.statement.has_ended
            try:
                page = self.statement.next_page(_STEP_S)
            except Exception as error:
                self._check()
                self._fail(error)
            if page is not None:
                return page
            if has_ended:
                self._end(None)
                return None

    def cancel(self) -> None:
        """Stop, because someone wants it."""
        self._is_cancelled = True
        self.telling.stop()
        self.statement.stop()

    def close(self) -> None:
        """Stop what still runs, and give back what the query holds."""
        if self._is_closed:
            return
        self._is_closed = True
        if not self.statement.has_ended:
            self.telling.stop()
            self.statement.stop()
        self._end(ScanCancelled("the query was cancelled") if self._is_cancelled else None)
        self.telling.close()
        self._free()

    def _check(self) -> None:
        if self._is_cancelled:
            self._fail(ScanCancelled("the query was cancelled"))
        limit = self._options.timeout_s
        if limit is not None and time.monotonic() - self.started_at > limit and not self.statement.has_ended:
            self.telling.stop()
            self.statement.stop()
            self._fail(ScanTimeout(f"the query took longer than {limit:g} s", hint="raise timeout_s"))

    def _fail(self, error: BaseException) -> None:
        translated = self._translate(error)
        self._end(translated)
        raise translated from None

    def _end(self, error: BaseException | None) -> None:
        if self.ended_at is None:
            self.ended_at = time.monotonic()
            self.telling.end(error)


class Activity:
    """What a server says of a statement, in words that never go backwards.

    Args:
        statement: the statement.
    """

    def __init__(self, statement: RunningStatement) -> None:
        self._statement = statement
        self._done = self._total = 0

    @property
    def words(self) -> str:
        """State, splits and stages, such as "running, 12 of 40 splits, stage 2 of 3"."""
        stats: Mapping[str, Any] = self._statement.stats
        state = str(stats.get("state") or "sent").lower().replace("_", " ")
        # The server forgets splits of stages that have ended, and counts some only when it gets to them.
        self._done = max(self._done, int(stats.get("completedSplits") or 0))
        self._total = max(self._total, self._done, int(stats.get("totalSplits") or 0))
        parts = [state]
        if self._total:
            parts.append(f"{self._done:,} of {self._total:,} splits")
        stages = list(_stages(stats.get("rootStage")))
        if stages:
            ended = sum(bool(stage.get("done")) for stage in stages)
            parts.append(f"stage {min(ended + 1, len(stages))} of {len(stages)}")
        return ", ".join(parts)


def _stages(root: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(root, dict):
        yield root
        for stage in root.get("subStages") or ():
            yield from _stages(stage)


class TrinoResult(QueryResult):
    """The rows of a statement on Trino or Presto.

    Args:
        run: the statement.
        options: its limits.
        rename: what a column that the server names so is called really.
    """

    def __init__(self, run: TrinoRun, options: QueryOptions, rename: Callable[[str], str] = str) -> None:
        self._run = run
        self._options = options
        self._rename = rename
        self._kinds: list[SqlType] = []
        self._schema: pa.Schema | None = None
        self._is_closed = False
        self._close_when_forgotten = weakref.finalize(self, run.close)

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the rows; waits until the server has planned the statement."""
        if self._schema is None:
            with _ClosedOnError(self):
                self._run.wait_columns()
            columns = self._run.statement.columns
            self._kinds = [parse_type(column.type) for column in columns]
            fields = [(self._rename(c.name), kind.arrow) for c, kind in zip(columns, self._kinds, strict=True)]
            self._schema = pa.schema(fields)
        return self._schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows not yet taken; Ctrl-C while it waits cancels the statement."""
        if self._is_closed:
            return
        with _ClosedOnError(self):
            schema = self.schema
            missing = self._options.limit
            while missing is None or missing > 0:
                page = self._run.next_page()
                if page is None:
                    break
                batch = self._batch(page, schema)
                if missing is not None:
                    batch = batch.slice(0, missing)
                    missing -= batch.num_rows
                for start in range(0, batch.num_rows, self._options.batch_rows):
                    yield batch.slice(start, self._options.batch_rows)
        self.close()

    @property
    def progress(self) -> tuple[ScanProgress, ...]:
        """The latest snapshot of each scan that has begun; none where the gateway cannot tell this process."""
        return self._run.telling.snapshots

    @property
    def activity(self) -> str:
        """The server's state, splits and stages."""
        return self._run.activity

    @property
    def elapsed_s(self) -> float:
        """Seconds since the statement was sent, until its last row was there."""
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

    def cancel(self) -> None:
        """Stop the statement, from any thread; a reader gets `ScanCancelled`."""
        self._run.cancel()

    def close(self) -> None:
        """Have the server drop what still runs, and free it."""
        if not self._is_closed:
            self._is_closed = True
            self._close_when_forgotten()

    def _batch(self, page: Page, schema: pa.Schema) -> pa.RecordBatch:
        arrays = [to_arrow(column, kind) for column, kind in zip(page, self._kinds, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)


class _ClosedOnError:
    """Closes the result when Ctrl-C, a closed generator or any error passes through."""

    def __init__(self, result: TrinoResult) -> None:
        self._result = result

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is None:
            return
        if not issubclass(kind, (GeneratorExit, AerospikeMagicError)):
            self._result.cancel()
        self._result.close()

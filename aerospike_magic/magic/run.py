"""Run one query: the work on its own thread, the cell's thread free to show progress and be interrupted.

DuckDB and socket reads run for long in C, where an interrupt would wait. So a worker thread runs the query
and the cell's thread only waits, in short steps: it draws the progress ten times a second, hears the
interrupt and the cancel button at once, and cancels the query for them. All output comes from the cell's
thread, so it lands in the right cell, whatever the front end.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aerospike_magic.display.live import ProgressView
from aerospike_magic.display.progress import stopped_words
from aerospike_magic.display.text import duration
from aerospike_magic.errors import AerospikeMagicError, ScanCancelled
from aerospike_magic.magic.variables import StatementVariables

if TYPE_CHECKING:
    from aerospike_magic.engines.base import Engine, QueryOptions, QueryResult
    from aerospike_magic.scan.progress import ScanProgress

T = TypeVar("T")

TICK_S = 0.05
FIRST_UPDATE_S = 0.15  # a query that is done by then shows its line only, nothing flashes
UPDATE_EVERY_S = 0.1
STOP_WITHIN_S = 1.0
SLOW_START_S = 1.0


class QueryInterrupted(KeyboardInterrupt):
    """The cell was interrupted and its query was stopped; says how far it got."""


@dataclass(frozen=True, slots=True)
class Finished(Generic[T]):
    """A query that ran to its end: what was made of its result, its last snapshots, its seconds, its notes.

    The seconds are the query's own: to start an engine is not counted.
    """

    value: T
    scans: tuple[ScanProgress, ...]
    elapsed_s: float
    notes: tuple[str, ...] = ()


class QueryRun(Generic[T]):
    """One query on a worker thread.

    Args:
        open_engine: returns the engine; called on the worker thread, for it may have to be started.
        sql: the statement.
        variables: values to bind and tables to read.
        options: limits and throttle.
        consume: takes what is wanted of the result; called on the worker thread.
        starting: what to say while the engine is opened.
    """

    def __init__(
        self,
        open_engine: Callable[[], Engine],
        sql: str,
        variables: StatementVariables,
        options: QueryOptions,
        consume: Callable[[QueryResult], T],
        starting: str = "",
    ) -> None:
        self._open_engine = open_engine
        self._sql = sql
        self._variables = variables
        self._options = options
        self._consume = consume
        self._starting = starting
        self._result: QueryResult | None = None
        self._last: tuple[ScanProgress, ...] = ()
        self._value: list[T] = []
        self._error: BaseException | None = None
        self._is_cancelled = False
        self._done = threading.Event()
        self._started_at = self._opened_at = time.perf_counter()
        self._slow_start: tuple[str, ...] = ()

    def start(self) -> None:
        """Start the worker thread."""
        self._started_at = self._opened_at = time.perf_counter()
        threading.Thread(target=self._work, name="aerospike-magic-query", daemon=True).start()

    def wait(self, timeout_s: float) -> bool:
        """Wait until the query ended, at most `timeout_s` seconds; return whether it did."""
        return self._done.wait(timeout_s)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._started_at

    @property
    def progress(self) -> tuple[ScanProgress, ...]:
        """A snapshot of each of the query's scans; empty while it is planned."""
        result = self._result
        if result is not None:
            self._last = result.progress
        return self._last

    @property
    def activity(self) -> str:
        """Where the engine itself is, in a few words; "" where it does not say."""
        if self.elapsed_s > SLOW_START_S and _is_compiling():
            return "compiling the decoder, once on this machine"
        result = self._result
        return self._starting if result is None else result.activity

    @property
    def kept(self) -> str:
        """What stays of a query that was stopped, in words."""
        return "nothing of it was kept"

    def cancel(self) -> None:
        """Ask the query to stop; it ends within a second, also when it is still being planned."""
        self._is_cancelled = True
        if self._result is not None:
            self._result.cancel()

    def finished(self) -> Finished[T]:
        """Return the outcome of a query that ended, or raise its error."""
        if self._error is not None:
            raise self._error
        notes = self._result.notes if self._result is not None else ()
        return Finished(self._value[0], self._last, time.perf_counter() - self._opened_at, (*self._slow_start, *notes))

    def _work(self) -> None:
        try:
            names = self._variables
            engine = self._opened()
            if not self._is_cancelled:
                self._result = engine.query(self._sql, names.parameters, self._options, frames=names.frames)
            if self._is_cancelled:
                raise ScanCancelled("the query was stopped before it read anything")
            assert self._result is not None
            self._value.append(self._consume(self._result))
        except BaseException as error:  # handed to the cell's thread, which raises it
            self._error = error
        finally:
            self._close()
            self._done.set()

    def _opened(self) -> Engine:
        """Open the engine. Its start, where it takes seconds, is not the query's time and is told apart."""
        engine = self._open_engine()
        self._opened_at = time.perf_counter()
        took_s = self._opened_at - self._started_at
        if self._starting and took_s >= SLOW_START_S:
            self._slow_start = (f"{self._starting} took {duration(took_s)}, which is not counted",)
        self._starting = ""
        return engine

    def _close(self) -> None:
        if self._result is not None:
            self._last = self._result.progress
            self._result.close()


def _is_compiling() -> bool:
    """Whether the decoder's module is being imported, which the first time compiles it for some ten seconds."""
    module = sys.modules.get("aerospike_magic.scan.kernels")
    return module is not None and not hasattr(module, "decode")


def watch(run: QueryRun[T], view: ProgressView) -> Finished[T]:
    """Start a query, show its progress until it ends, return its outcome.

    The view is left open on success, for the caller to finish with its own words.

    Raises:
        QueryInterrupted: the cell was interrupted; the query is stopped, nothing of it is kept.
        ScanCancelled: the cancel button was pressed; the same.
        AerospikeMagicError: the query failed.
    """
    try:
        run.start()
        shown_at = FIRST_UPDATE_S - UPDATE_EVERY_S
        while not run.wait(TICK_S):
            if view.cancel_wanted:
                run.cancel()
                if not run.wait(STOP_WITHIN_S):
                    view.update(run.progress, run.elapsed_s, run.activity)
                raise ScanCancelled(_stopped(run, view))
            if run.elapsed_s - shown_at >= UPDATE_EVERY_S:
                shown_at = run.elapsed_s
                view.update(run.progress, shown_at, run.activity)
        return run.finished()
    except KeyboardInterrupt:
        run.cancel()
        run.wait(STOP_WITHIN_S)
        raise QueryInterrupted(_stopped(run, view)) from None
    except ScanCancelled:
        raise
    except AerospikeMagicError:
        # The error says what there is to say; a line of the progress beside it would say it again.
        view.finish("", "")
        raise


def apart(work: Callable[[], T]) -> T:
    """Do some work on a thread of its own and return its outcome; an interrupt leaves it behind at once."""
    done: list[T] = []
    failed: list[BaseException] = []

    def target() -> None:
        try:
            done.append(work())
        except BaseException as error:  # handed to the cell's thread, which raises it
            failed.append(error)

    thread = threading.Thread(target=target, name="aerospike-magic-apart", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(TICK_S)
    if failed:
        raise failed[0]
    return done[0]


def _stopped(run: QueryRun[Any], view: ProgressView) -> str:
    view.finish("", "")
    words = f"stopped after {duration(run.elapsed_s)}: {stopped_words(run.progress)}"
    return f"the query was {words}; {run.kept}"

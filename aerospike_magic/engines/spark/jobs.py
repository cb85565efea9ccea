"""A query's jobs in a Spark session: run under a name of their own, counted, stopped.

Classic and Connect name, count and stop jobs in different ways; `jobs_of` returns the one for a session. `begin` and
`end` are called in the thread that runs the query, everything else in any.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Protocol

from aerospike_magic.engines.spark.jar import use_jar_here

_COUNT_EVERY_S = 0.3


class Jobs(Protocol):
    """The jobs of one query."""

    def thread(self, work: Callable[[], None]) -> threading.Thread:
        """Return a thread, not yet started, in which the query can run."""

    def begin(self) -> None:
        """Put the jobs that this thread starts from now on under the query's name."""

    def end(self) -> None:
        """Start no more jobs of the query in this thread."""

    def stop(self) -> None:
        """Stop the jobs that run now; one that starts a moment later has to be stopped again."""

    @property
    def words(self) -> str:
        """Where Spark is: "stage 2 of 3, 17 of 64 tasks"; "" before it has begun."""


def jobs_of(spark: Any, statement: str) -> Jobs:
    """Return the jobs of a new query.

    Args:
        spark: a `SparkSession`, Classic or Connect.
        statement: its text, which Spark's own pages show.
    """
    return ConnectJobs(spark) if is_connect(spark) else ClassicJobs(spark, statement)


def is_connect(spark: Any) -> bool:
    """Whether a session is a client of a Connect server."""
    return not hasattr(spark, "_jsparkSession")


class ClassicJobs:
    """Jobs of a session in this process: they are a job group."""

    def __init__(self, spark: Any, statement: str) -> None:
        self._context = spark.sparkContext
        self._spark = spark
        self._group = f"aerosql-{uuid.uuid4().hex}"
        self._statement = " ".join(statement.split())[:200]
        self._counted = (0.0, "")

    def thread(self, work: Callable[[], None]) -> threading.Thread:
        """A thread that frees its Java counterpart when it ends."""
        from pyspark.util import InheritableThread

        return InheritableThread(target=work, name="aerosql-spark", daemon=True, session=self._spark)

    def begin(self) -> None:
        """Set the job group, and where classes are found; both are this thread's own."""
        use_jar_here(self._spark)
        self._context.setJobGroup(self._group, self._statement, interruptOnCancel=True)

    def end(self) -> None:
        """The group ends with its thread."""

    def stop(self) -> None:
        """Cancel the group."""
        with suppress(Exception):  # the session may have been stopped
            self._context.cancelJobGroup(self._group)

    @property
    def words(self) -> str:
        """From Spark's status tracker, asked a few times a second at most."""
        counted_at, words = self._counted
        if time.monotonic() - counted_at >= _COUNT_EVERY_S:
            with suppress(Exception):  # what Spark knows of a stage may be gone a moment later
                words = self._count()
            self._counted = (time.monotonic(), words)
        return words

    def _count(self) -> str:
        tracker = self._context.statusTracker()
        jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(self._group)]
        ids = {stage for job in jobs if job is not None for stage in job.stageIds}
        stages = [info for stage in sorted(ids) if (info := tracker.getStageInfo(stage)) is not None]
        return stage_words((stage.numTasks, stage.numCompletedTasks) for stage in stages)


class ConnectJobs:
    """Jobs of a session on a Connect server: they have a tag, and the server tells how far they are."""

    def __init__(self, spark: Any) -> None:
        self._spark = spark
        self._tag = f"aerosql-{uuid.uuid4().hex}"
        self._runs_in: int | None = None
        self._words = ""

    def thread(self, work: Callable[[], None]) -> threading.Thread:
        """Any thread will do."""
        return threading.Thread(target=work, name="aerosql-spark", daemon=True)

    def begin(self) -> None:
        """Tag what this thread runs, and listen."""
        self._runs_in = threading.get_ident()
        self._spark.addTag(self._tag)
        self._spark.registerProgressHandler(self._hear)

    def end(self) -> None:
        """Take the tag away, and listen no more."""
        with suppress(Exception):
            self._spark.removeTag(self._tag)
            self._spark.removeProgressHandler(self._hear)

    def stop(self) -> None:
        """Interrupt what has the tag."""
        with suppress(Exception):
            self._spark.interruptTag(self._tag)

    @property
    def words(self) -> str:
        """As the server told last; it does so every other second."""
        return self._words

    def _hear(self, stages: Iterable[Any] | None, **_: Any) -> None:
        # Spark calls this for every query of the session, each in its own thread.
        if threading.get_ident() == self._runs_in:
            self._words = stage_words((stage.num_tasks, stage.num_completed_tasks) for stage in stages or ())


def stage_words(stages: Iterable[tuple[int, int]]) -> str:
    """Say where Spark is, from (tasks, completed tasks) of each stage.

    >>> stage_words([(64, 64), (8, 3)])
    'stage 2 of 2, 67 of 72 tasks'
    """
    counts = list(stages)
    if not counts:
        return ""
    total, done = sum(tasks for tasks, _ in counts), sum(completed for _, completed in counts)
    n_done = sum(completed >= tasks for tasks, completed in counts)
    current = min(n_done + 1, len(counts))
    return f"stage {current} of {len(counts)}, {done:,} of {total:,} task{'s' if total != 1 else ''}"

"""A scan at work: threads, progress, errors, and an orderly end, whichever way it ends.

`Scan.batches()` starts the workers and hands out their record batches; `Scan.pieces()` does so for a reader that keeps
its position, see `scan.position`. One more thread, the monitor, tells the
progress, fetches the partition map again when partitions fail, and ends a scan that gets nowhere. Leaving the
iteration early, an error, or `cancel()` all go the same way: `_stop`, which closes sockets and joins every thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from functools import partial
from types import TracebackType

import numpy as np
import pyarrow as pa

from aerospike_magic.connection import Connection
from aerospike_magic.errors import (
    AerospikeMagicError,
    PartitionsUnavailable,
    ScanCancelled,
    ScanError,
    ScanTimeout,
)
from aerospike_magic.filters.access import IndexScan, KeyLookup, Nothing
from aerospike_magic.filters.evaluate import evaluate
from aerospike_magic.filters.predicate import Predicate, conjunction
from aerospike_magic.scan.channel import BatchChannel
from aerospike_magic.scan.columns import DecodedBatch, Layout
from aerospike_magic.scan.decode import AnswerDecoder
from aerospike_magic.scan.jobs import abort_job
from aerospike_magic.scan.lookup import read_keys
from aerospike_magic.scan.passes import make_passes
from aerospike_magic.scan.plan import ScanPlan
from aerospike_magic.scan.position import Marks, Piece, ScanPosition
from aerospike_magic.scan.progress import ScanProgress, ScanState
from aerospike_magic.scan.report import Tally, snapshot
from aerospike_magic.scan.worker import Worker
from aerospike_magic.schema.types import DIGEST_NAME, INDEX_VALUE_COLUMN, Column

_PROGRESS_INTERVAL_S = 0.1
_MAP_INTERVAL_S = 0.2
_MAP_TIMEOUT_S = 0.5
_JOIN_S = 0.8
_ABORT_S = 0.4
_FIRST_ROWS = 4_096


class Scan:
    """One run of a plan; use it once, as a context manager or by exhausting `batches()`.

    Args:
        connection: to the cluster.
        plan: from `plan_scan`.
        position: where to begin, for `pieces`; it is read now and not kept.
    """

    def __init__(self, connection: Connection, plan: ScanPlan, position: ScanPosition | None = None) -> None:
        self.plan = plan
        self._connection = connection
        self._has_position = position is not None
        self._layout = Layout((*plan.decoded, *self._position_columns()))
        self._output = [c.name for c in plan.columns]
        self._schema = pa.schema([c.field for c in plan.columns])
        self._no_rows = pa.record_batch([pa.nulls(0, f.type) for f in self._schema], schema=self._schema)
        self._channel = BatchChannel(plan.options.buffered_bytes)
        self._passes = make_passes(connection, plan, position)
        self._workers: list[Worker] = []
        self._decoders: list[AnswerDecoder] = []
        self._monitor: threading.Thread | None = None
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._running = 0
        self._state: ScanState = "planning"
        self._error = ""
        self._tally = Tally(started_s=time.monotonic())
        self._final: ScanProgress | None = None

    def __enter__(self) -> Scan:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the batches."""
        return self._schema

    @property
    def progress(self) -> ScanProgress:
        """How the scan stands now."""
        if self._final is not None:
            return self._final
        return snapshot(self.plan, self._passes, self._workers, self._decoders, self._tally, self._state, self._error)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Run the scan; yields its record batches, in no particular order, none of them empty.

        Raises:
            ScanError: the scan could not finish; the batches before it are not a whole result.
            ServerError: the server refused the scan.
        """
        with closing(self._run()) as pieces:
            for piece in pieces:
                if piece.batch.num_rows:
                    yield piece.batch

    def pieces(self) -> Iterator[Piece]:
        """Run the scan from its position; yields pieces, also such without rows, and at least four a second.

        Raises:
            ScanError, ServerError: as `batches` does; the pieces before it may be kept, with the position after them.
        """
        if not self._has_position:
            raise ScanError("a scan was given no position", hint="Scan(connection, plan, ScanPosition())")
        return self._run()

    def _run(self) -> Generator[Piece]:
        if self._state != "planning":
            raise ScanError("a scan runs once", hint="make another one from the same plan")
        self._state = "running"
        self._tally.started_s = time.monotonic()
        self._tell()
        try:
            yield from self._limited(self._lookup() if self._is_lookup else self._scanned())
            self._finish("done")
        except GeneratorExit:
            self._finish("done" if self._limit_reached else "cancelled")
            raise
        except BaseException as error:
            cancelled = isinstance(error, ScanCancelled | KeyboardInterrupt)
            self._finish("cancelled" if cancelled else "failed", str(error))
            raise

    def cancel(self) -> None:
        """Stop the scan from any thread; its reader raises ScanCancelled. Returns within a second."""
        self._channel.fail(ScanCancelled("the scan was cancelled"))
        self._stop(abort=True)

    def close(self) -> None:
        """Stop whatever still runs; the reader gets nothing more."""
        if self._state in ("planning", "running"):
            self._finish("cancelled")

    @property
    def _is_lookup(self) -> bool:
        return isinstance(self.plan.access, KeyLookup | Nothing)

    @property
    def _limit_reached(self) -> bool:
        return self.plan.limit is not None and self._tally.returned >= self.plan.limit

    def _position_columns(self) -> list[Column]:
        """What must be decoded to know the position, beside what the plan wants."""
        if not self._has_position:
            return []
        columns = [self.plan.schema.column(DIGEST_NAME)]
        if isinstance(self.plan.access, IndexScan):
            columns.append(INDEX_VALUE_COLUMN)
        known = {c.name for c in self.plan.decoded}
        return [c for c in columns if c.name not in known]

    def _limited(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        limit = self.plan.limit
        for piece in pieces:
            if limit is not None and self._tally.returned + piece.batch.num_rows > limit:
                piece, _ = piece.split(limit - self._tally.returned)
            self._tally.returned += piece.batch.num_rows
            yield piece
            if self._limit_reached:
                self._stop(abort=True)
                return

    def _new_decoder(self, marks: Marks) -> AnswerDecoder:
        options, limit = self.plan.options, self.plan.limit
        first = _FIRST_ROWS if limit is None or self.plan.filter.residual is not None else max(limit, 64)
        decoder = AnswerDecoder(
            self._layout,
            batch_rows=options.batch_rows,
            first_rows=min(first, options.batch_rows),
            note_unseen=self.plan.bins is None,
            on_mismatch=options.on_mismatch,
            batch_bytes=options.batch_bytes,
            emit=partial(self._emit, marks),
        )
        self._decoders.append(decoder)
        return decoder

    def _emit(self, marks: Marks, decoded: DecodedBatch) -> None:
        """Filter a decoded batch and hand it to the consumer; runs in the worker that decoded it."""
        batch = decoded.batch
        predicate = self._remaining(decoded)
        if predicate is not None:
            batch = batch.filter(evaluate(predicate, batch))
        if not batch.num_rows and not marks:
            return
        digests = index_values = None
        if self._has_position:
            digests = batch.column(DIGEST_NAME)
            if isinstance(self.plan.access, IndexScan):
                index_values = batch.column(INDEX_VALUE_COLUMN.name)
        if len(self._layout.columns) != len(self.plan.columns):
            batch = batch.select(self._output)
        done, omitted = marks.take()
        self._channel.put(Piece(batch, digests, index_values, marks.pass_number, done, omitted))

    def _emit_marks(self, marks: Marks) -> None:
        """Tell the reader what was read to its end, where no row tells it."""
        done, omitted = marks.take()
        self._channel.put(Piece(self._no_rows, None, None, marks.pass_number, done, omitted))

    def _remaining(self, decoded: DecodedBatch) -> Predicate | None:
        """What is still to be checked: the residual, and what was pushed where the server may see it differently."""
        compiled = self.plan.filter
        again = isinstance(self.plan.access, KeyLookup) or bool(compiled.verify & decoded.mismatched)
        return conjunction([compiled.pushed if again else None, compiled.residual])

    def _lookup(self) -> Iterator[Piece]:
        access = self.plan.access
        if isinstance(access, KeyLookup):
            decoder = self._new_decoder(Marks())
            for n_keys in read_keys(self._connection, self.plan, access.keys, decoder):
                decoder.flush()
                self._tally.looked_up += n_keys
                while (piece := self._channel.get(0)) is not None:
                    yield piece

    def _scanned(self) -> Iterator[Piece]:
        self._start()
        options = self.plan.options
        deadline = None if options.total_timeout_s is None else time.monotonic() + options.total_timeout_s
        while not self._channel.is_finished:
            piece = self._channel.get(0.25)
            if piece is not None:
                yield piece
            elif self._has_position and (deadline is None or time.monotonic() <= deadline):
                yield Piece(self._no_rows)  # its reader may have to answer, with what it has
            elif deadline is not None and time.monotonic() > deadline:
                raise ScanTimeout(
                    f"the scan did not finish within {options.total_timeout_s:g} s",
                    hint="see total_timeout_s",
                )

    def _start(self) -> None:
        for i in range(self.plan.options.worker_count):
            marks = Marks()
            worker = Worker(
                self._connection,
                self._passes,
                self._new_decoder(marks),
                timeout_s=self.plan.options.timeout_s,
                on_error=self._channel.fail,
                on_end=self._worker_ended,
                name=f"aerospike-scan-{i}",
                marks=marks if self._has_position else None,
                on_marks=partial(self._emit_marks, marks),
            )
            self._workers.append(worker)
        self._running = len(self._workers)
        for worker in self._workers:
            worker.start()
        self._monitor = threading.Thread(target=self._watch, name="aerospike-scan-monitor", daemon=True)
        self._monitor.start()

    def _worker_ended(self) -> None:
        with self._lock:
            self._running -= 1
            last = self._running == 0
        if last:
            self._channel.end()

    def _watch(self) -> None:
        """Until the scan ends: tell the progress, and look after partitions in trouble."""
        map_due_s = 0.0
        while not self._ended.wait(_PROGRESS_INTERVAL_S):
            try:
                if time.monotonic() >= map_due_s and any(p.tracker.needs_map for p in self._passes):
                    self._look_after_trouble()
                    map_due_s = time.monotonic() + _MAP_INTERVAL_S
                self._tell()
            except BaseException as error:
                self._channel.fail(error)
                return

    def _look_after_trouble(self) -> None:
        try:
            partition_map = self._connection.partition_map(self.plan.namespace, _MAP_TIMEOUT_S)
        except AerospikeMagicError:
            partition_map = None  # the cluster cannot be asked just now: the clock for giving up runs on
        for scan_pass in self._passes:
            if partition_map is not None:
                scan_pass.tracker.reassign(partition_map)
            partitions, reason = scan_pass.tracker.given_up()
            if partitions:
                raise _unavailable(partitions, reason, self.progress, self.plan.options.give_up_s)

    def _tell(self) -> None:
        callback = self.plan.options.on_progress
        if callback is not None:
            callback(self._mark_and_snap())

    def _mark_and_snap(self) -> ScanProgress:
        for scan_pass in self._passes:
            # A copy: the decoders write it while numpy would count and then collect.
            scan_pass.tracker.mark_reading(np.flatnonzero(scan_pass.resume.known.copy()))
        return self.progress

    def _stop(self, *, abort: bool) -> None:
        """Stop and join every thread; abort what the nodes still run for us."""
        jobs = [job for worker in self._workers if (job := worker.job) is not None]
        self._ended.set()
        for scan_pass in self._passes:
            scan_pass.tracker.stop()
        for worker in self._workers:
            worker.stop()
        self._channel.close()
        deadline = time.monotonic() + _JOIN_S
        for thread in (*self._workers, self._monitor):
            if thread is not None and thread is not threading.current_thread() and thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        # A node that is not told finds out by itself, as its socket is closed: silent ones must not hold us up.
        deadline = time.monotonic() + _ABORT_S
        for job in jobs if abort else ():
            if time.monotonic() < deadline:
                abort_job(self._connection, job.node, job.task_id)

    def _finish(self, state: ScanState, error: str = "") -> None:
        self._stop(abort=state != "done")
        self._tally.ended_s = time.monotonic()
        self._state, self._error = state, error if state == "failed" else ""
        final = self.progress
        self._tell()
        # What a finished scan is kept for is its report; the buffers of its workers go now.
        self._final = final
        self._workers.clear()
        self._decoders.clear()


def _unavailable(
    partitions: tuple[int, ...], reason: BaseException | None, progress: ScanProgress, give_up_s: float
) -> PartitionsUnavailable:
    shown = ", ".join(map(str, partitions[:8])) + (" …" if len(partitions) > 8 else "")
    why = reason.message if isinstance(reason, AerospikeMagicError) else str(reason)
    return PartitionsUnavailable(
        f"{len(partitions):,} of 4,096 partitions could not be read for {give_up_s:g} s: {shown} ({why})",
        partitions=partitions,
        node=reason.node if isinstance(reason, AerospikeMagicError) else None,
        hint=f"{progress.records:,} records from {progress.partitions_done:,} partitions were read, "
        "they are not a whole result; is a node down?",
    )

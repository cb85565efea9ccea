"""`readStream`: the records that were written since a point in time, in windows of their last-update-time.

Every node stamps a record with the time of its last write, on the primary index. A batch of the stream is a window of
those times, a filter that the server decides on that index: a record that did not change is not read. The window ends
`lag` before what the slowest of the nodes' own clocks says, so that whatever is written later has a later time. It is
read by tasks with the shares of a batch read.

A batch is its two offsets (`stream_offsets`). A record has one last-update-time, so it is in one window. One that is
written again leaves its window for a later one: a batch that is read again, after a failure, may lack it, and the later
batch has it.

Sources: Aerospike server, as/src/base/record_ce.c (`as_record_set_lut`: it never goes back), as/include/base/index.h
(40 bits of milliseconds since 2010), as/src/base/exp.c (`last_update_time` in nanoseconds since 1970).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark.sql.datasource import DataSourceStreamReader, InputPartition

from aerospike_magic.connection import Connection
from aerospike_magic.connection.settings import ConnectionSettings
from aerospike_magic.engines.spark.reader import AerospikeReader, SharePartition
from aerospike_magic.engines.spark.stream_offsets import Offset, Part, Piece, pieces_between
from aerospike_magic.errors import ConfigError, ConnectError
from aerospike_magic.scan import ScanPlan, Share
from aerospike_magic.scan.tasks import split
from aerospike_magic.schema.types import DIGEST_NAME
from aerospike_magic.wire.digest import N_PARTITIONS

if TYPE_CHECKING:
    from pyspark.sql.streaming.datasource import ReadLimit

try:
    from pyspark.sql.streaming.datasource import ReadAllAvailable, ReadMaxRows, SupportsTriggerAvailableNow
except ImportError:  # Spark 4.0 and 4.1 hand over no limits, and take what there is once for availableNow
    ReadAllAvailable = ReadMaxRows = None
    SupportsTriggerAvailableNow = object

EPOCH_MS = 1_262_304_000_000
"""2010-01-01, from which Aerospike counts, in milliseconds since 1970."""

_NS_PER_MS = 1_000_000
_MOST_SLICES = 1 << 24
_POLL_S = 0.1
_ANSWER_S = 15.0
_MOST_SKEW_MS = 60_000


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What a user may set about a stream.

    Attributes:
        start: "earliest", "latest", a time in ISO 8601, or milliseconds since 1970.
        lag_ms: how far a window stays behind the nodes' clocks.
        max_records: of one batch, None for no limit.
    """

    start: str = "earliest"
    lag_ms: int = 5_000
    max_records: int | None = None

    def __post_init__(self) -> None:
        if self.start.casefold() not in ("earliest", "latest"):
            parse_time_ms(self.start)


class AerospikeStreamReader(DataSourceStreamReader, SupportsTriggerAvailableNow):
    """Reads a set as a stream; on the driver it plans batches, in the executors it reads shares of them.

    Args:
        settings: how the driver connects.
        reader: a batch reader of the same columns; its tasks read here.
        plan: its scan, of the whole set, by no index.
        options: of the stream.
        n_tasks: into how many a window of the whole set is divided.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        reader: AerospikeReader,
        plan: ScanPlan,
        options: StreamOptions,
        n_tasks: int,
    ) -> None:
        self._settings = settings
        self._reader = reader
        self._plan = plan
        self._options = options
        self._n_tasks = n_tasks
        self._connection: Connection | None = None
        self._read_until = Offset(0)  # the furthest that Spark has named
        self._target_ms: int | None = None  # availableNow: what there was when the query started

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_connection": None}

    # -- what Spark asks for on the driver --

    def initialOffset(self) -> dict[str, int]:
        """Return where a new query starts; one with a checkpoint goes on from there."""
        self._read_until = Offset(self._start_ms())
        return self._read_until.to_json()

    def latestOffset(self, start: Mapping[str, Any] | None = None, limit: ReadLimit | None = None) -> dict[str, int]:
        """Return where the next batch ends: `start` itself if nothing is new.

        Args:
            start: where the batch starts; Spark before 4.2 does not say.
            limit: how many rows it may have.
        """
        at = self._read_until if start is None else Offset.from_json(start)
        begun_ms = at.until_ms if at.part is None else at.part.end_ms
        available_ms = max(begun_ms, self._end_ms())
        if available_ms == at.until_ms:
            return at.to_json()
        most = _most_rows(limit)
        if most is None:
            return Offset(available_ms).to_json()
        return self._limited(at, available_ms if at.part is None else begun_ms, most).to_json()

    def getDefaultReadLimit(self) -> ReadLimit:
        """Return the limit of the options; Spark hands it to `latestOffset` unless a trigger wants all."""
        if self._options.max_records is None:
            return ReadAllAvailable()
        return ReadMaxRows(self._options.max_records)

    def reportLatestOffset(self) -> dict[str, int]:
        """Return how far could be read now, for the progress of the query."""
        return Offset(self._end_ms()).to_json()

    def prepareForTriggerAvailableNow(self) -> None:
        """Take as the end what has been written by now, whichever node wrote it, and wait until it can be read."""
        # Their clocks tell seconds: what is written in this one has to be in.
        clocks = self._clocks_ms()
        if max(clocks) - min(clocks) > _MOST_SKEW_MS:
            raise ConfigError(
                f"the clocks of the nodes differ by {(max(clocks) - min(clocks)) // 1_000:,} s",
                hint="set them right: a stream cannot tell what was written by now",
            )
        self._target_ms = max(clocks) + 1_000
        while min(self._clocks_ms()) - self._options.lag_ms < self._target_ms:
            time.sleep(_POLL_S)

    def partitions(self, start: Mapping[str, Any], end: Mapping[str, Any]) -> Sequence[InputPartition]:
        """Return the tasks of a batch."""
        last = Offset.from_json(end)
        self._read_until = last
        found: list[InputPartition] = []
        for piece in pieces_between(Offset.from_json(start), last):
            window = self._window(piece)
            found += [SharePartition(share, window=window) for share in self._shares(piece)]
        return found

    def commit(self, end: Mapping[str, Any]) -> None:
        """Nothing is kept here that a finished batch would free."""

    def stop(self) -> None:
        """Close the driver's connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # -- in the executors --

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """Yield the batches of one task."""
        yield from self._reader.read(partition)

    # -- time --

    def _start_ms(self) -> int:
        start = self._options.start
        if start.casefold() == "earliest":
            return 0
        return min(self._clocks_ms()) if start.casefold() == "latest" else parse_time_ms(start)

    def _end_ms(self) -> int:
        if self._target_ms is not None:
            return self._target_ms
        return min(self._clocks_ms()) - self._options.lag_ms

    def _clocks_ms(self) -> list[int]:
        """What each node's clock says, in whole seconds, rounded down; in milliseconds since 1970."""
        connection, clocks = self._connect(), []
        deadline_s = time.monotonic() + _ANSWER_S
        while len(answers := connection.info(f"namespace/{self._plan.namespace}")) < len(connection.nodes()):
            # The one that is silent may be the slowest of all.
            if time.monotonic() > deadline_s:
                raise ConnectError("a node does not say what time it has", hint="is it down, or cut off?")
            time.sleep(_POLL_S)
        for node, answer in answers.items():
            told = dict(pair.partition("=")[::2] for pair in answer.split(";")).get("current_time", "")
            if not told.isdigit():
                raise ConnectError(f"a node does not say what time it has: {answer[:60]!r}", node=node)
            clocks.append(EPOCH_MS + int(told) * 1_000)
        return clocks

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = Connection(self._settings)
        return self._connection

    # -- tasks --

    def _window(self, piece: Piece) -> bytes:
        """The filter of a window, as the server takes it."""
        from aerospike_helpers import expressions as exp

        before = exp.LT(exp.LastUpdateTime(), piece.end_ms * _NS_PER_MS)
        if piece.start_ms <= EPOCH_MS:
            return self._connect().encode_expression(before)
        since = exp.GE(exp.LastUpdateTime(), piece.start_ms * _NS_PER_MS)
        return self._connect().encode_expression(exp.And(since, before))

    def _shares(self, piece: Piece) -> list[Share]:
        if piece.slices > 1:
            return [Share(tuple(piece.partitions), piece.slices, k) for k in piece.remainders]
        owners = self._connect().partition_map(self._plan.namespace).owners.tolist()
        if piece.is_whole:
            return split(self._n_tasks, owners)
        order = sorted(piece.partitions, key=lambda partition: owners[partition])
        n_tasks = min(self._n_tasks, len(order))
        cuts = [i * len(order) // n_tasks for i in range(n_tasks + 1)]
        return [Share(tuple(order[low:high])) for low, high in pairwise(cuts)]

    # -- limits --

    def _limited(self, at: Offset, end_ms: int, most: int) -> Offset:
        """Return the furthest offset, within one window, of a batch with at most so many rows."""
        part = at.part or Part(end_ms, 0)
        if part.slice:
            return _after(at.until_ms, replace(part, slice=part.slice + 1))
        first, total = part.partition, 0
        n_asked = max(1, most // (self._plan.objects // N_PARTITIONS + 1))
        while first < N_PARTITIONS:
            asked = range(first, min(first + n_asked, N_PARTITIONS))
            digests = self._digests(Piece(at.until_ms, end_ms, asked))
            counts = np.bincount(_partition_of(digests) - first, minlength=len(asked))
            fitting = int(np.searchsorted(total + np.cumsum(counts), most, side="right"))
            if fitting < len(asked):
                first += fitting
                if first == part.partition:
                    return self._sliced(at.until_ms, end_ms, first, most)
                return Offset(at.until_ms, Part(end_ms, first))
            first, total = asked.stop, total + int(counts.sum())
            n_asked *= 4
        return Offset(end_ms)

    def _sliced(self, start_ms: int, end_ms: int, partition: int, most: int) -> Offset:
        """Return the end of the first slice of a partition that has too many records for one batch."""
        digests = self._digests(Piece(start_ms, end_ms, range(partition, partition + 1)))
        words = digests[:, 16:].copy().view("<u4").ravel()
        slices = max(2, math.ceil(len(words) / most))
        while slices < _MOST_SLICES and np.bincount(words % slices).max(initial=0) > most:
            slices += max(1, slices // 4)
        return _after(start_ms, Part(end_ms, partition, 1, slices))

    def _digests(self, piece: Piece) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The digests of a window, n × 20: the server reads its index for them, and no record."""
        from aerospike_magic.scan import Scan

        schema = self._plan.schema
        counted = replace(
            self._plan.for_share(Share(tuple(piece.partitions))).also(self._window(piece)),
            columns=(schema.column(DIGEST_NAME),),
            decoded=(schema.column(DIGEST_NAME),),
            bins=(),
            omitted_filter=None,
        )
        with Scan(self._connect(), counted) as scan:
            found = [np.frombuffer(column_bytes(batch.column(0)), np.uint8) for batch in scan.batches()]
        return np.concatenate(found).reshape(-1, 20) if found else np.empty((0, 20), np.uint8)


def column_bytes(column: pa.Array) -> bytes:
    """The values of a column of fixed width without NULLs, one after another."""
    width = column.type.byte_width
    return column.buffers()[1].to_pybytes()[column.offset * width : (column.offset + len(column)) * width]


def _partition_of(digests: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return (digests[:, 0].astype(np.int64) | digests[:, 1].astype(np.int64) << 8) % N_PARTITIONS


def _after(until_ms: int, part: Part) -> Offset:
    """The offset, with a partition whose slices are all read counted as read, and a window likewise."""
    if part.slice == part.slices:
        part = Part(part.end_ms, part.partition + 1)
    return Offset(part.end_ms) if part.partition == N_PARTITIONS else Offset(until_ms, part)


def _most_rows(limit: ReadLimit | None) -> int | None:
    return getattr(limit, "max_rows", None)


def parse_time_ms(text: str) -> int:
    """Read a point in time: ISO 8601, in UTC if it names no zone, or milliseconds since 1970.

    Raises:
        ConfigError: it is neither.
    """
    if text.lstrip("-").isdigit():
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"aerospike.stream.start is {text!r}",
            hint="it is earliest, latest, a time such as 2026-11-24T06:00:00Z, or milliseconds since 1970",
        ) from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000)

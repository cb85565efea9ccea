"""One worker's decoder: bytes of a node's answer in, record batches out.

The worker receives into `free_space()`, says how much came with `received()`, and calls `step()` until it asks for
more. Nothing here waits or does I/O. Digest tables are shared by all workers of a scan: a partition is read by one
worker at a time, so no two write the same row.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from aerospike_magic.errors import MismatchError, WireError
from aerospike_magic.scan import kernels
from aerospike_magic.scan.columns import BatchBuilder, DecodedBatch, Layout
from aerospike_magic.scan.progress import N_PARTITIONS
from aerospike_magic.schema.convert import describe_particle

# Big enough that the interpreter's share is small, small enough that the bytes are still in the cache when decoded.
CHUNK_BYTES = 512 << 10
_MAX_BATCH_AGE_S = 0.25
_EPOCH_2010 = 1_262_304_000


class Step(Enum):
    """What the decoder needs next."""

    MORE_BYTES = "more bytes"
    LAST = "last message"


class ResumePoints:
    """The last record read of each partition: digest and secondary-index value.

    Rows of `digests` are three little-endian words: 20 bytes of digest, 4 of padding.
    """

    def __init__(self) -> None:
        self.digests = np.zeros((N_PARTITIONS, 3), np.uint64)
        self.values = np.zeros(N_PARTITIONS, np.uint64)
        self.known = np.zeros(N_PARTITIONS, np.uint8)

    def set(self, partition: int, digest: bytes, index_value: int = 0) -> None:
        """Resume a partition after this record."""
        self.digests[partition] = np.frombuffer(digest.ljust(24, b"\0"), "<u8")
        self.values[partition] = index_value & 0xFFFFFFFFFFFFFFFF
        self.known[partition] = 1

    def digest(self, partition: int) -> bytes | None:
        """Return the digest after which to resume a partition, None to read it from its start."""
        if not self.known[partition]:
            return None
        return self.digests[partition].astype("<u8").tobytes()[:20]

    def index_value(self, partition: int) -> int:
        """Return the secondary-index value of the last record read, as a signed integer."""
        return int(self.values[partition].astype(np.int64))


@dataclass(frozen=True)
class Answer:
    """How a node's answer ended."""

    result_code: int
    unavailable: tuple[int, ...]


class AnswerDecoder:
    """Decode the answers to a worker's requests, one after another.

    Args:
        layout: the columns.
        batch_rows: rows of a full batch.
        first_rows: rows of the first batch.
        batch_bytes: bytes of variable-length values after which a batch ends early.
        note_unseen: whether all bins travel, so that bins without a column are to be counted.
        on_mismatch: "null", or "error" to raise at the first value that does not fit.
        emit: takes each finished batch.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        batch_rows: int,
        first_rows: int,
        batch_bytes: int = 32 << 20,
        note_unseen: bool,
        on_mismatch: str,
        emit: Callable[[DecodedBatch], None],
    ) -> None:
        self.layout = layout
        self.builder = BatchBuilder(layout, batch_rows, first_rows)
        self.state = np.zeros(kernels.N_STATE, np.int64)
        self._emit = emit
        self._batch_bytes = batch_bytes
        self._strict = on_mismatch == "error"
        self._buffer = np.empty(CHUNK_BYTES + kernels.PADDING, np.uint8)
        self._buffer_address = self._buffer.ctypes.data
        self._tables_address, self._state_address = self.builder.tables.ctypes.data, self.state.ctypes.data
        self._resume: ResumePoints | None = None
        self._filled = 0
        self._unavailable = np.zeros(N_PARTITIONS, np.int32)
        self._unseen_names = np.zeros((kernels.MAX_UNSEEN, 2), np.uint64)
        self._unseen_counts = np.zeros(kernels.MAX_UNSEEN, np.int64)
        self._unseen_flags = np.zeros(kernels.MAX_UNSEEN, np.uint8)
        self._unseen_examples = np.full((kernels.MAX_UNSEEN, 3), -1, np.int64)
        self._unseen_texts: list[str] = []
        tables = self.builder.tables
        tables[kernels.C_NOW] = int(time.time()) - _EPOCH_2010
        tables[kernels.C_NOTE_UNSEEN] = int(note_unseen)
        tables[kernels.A_UNSEEN_NAMES] = self._unseen_names.ctypes.data
        tables[kernels.A_UNSEEN_COUNTS] = self._unseen_counts.ctypes.data
        tables[kernels.A_UNSEEN_FLAGS] = self._unseen_flags.ctypes.data
        tables[kernels.A_UNSEEN_EXAMPLES] = self._unseen_examples.ctypes.data
        tables[kernels.A_UNAVAILABLE] = self._unavailable.ctypes.data
        self._batch_started = time.monotonic()

    @property
    def n_records(self) -> int:
        """Records decoded so far."""
        return int(self.state[kernels.N_RECORDS])

    @property
    def has_rows(self) -> bool:
        """Whether there are rows that were not emitted yet."""
        return bool(self.state[kernels.ROW])

    def begin_answer(self) -> None:
        """Get ready for the answer to the next request; rows of the batch under construction stay."""
        self.state[kernels.PROTO_LEFT] = self.state[kernels.OFFSET] = 0
        self.state[kernels.RESULT_CODE] = self.state[kernels.N_UNAVAILABLE] = 0
        self._filled = 0

    def free_space(self) -> memoryview:
        """Return where to receive the next bytes."""
        return self._buffer[self._filled : len(self._buffer) - kernels.PADDING].data

    def received(self, n_bytes: int) -> None:
        """Say how many bytes were put into `free_space()`."""
        self._filled += n_bytes

    def step(self, resume: ResumePoints) -> Step:
        """Decode what was received.

        Raises:
            WireError: the bytes are not an answer to a scan.
            MismatchError: a value does not fit, under on_mismatch="error".
        """
        while True:
            status = self._decode(resume)
            if self.state[kernels.NEW_EXAMPLES]:
                self._read_examples()
            if status == kernels.BATCH_FULL:
                self.flush()
            elif status == kernels.GROW_HEAP:
                self.builder.grow_heap(int(self.state[kernels.GROW_SLOT]), int(self.state[kernels.GROW_BYTES]))
            elif status == kernels.MALFORMED:
                raise WireError(
                    f"the answer to a scan is malformed at byte {int(self.state[kernels.ERROR_OFFSET])}",
                    hint="is this port an Aerospike service port?",
                )
            else:
                self._flush_if_due()
                if status == kernels.NEED_DATA:
                    self._keep_rest()
                    return Step.MORE_BYTES
                return Step.LAST

    def answer(self) -> Answer:
        """Return how the answer ended, after `step()` has returned LAST."""
        n = int(self.state[kernels.N_UNAVAILABLE])
        return Answer(int(self.state[kernels.RESULT_CODE]), tuple(int(p) for p in self._unavailable[:n]))

    def flush(self) -> None:
        """Emit the rows of the batch under construction, if there are any."""
        n_rows = int(self.state[kernels.ROW])
        self.state[kernels.ROW] = 0
        if n_rows:
            decoded = self.builder.take(n_rows)
            if self._strict and decoded.mismatched:
                self._raise_mismatch()
            self._emit(decoded)
        self._batch_started = time.monotonic()

    def unseen(self) -> list[tuple[str, int, str]]:
        """Return (name, records, example) of the bins that have no column."""
        found = []
        for i, text in enumerate(self._unseen_texts):
            raw = self._unseen_names[i].astype("<u8").tobytes()
            name = raw[: raw[15]].decode(errors="replace")
            found.append((name, int(self._unseen_counts[i]), text))
        overflow = int(self.state[kernels.UNSEEN_OVERFLOW])
        return [*found, ("(further bins)", overflow, "")] if overflow else found

    def _decode(self, resume: ResumePoints) -> int:
        self.builder.prepare()
        tables = self.builder.tables
        tables[kernels.A_CHUNK] = self._buffer_address
        tables[kernels.C_END] = self._filled
        if resume is not self._resume:
            self._resume = resume
            tables[kernels.A_LAST_DIGESTS] = resume.digests.ctypes.data
            tables[kernels.A_LAST_VALUES] = resume.values.ctypes.data
            tables[kernels.A_HAS_DIGEST] = resume.known.ctypes.data
        return kernels.decode(self._tables_address, self._state_address)

    def _flush_if_due(self) -> None:
        """A batch also ends when it holds much text, or when a slow node would keep its first rows waiting."""
        if not self.state[kernels.ROW]:
            self._batch_started = time.monotonic()
        elif self.builder.heap_bytes > self._batch_bytes or (time.monotonic() - self._batch_started > _MAX_BATCH_AGE_S):
            self.flush()

    def _keep_rest(self) -> None:
        """Move the bytes of a message that has not come whole to the front; make room when it fills the buffer."""
        start = int(self.state[kernels.OFFSET])
        rest = self._filled - start
        room = len(self._buffer) - kernels.PADDING
        if rest >= room:
            bigger = np.empty(min(2 * room, kernels.MAX_PROTO_SIZE + 64) + kernels.PADDING, np.uint8)
            bigger[:rest] = self._buffer[start : self._filled]
            self._buffer, self._buffer_address = bigger, bigger.ctypes.data
        elif start:
            self._buffer[:rest] = self._buffer[start : self._filled].copy()
        self.state[kernels.OFFSET] = 0
        self._filled = rest

    def _read_examples(self) -> None:
        """Copy the texts of new examples out of the chunk, before it is overwritten."""
        self.state[kernels.NEW_EXAMPLES] = 0
        for c in np.flatnonzero(self.builder.mismatch_examples[:, 0] >= 0):
            at, n_bytes, particle = (int(v) for v in self.builder.mismatch_examples[c])
            if int(c) not in self.builder.examples:
                self.builder.note_example(int(c), particle, self._buffer[at : at + n_bytes].tobytes())
        for i in range(len(self._unseen_texts), int(self.state[kernels.N_UNSEEN])):
            at, n_bytes, particle = (int(v) for v in self._unseen_examples[i])
            self._unseen_texts.append(describe_particle(particle, self._buffer[at : at + n_bytes].tobytes()))

    def _raise_mismatch(self) -> None:
        for c in np.flatnonzero(self.builder.mismatches):
            column = self.layout.columns[int(c)]
            example = self.builder.examples.get(int(c), "")
            raise MismatchError(
                f"bin {column.name}: {example} does not fit {column.type_text}",
                hint=f"override its type (e.g. {column.name} as json), or on_mismatch='null' to count and go on",
            )

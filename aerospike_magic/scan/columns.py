"""From the kernel's buffers to Arrow record batches: where each column's values are kept while a batch grows.

Fixed-width values stand in the rows of one matrix, booleans in bitmaps, everything of variable length in one heap a
column. The arrays of a finished batch are handed to Arrow as they are (no copy) and new ones are allocated for the
next batch; only LIST, MAP, STRUCT and JSON columns are converted, from the raw particles in their heap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aerospike_magic.scan import kernels
from aerospike_magic.schema.convert import convert_column, describe_particle
from aerospike_magic.schema.types import Column, Kind, Source

_FIXED_METADATA = (Source.GENERATION, Source.TTL, Source.INDEX_VALUE)
_RAW_KINDS = (Kind.JSON, Kind.LIST, Kind.MAP, Kind.STRUCT)
_MAX_FIXED_BYTES = 64 << 20
_FIRST_HEAP_BYTES_PER_ROW = 16
_NO_BIN = np.uint64(0xFFFFFFFFFFFFFFFF)


class Layout:
    """Which storage row each column has; the same for all workers of a scan, never changed.

    Args:
        columns: the columns to decode, bins and metadata, in the order of the batches.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self.schema = pa.schema([c.field for c in columns])
        n = len(columns)
        self.kinds = np.array([int(c.kind) for c in columns], np.int64)
        self.slots = np.zeros(n, np.int64)
        self.key_column = self.generation_slot = self.ttl_slot = self.index_value_slot = -1
        self.has_digests = False
        self.n_fixed = self.n_bools = self.n_variable = 0
        for c, column in enumerate(self.columns):
            self._place(c, column)
        self.name_lo, self.name_hi, self.table = _name_tables(self.columns)
        always = (Source.DIGEST, *_FIXED_METADATA)
        self.last_rows = np.array([kernels.ALWAYS if c.source in always else kernels.NEVER for c in columns], np.int64)

    def _place(self, c: int, column: Column) -> None:
        if column.source is Source.DIGEST:
            self.has_digests = True
        elif column.source in _FIXED_METADATA or column.kind in (Kind.INT64, Kind.DOUBLE):
            self.slots[c] = self.n_fixed
            self.n_fixed += 1
            if column.source is Source.GENERATION:
                self.generation_slot = int(self.slots[c])
            elif column.source is Source.TTL:
                self.ttl_slot = int(self.slots[c])
            elif column.source is Source.INDEX_VALUE:
                self.index_value_slot = int(self.slots[c])
        elif column.kind is Kind.BOOL:
            self.slots[c] = self.n_bools
            self.n_bools += 1
        else:
            self.slots[c] = self.n_variable
            self.n_variable += 1
        if column.source is Source.KEY:
            self.key_column = c

    def row_capacity(self, batch_rows: int) -> int:
        """Rows of a batch, at most `batch_rows`, fewer for very wide sets so that memory stays bounded."""
        width = 8 * max(1, self.n_fixed) + 5 * self.n_variable
        rows = max(256, min(batch_rows, _MAX_FIXED_BYTES // width))
        return (rows + 7) // 8 * 8


def _name_tables(
    columns: Sequence[Column],
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], npt.NDArray[np.int32]]:
    """Bin names as two words each, and an open-addressing hash table over them, at most half full."""
    lo = np.full(len(columns), _NO_BIN, np.uint64)
    hi = np.full(len(columns), _NO_BIN, np.uint64)
    size = 8
    while size < 2 * len(columns):
        size *= 2
    table = np.full(size, -1, np.int32)
    for c, column in enumerate(columns):
        if column.bin is None:
            continue
        name = column.bin.encode()
        padded = name.ljust(15, b"\0") + bytes([len(name)])
        lo[c], hi[c] = np.frombuffer(padded, "<u8")
        at = int(kernels.hash_name(lo[c], hi[c], size - 1))
        while table[at] >= 0:
            at = (at + 1) % size
        table[at] = c
    return lo, hi, table


@dataclass(frozen=True)
class DecodedBatch:
    """One record batch, and the columns in which it has values that did not fit (NULL there)."""

    batch: pa.RecordBatch
    mismatched: frozenset[str]


class _Block:
    """Memory of Arrow's own pool for the rows of one storage; freeing it needs neither the GIL nor new pages.

    Args:
        n_rows: columns kept here.
        row_bytes: bytes of each.
    """

    def __init__(self, n_rows: int, row_bytes: int) -> None:
        self._buffer = pa.allocate_buffer(n_rows * row_bytes)
        self._row_bytes = row_bytes
        self.rows = np.frombuffer(self._buffer, np.uint8).reshape(n_rows, row_bytes)

    def row(self, index: int) -> pa.Buffer:
        """Return one row's bytes, without a copy."""
        return self._buffer.slice(index * self._row_bytes, self._row_bytes)


class BatchBuilder:
    """The buffers of the batch under construction, and the counts that go on from batch to batch.

    Args:
        layout: the columns.
        batch_rows: rows of a full batch.
        first_rows: rows of the very first batch, small so that a consumer sees something early.
    """

    def __init__(self, layout: Layout, batch_rows: int, first_rows: int) -> None:
        self.layout = layout
        self._full_capacity = layout.row_capacity(batch_rows)
        self.capacity = min(layout.row_capacity(first_rows), self._full_capacity)
        n = len(layout.columns)
        self.order = np.arange(1, n + 2, dtype=np.int64)
        self.order[-1] = 0
        self.mismatches = np.zeros(n, np.int64)
        self.mismatch_flags = np.zeros(n, np.uint8)
        self.mismatch_examples = np.full((n, 3), -1, np.int64)
        self.examples: dict[int, str] = {}
        self._mismatches_before = self.mismatches.copy()
        self._heap_bytes_per_row = np.full(layout.n_variable, float(_FIRST_HEAP_BYTES_PER_ROW))
        self.tables = np.zeros(kernels.N_TABLES, np.int64)
        self.null_counts = np.zeros(n, np.int64)
        self.last_rows = np.zeros(n, np.int64)
        self.heap_used = np.zeros(layout.n_variable, np.int64)
        self._is_ready = False

    def _fill_tables(self) -> None:
        """Tell the kernel where everything is; this object keeps the arrays alive."""
        layout, tables = self.layout, self.tables
        for index, array in (
            (kernels.A_NAME_LO, layout.name_lo),
            (kernels.A_NAME_HI, layout.name_hi),
            (kernels.A_HASH, layout.table),
            (kernels.A_ORDER, self.order),
            (kernels.A_KINDS, layout.kinds),
            (kernels.A_SLOTS, layout.slots),
            (kernels.A_VALUES, self.values.rows),
            (kernels.A_BITS, self.bools.rows),
            (kernels.A_VALID, self.bitmaps.rows),
            (kernels.A_NULL_COUNTS, self.null_counts),
            (kernels.A_LAST_ROWS, self.last_rows),
            (kernels.A_OFFSETS, self.offsets.rows),
            (kernels.A_PARTICLES, self.particles),
            (kernels.A_HEAPS, self.heap_address),
            (kernels.A_HEAP_USED, self.heap_used),
            (kernels.A_HEAP_CAPACITY, self.heap_capacity),
            (kernels.A_MISMATCHES, self.mismatches),
            (kernels.A_MISMATCH_FLAGS, self.mismatch_flags),
            (kernels.A_MISMATCH_EXAMPLES, self.mismatch_examples),
        ):
            tables[index] = array.ctypes.data
        tables[kernels.A_DIGESTS] = self.digests.rows.ctypes.data if layout.has_digests else 0
        tables[kernels.C_CAPACITY] = self.capacity
        tables[kernels.C_COLUMNS] = len(layout.columns)
        tables[kernels.C_BOOLS] = layout.n_bools
        tables[kernels.C_VARIABLE] = layout.n_variable
        tables[kernels.C_ALWAYS] = np.count_nonzero(layout.last_rows == kernels.ALWAYS)
        tables[kernels.C_HASH] = len(layout.table)
        tables[kernels.C_KEY] = layout.key_column
        tables[kernels.C_GENERATION] = layout.generation_slot
        tables[kernels.C_TTL] = layout.ttl_slot
        tables[kernels.C_INDEX_VALUE] = layout.index_value_slot

    def prepare(self) -> None:
        """Have buffers for the next rows; a batch handed over as it was has taken its own along."""
        if self._is_ready:
            return
        layout, n_bytes = self.layout, self.capacity // 8
        self.values = _Block(layout.n_fixed, 8 * self.capacity)
        self.bools = _Block(layout.n_bools, n_bytes)
        self.bitmaps = _Block(len(layout.columns), n_bytes)
        self.offsets = _Block(layout.n_variable, 4 * (self.capacity + 1))
        self.particles = np.zeros((layout.n_variable, self.capacity), np.uint8)
        # A heap starts with what the last batch needed a row, and some room.
        sizes = (self._heap_bytes_per_row * self.capacity).astype(np.int64) + 64
        self.heaps = [pa.allocate_buffer(int(size)) for size in sizes]
        self.heap_address = np.array([h.address for h in self.heaps], np.uintp)
        self.heap_capacity = np.array([h.size for h in self.heaps], np.int64)
        self.digests = _Block(1, 20 * self.capacity if layout.has_digests else 0)
        self._clear()
        self._fill_tables()
        self._is_ready = True

    def _clear(self) -> None:
        """Forget the rows; the buffers stay."""
        for zeroed in (self.bools.rows, self.offsets.rows[:, :4]):
            zeroed[:] = 0
        for counts in (self.null_counts, self.heap_used, self.particles):
            counts[:] = 0
        self.bitmaps.rows[:] = 0xFF
        self.last_rows[:] = self.layout.last_rows

    @property
    def heap_bytes(self) -> int:
        """Bytes of variable-length values in the batch under construction."""
        return int(self.heap_used.sum())

    def grow_heap(self, slot: int, n_bytes: int) -> None:
        """Make room for a value of `n_bytes` in one column's heap."""
        used = int(self.heap_used[slot])
        heap = pa.allocate_buffer(2 * (used + n_bytes) + 64)
        np.frombuffer(heap, np.uint8)[:used] = np.frombuffer(self.heaps[slot], np.uint8)[:used]
        self.heaps[slot] = heap
        self.heap_address[slot] = heap.address
        self.heap_capacity[slot] = heap.size

    def note_example(self, c: int, particle: int, payload: bytes) -> None:
        """Keep the first value that did not fit column c."""
        self.examples.setdefault(c, describe_particle(particle, payload))

    def take(self, n_rows: int) -> DecodedBatch:
        """Return the first `n_rows` rows as a record batch and start a new one."""
        arrays = [self._array(c, n_rows) for c in range(len(self.layout.columns))]
        batch = _record_batch(arrays, self.layout.schema, n_rows)
        changed = np.flatnonzero(self.mismatches != self._mismatches_before)
        mismatched = frozenset(self.layout.columns[int(c)].name for c in changed)
        self._mismatches_before[:] = self.mismatches
        if n_rows * 4 < self.capacity * 3:
            # Much of the buffers is unused: a copy of the right size, and the buffers serve again.
            batch = batch.take(pa.array(np.arange(n_rows, dtype=np.int32))) if arrays else batch
            self._clear()
        else:
            self._heap_bytes_per_row = np.maximum(self.heap_used / n_rows * 1.125, 1.0)
            self.capacity = min(4 * self.capacity, self._full_capacity)
            self._is_ready = False
        return DecodedBatch(batch, mismatched)

    def _array(self, c: int, n_rows: int) -> pa.Array:
        column, slot = self.layout.columns[c], int(self.layout.slots[c])
        if column.source is Source.DIGEST:
            return pa.Array.from_buffers(pa.binary(20), n_rows, [None, self.digests.row(0)])
        if column.source in _FIXED_METADATA:
            return pa.Array.from_buffers(pa.int64(), n_rows, [None, self.values.row(slot)])
        nulls = int(self.null_counts[c])
        validity = self.bitmaps.row(c) if nulls else None
        if column.kind in (Kind.INT64, Kind.DOUBLE):
            return pa.Array.from_buffers(column.type, n_rows, [validity, self.values.row(slot)], nulls)
        if column.kind is Kind.BOOL:
            return pa.Array.from_buffers(pa.bool_(), n_rows, [validity, self.bools.row(slot)], nulls)
        heap = self.heaps[slot].slice(0, int(self.heap_used[slot]))
        buffers = [validity, self.offsets.row(slot), heap]
        if column.kind in _RAW_KINDS:
            return self._converted(
                c, self.particles[slot, :n_rows], pa.Array.from_buffers(pa.binary(), n_rows, buffers, nulls)
            )
        return pa.Array.from_buffers(column.type, n_rows, buffers, nulls)

    def _converted(self, c: int, particles: npt.NDArray[np.uint8], payloads: pa.Array) -> pa.Array:
        array, wrong = convert_column(self.layout.columns[c], particles, payloads)
        if len(wrong):
            self.mismatches[c] += len(wrong)
            row = int(wrong[0])
            self.note_example(c, int(particles[row]), payloads[row].as_py())
        return array


def _record_batch(arrays: list[pa.Array], schema: pa.Schema, n_rows: int) -> pa.RecordBatch:
    if arrays:
        return pa.RecordBatch.from_arrays(arrays, schema=schema)
    # A batch without columns still has a number of rows: count(*) needs nothing else.
    return pa.record_batch([pa.nulls(n_rows)], names=["rows"]).select([])

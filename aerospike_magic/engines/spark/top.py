"""The first rows of one task in Spark's order; Spark sorts what all tasks return and takes the first of them.

So a task may return too much, but never lack a row. The order is Spark's: NULL first or last as the query says, NaN
above all numbers, the two zeros alike, strings by their bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

_FEW_ROWS = 65_536
"""Rows to gather before choosing among them, at least."""


@dataclass(frozen=True, slots=True)
class SortKey:
    """One column to order by, and how."""

    column: str
    ascending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class TopRows:
    """The first `rows` in the order of `by`; which of several that are alike does not matter."""

    rows: int
    by: tuple[SortKey, ...]

    def __post_init__(self) -> None:
        if self.rows < 1 or not self.by:
            raise ValueError(f"the first {self.rows} by {self.by}")

    def renamed(self, names: Mapping[str, str]) -> TopRows:
        """Return the same of columns with other names."""
        return replace(self, by=tuple(replace(key, column=names.get(key.column, key.column)) for key in self.by))

    def keep(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Read all batches, then yield the first rows of them all, in no particular order.

        Args:
            batches: of one schema, with the columns to order by.
        """
        gathered: list[pa.RecordBatch] = []
        n_rows = 0
        for batch in batches:
            gathered.append(batch)
            n_rows += batch.num_rows
            if n_rows >= max(4 * self.rows, _FEW_ROWS):
                gathered = self._first(gathered)
                n_rows = self.rows
        yield from self._first(gathered)

    def _first(self, batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
        if sum(batch.num_rows for batch in batches) <= self.rows:
            return list(batches)
        table = pa.Table.from_batches(batches)
        columns: dict[str, pa.ChunkedArray] = {}
        keys: list[tuple[str, str]] = []
        for key in self.by:
            for column, ascending in _comparable(table.column(key.column), key):
                keys.append((str(len(keys)), "ascending" if ascending else "descending"))
                columns[keys[-1][0]] = column
        if not keys:  # every row is like every other
            return table.slice(0, self.rows).to_batches()
        chosen = pc.select_k_unstable(pa.table(columns), k=self.rows, sort_keys=keys)
        return table.take(chosen).combine_chunks().to_batches()


def _comparable(column: pa.ChunkedArray, key: SortKey) -> Iterator[tuple[pa.ChunkedArray, bool]]:
    """Yield columns without NULL and NaN that, one after the other, order as the one does; and whether ascending."""
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    if column.null_count:
        yield pc.is_valid(column).cast(pa.int8()), key.nulls_first
        if column.null_count == len(column):
            return
        # Whatever stands in for NULL is compared with other NULLs only.
        column = column.fill_null(pc.first(column.drop_null()))
    if pa.types.is_floating(column.type):
        is_nan = pc.is_nan(column)
        if pc.any(is_nan).as_py():
            yield is_nan.cast(pa.int8()), key.ascending
            column = pc.if_else(is_nan, 0.0, column)
    yield column, key.ascending

"""Partial aggregates of one task, exact: counts, sums of longs, least and greatest, with or without groups.

Spark adds up what the tasks return. Sums are kept as decimals, so that only a sum that truly does not fit a long fails,
as it does in Spark's ANSI mode.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from aerospike_magic.errors import QueryError

_WIDE = pa.decimal128(38, 0)
_COMBINE_ROWS = 1_000_000
"""Rows of partial results from which combining them is worth it: bounds the memory of many groups."""
_COMBINED = {"count_all": "sum", "count": "sum", "sum": "sum", "min": "min", "max": "max"}


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One function: count_all (of no column), count, sum, min or max."""

    function: str
    column: str | None = None

    def __post_init__(self) -> None:
        if self.function not in _COMBINED or (self.column is None) != (self.function == "count_all"):
            raise ValueError(f"an aggregate {self.function} of {self.column}")


@dataclass(frozen=True, slots=True)
class PartialAggregates:
    """Functions by groups.

    Attributes:
        by: the columns that make the groups; of none, there is one group, even of no rows.
        functions: what to compute, in order.
    """

    by: tuple[str, ...]
    functions: tuple[Aggregate, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to read, each once."""
        names = (*self.by, *(one.column for one in self.functions if one.column is not None))
        return tuple(dict.fromkeys(names))

    def renamed(self, names: Mapping[str, str]) -> PartialAggregates:
        """Return the same of columns with other names."""
        functions = (
            Aggregate(one.function, one.column and names.get(one.column, one.column)) for one in self.functions
        )
        return PartialAggregates(tuple(names.get(name, name) for name in self.by), tuple(functions))

    def compute(self, batches: Iterable[pa.RecordBatch], output: pa.Schema) -> pa.RecordBatch:
        """Aggregate all rows of some batches.

        Args:
            batches: with the columns `columns`.
            output: the groups, then the functions, with Spark's names and types.

        Returns:
            one row a group.

        Raises:
            QueryError: a sum does not fit a long.
        """
        if not self.by and all(one.column is None for one in self.functions):
            # Counting is all that most small tasks do: not worth a plan of Arrow's.
            counted = pa.array([sum(batch.num_rows for batch in batches)], pa.int64())
            return pa.RecordBatch.from_arrays([counted] * len(self.functions), schema=output)
        parts: list[pa.Table] = []
        n_rows = 0
        for batch in batches:
            part = self._first(batch)
            parts.append(part)
            n_rows += part.num_rows
            if n_rows > _COMBINE_ROWS:
                parts = [self._combine(parts)]
                n_rows = parts[0].num_rows
        if not parts:
            empty = [pa.array([], field.type) for field in self._input(output)]
            parts = [self._first(pa.record_batch(empty, names=list(self.columns)))]
        return self._finish(self._combine(parts), output)

    def _input(self, output: pa.Schema) -> list[pa.Field]:
        """The columns to read with their types, as far as the result tells; counted ones may be of any."""
        types = {name: output.field(i).type for i, name in enumerate(self.by)}
        for i, one in enumerate(self.functions, len(self.by)):
            if one.column is not None:
                types.setdefault(one.column, output.field(i).type)
        return [pa.field(name, types[name]) for name in self.columns]

    def _first(self, batch: pa.RecordBatch) -> pa.Table:
        """Aggregate rows; the results are named by their number."""
        columns = {name: batch.column(name) for name in self.columns}
        specs: list[tuple[str | list[str], str]] = []
        for i, one in enumerate(self.functions):
            if one.column is None:
                specs.append(([], "count_all"))
                continue
            values = columns[one.column]
            columns[f"#{i}"] = values.cast(_WIDE) if one.function == "sum" else values
            specs.append((f"#{i}", one.function))
        # A table of no columns has no rows, so the count of all rows needs one.
        columns["#rows"] = pa.nulls(batch.num_rows, pa.bool_())
        return self._aggregate(pa.table(columns), specs)

    def _combine(self, parts: list[pa.Table]) -> pa.Table:
        specs: list[tuple[str | list[str], str]] = [
            (f"#{i}", _COMBINED[one.function]) for i, one in enumerate(self.functions)
        ]
        return self._aggregate(pa.concat_tables(parts), specs)

    def _aggregate(self, table: pa.Table, specs: list[tuple[str | list[str], str]]) -> pa.Table:
        grouped = table.group_by(list(self.by)).aggregate(specs)
        groups = {name: grouped.column(name) for name in self.by}
        results = [i for i, name in enumerate(grouped.column_names) if name not in groups]
        assert len(results) == len(specs), "a result for each function"
        return pa.table(groups | {f"#{i}": grouped.column(at) for i, at in enumerate(results)})

    def _finish(self, table: pa.Table, output: pa.Schema) -> pa.RecordBatch:
        arrays = []
        for column, field in zip(table.columns, output, strict=True):
            try:
                arrays.append(column.cast(field.type).combine_chunks())
            except pa.ArrowInvalid:
                raise QueryError(
                    f"the sum of a column does not fit a long ({field.name})",
                    hint="sum its values as decimal(38, 0), or as double",
                ) from None
        return pa.RecordBatch.from_arrays(arrays, schema=output)

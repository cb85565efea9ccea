"""Arrow tables as pandas, polars and DuckDB objects, losing nothing.

pandas' default conversion turns integers beside NULLs into floats, which is wrong above 2**53. Here a column takes
the plain dtype where that holds every value, and pandas' nullable dtype where there are NULLs:

=====================  =======================  =============================
Arrow                  without NULL             with NULL
=====================  =======================  =============================
integers               int8 … uint64            Int8 … UInt64
bool                   bool                     boolean
double, float          float64, float32         the same, NULL is NaN
string                 str                      str
timestamp, date        datetime64[us], object   the same, NULL is NaT, None
decimal(n, 0)          int64 where it fits      Int64 where it fits
list, map, struct      object: list, dict       None
=====================  =======================  =============================

DuckDB gives the sum of integers as decimal(38, 0), which is why decimals without a fraction become integers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from aerospike_magic.errors import QueryError

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl


def arrow_table(frame: Any) -> pa.Table:
    """Return a frame of pandas, polars or Arrow as an Arrow table; an index is left out."""
    home = type(frame).__module__.partition(".")[0]
    if home == "pandas":
        return pa.Table.from_pandas(frame, preserve_index=False)
    if home == "polars":
        return (frame.collect() if type(frame).__name__ == "LazyFrame" else frame).to_arrow()
    if isinstance(frame, pa.RecordBatchReader):
        return frame.read_all()
    return pa.Table.from_batches([frame]) if isinstance(frame, pa.RecordBatch) else frame


def columns_to_pandas(names: list[str], columns: list[pa.ChunkedArray | None]) -> pd.DataFrame:
    """Return a DataFrame of the columns, in order, names as they are (also repeated ones).

    Args:
        names: the columns' names.
        columns: one Arrow array a name, all of one length. The list is emptied on the way, so that each array can
            be freed as soon as pandas has its copy; a caller that holds no other reference saves half the memory.
    """
    import pandas as pd

    n_rows = len(columns[0]) if columns and columns[0] is not None else 0
    series: dict[int, Any] = {}
    for i in range(len(columns)):
        column, columns[i] = columns[i], None
        series[i] = _series(column)
        del column
    frame = pd.DataFrame(series, index=pd.RangeIndex(n_rows), copy=False)
    frame.columns = pd.Index(names, dtype="str")
    return frame


def table_to_polars(table: pa.Table) -> pl.DataFrame:
    """Return a polars DataFrame; a repeated column name gets ``_1``, ``_2`` … appended."""
    try:
        import polars as pl
    except ImportError:
        raise QueryError("polars is not installed", hint="pip install 'aerospike-magic[polars]'") from None
    renamed = table.rename_columns(distinct_names(table.column_names))
    columns = [_integers(column) for column in renamed.columns]
    frame: pl.DataFrame = pl.from_arrow(pa.Table.from_arrays(columns, names=renamed.column_names))
    return frame


def table_to_duckdb(table: pa.Table) -> duckdb.DuckDBPyRelation:
    """Return a relation over the table, on a fresh in-memory connection."""
    import duckdb

    renamed = table.rename_columns(distinct_names(table.column_names))
    return duckdb.connect().from_arrow(renamed)


def distinct_names(names: list[str]) -> list[str]:
    """Return the names with ``_1``, ``_2`` … appended to those that came before, as DuckDB does."""
    taken = set(names)
    seen: set[str] = set()
    result = []
    for name in names:
        unique, n = name, 0
        while unique in seen or (n and unique in taken):
            n += 1
            unique = f"{name}_{n}"
        seen.add(unique)
        result.append(unique)
    return result


def _series(column: pa.ChunkedArray) -> Any:
    import pandas as pd

    column = _integers(column)
    kind = column.type
    if column.null_count and (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        nullable = {
            pa.bool_(): pd.BooleanDtype(),
            pa.int8(): pd.Int8Dtype(),
            pa.int16(): pd.Int16Dtype(),
            pa.int32(): pd.Int32Dtype(),
            pa.int64(): pd.Int64Dtype(),
            pa.uint8(): pd.UInt8Dtype(),
            pa.uint16(): pd.UInt16Dtype(),
            pa.uint32(): pd.UInt32Dtype(),
            pa.uint64(): pd.UInt64Dtype(),
        }
        return column.to_pandas(types_mapper=nullable.get)
    if pa.types.is_null(kind):
        return pd.Series([None] * len(column), dtype=object)
    if pa.types.is_map(kind):
        return column.to_pandas(maps_as_pydicts="lossy")
    return column.to_pandas(maps_as_pydicts="lossy") if pa.types.is_nested(kind) else column.to_pandas()


def _integers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not (pa.types.is_decimal(column.type) and column.type.scale == 0):
        return column
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        return column

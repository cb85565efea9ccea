"""The first rows of a result: values as strings, column types in the heading."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aerospike_magic.display.grid import Grid, GridColumn
from aerospike_magic.display.text import plural

if TYPE_CHECKING:
    import pyarrow as pa

_SHORT_TYPES = {"large_string": "string", "string_view": "string", "large_binary": "binary"}


def result_grid(rows: pa.Table, *, more: bool = False, hint: str = "") -> Grid:
    """Lay out the first rows of a result.

    Args:
        rows: the rows to show, all of them.
        more: whether the result has further rows.
        hint: what to do to get them, said after "first N rows".

    Returns:
        A grid of rows × columns; NULL cells are None.
    """
    import pyarrow.types as pt

    columns = tuple(
        GridColumn(
            field.name,
            type_name(field.type),
            pt.is_integer(field.type) or pt.is_floating(field.type) or pt.is_decimal(field.type),
        )
        for field in rows.schema
    )
    cells = [[cell_text(value) for value in column.to_pylist()] for column in rows.itercolumns()]
    lines = tuple(zip(*cells, strict=True)) if cells else ()
    n_columns = plural(len(columns), "column")
    if more:
        note = f"first {plural(rows.num_rows, 'row')} × {n_columns}" + (f"; {hint}" if hint else "")
    else:
        note = f"{plural(rows.num_rows, 'row')} × {n_columns}"
    return Grid(columns, lines, note=note)


def type_name(kind: pa.DataType) -> str:
    """Return an Arrow type as short words: `int64`, `string`, `list<double>`."""
    text = str(kind)
    return _SHORT_TYPES.get(text, text if len(text) <= 40 else text[:39] + "…")


def cell_text(value: Any) -> str | None:
    """Return one value as a reader expects it; None for NULL."""
    if value is None:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.12g}" if value == value and abs(value) < 1e15 else repr(value)
    if isinstance(value, bytes):
        return "0x" + value[:20].hex() + ("…" if len(value) > 20 else "")
    if isinstance(value, (list, dict, tuple)):
        return json.dumps(value, ensure_ascii=False, default=_json_leaf)
    return str(value)


def _json_leaf(value: Any) -> str:
    return cell_text(value) or ""

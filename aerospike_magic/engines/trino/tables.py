"""A set as a table of the gateway, and as the subquery that gives its columns with their exact names and types.

The gateway's tables know lower case and a few types: bytes arrive as hexadecimal text, lists, maps and structs as
JSON. Where a statement needs such a column, or a star shows names in capitals, the set is read through a subquery
that converts and renames; Trino pushes filters on plain columns through it. Everywhere else it is the table itself.

JSON becomes a row field by field where a field's name has capitals, for a cast finds only fields in lower case, and
element by element where there are bytes inside.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from urllib.parse import quote

import pyarrow as pa

from aerospike_magic.engines.lexer import Dialect
from aerospike_magic.schema.type_text import Kind
from aerospike_magic.schema.types import METADATA_NAMES, Column, SetSchema

_SCALARS = {
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.bool_(): "boolean",
    pa.string(): "varchar",
}


def table_name(catalog: str, schema: SetSchema, dialect: Dialect, options: str = "") -> str:
    """Return the gateway's name of a set, quoted.

    Args:
        catalog: of the gateway.
        schema: of the set.
        dialect: the engine's.
        options: of the query, as a URL's.
    """
    table = (schema.set_name or "__null").lower() + (f"?{options}" if options else "")
    return ".".join(map(dialect.quote_identifier, (catalog, schema.namespace.lower(), table)))


def query_text(**options: str | int | None) -> str:
    """Return options of a query as they stand in a table's name; those that are None or 0 are left out.

    >>> query_text(rps=100, mismatch=None, progress="127.0.0.1:4567/ab12/0")
    'rps=100&progress=127.0.0.1:4567/ab12/0'
    """
    return "&".join(f"{name}={quote(str(value), safe=':/')}" for name, value in options.items() if value)


def source_of(
    table: str, schema: SetSchema, dialect: Dialect, named: Collection[str], *, takes_all: bool
) -> tuple[str, bool]:
    """Return what stands for a set in a FROM, and whether it is a subquery.

    Args:
        table: the gateway's name, quoted.
        schema: of the set.
        dialect: the engine's.
        named: every name in the statement, in lower case.
        takes_all: whether a star may take all columns.
    """
    selected = schema.selected if takes_all else ()
    wanted = [column for column in schema.columns if column in selected or column.name.lower() in named]
    is_renamed = takes_all and any(column.name != column.name.lower() for column in wanted)
    if not wanted or not (is_renamed or any(map(is_converted, wanted))):
        return table, False
    columns = ", ".join(_column(column, dialect) for column in wanted)
    return f"(SELECT {columns} FROM {table})", True


def is_converted(column: Column) -> bool:
    """Whether a column's type is not what the gateway's table gives."""
    return column.kind not in (Kind.JSON, Kind.GEOJSON) and column.type not in _SCALARS


def hidden(schema: SetSchema, named: Collection[str]) -> tuple[str, ...]:
    """Return the metadata columns that a statement names and a star does not show."""
    shown = schema.arrow.names
    return tuple(name for name in METADATA_NAMES if name in named and name not in shown)


def _column(column: Column, dialect: Dialect) -> str:
    name = dialect.quote_identifier(column.name)
    given = dialect.quote_identifier(column.name.lower())
    if not is_converted(column):
        return name if name == given else f"{given} AS {name}"
    if not pa.types.is_nested(column.type):
        return f"from_hex({given}) AS {name}"
    return f"{json_as(given, column.type, dialect)} AS {name}"


def json_as(value: str, dtype: pa.DataType, dialect: Dialect, depth: int = 0) -> str:
    """Return the expression that makes JSON a value of a type.

    Args:
        value: an expression of type JSON.
        dtype: what it is to be.
        dialect: the engine's.
        depth: how many lambdas it stands in.
    """
    if _is_plain(dtype):
        return f"CAST({value} AS {sql_type(dtype, dialect)})"
    if not pa.types.is_nested(dtype):
        return f"from_hex(CAST({value} AS varchar))"
    item = f"e{depth}"
    if pa.types.is_list(dtype):
        return (
            f"transform(CAST({value} AS array(json)), {item} -> {json_as(item, dtype.value_type, dialect, depth + 1)})"
        )
    if pa.types.is_map(dtype):
        keys = sql_type(dtype.key_type, dialect)
        made = json_as(item, dtype.item_type, dialect, depth + 1)
        return f"transform_values(CAST({value} AS map({keys}, json)), (k{depth}, {item}) -> {made})"
    fields = (json_as(f"json_extract({value}, {_path(field.name)})", field.type, dialect, depth) for field in dtype)
    row = f"CAST(ROW({', '.join(fields)}) AS {sql_type(dtype, dialect)})"
    return f"IF(json_format({value}) <> 'null', {row})"


def sql_type(dtype: pa.DataType, dialect: Dialect) -> str:
    """Return the SQL name of a column's type."""
    if pa.types.is_list(dtype):
        return f"array({sql_type(dtype.value_type, dialect)})"
    if pa.types.is_map(dtype):
        return f"map({sql_type(dtype.key_type, dialect)}, {sql_type(dtype.item_type, dialect)})"
    if pa.types.is_struct(dtype):
        fields = (f"{dialect.quote_identifier(field.name)} {sql_type(field.type, dialect)}" for field in dtype)
        return f"row({', '.join(fields)})"
    return _SCALARS.get(dtype, "varbinary")


def _is_plain(dtype: pa.DataType) -> bool:
    """Whether a cast makes the type from JSON."""
    if pa.types.is_struct(dtype):
        return all(field.name == field.name.lower() and _is_plain(field.type) for field in dtype)
    if pa.types.is_map(dtype):
        return _is_plain(dtype.item_type)
    return _is_plain(dtype.value_type) if pa.types.is_list(dtype) else dtype in _SCALARS


def _path(name: str) -> str:
    """The JSON path of a field, as a SQL string."""
    path = f"$[{json.dumps(name, ensure_ascii=False)}]"
    return "'" + path.replace("'", "''") + "'"

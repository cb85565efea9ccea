"""The expressions that make lists, maps and structs of the gateway's JSON again, exactly.

JSON text of this project (`schema.json_text`) marks what JSON has not: ``{"$bytes": …}``, ``{"$float": "nan"}``, and
``{"$map": [[key, value], …]}`` for maps whose keys are not plain strings. A cast of the whole reads most values, and
is tried first where it can be right; where a value is marked, or a field's name has capitals, which casts do not find,
a value is taken apart, element by element.
"""

from __future__ import annotations

import json

import pyarrow as pa

from aerospike_magic.engines.lexer import Dialect

_SCALARS = {pa.int64(): "bigint", pa.float64(): "double", pa.bool_(): "boolean", pa.string(): "varchar"}


def json_as(value: str, dtype: pa.DataType, dialect: Dialect) -> str:
    """Return the expression that makes JSON a value of a type.

    Args:
        value: an expression of type JSON.
        dtype: the Arrow type of a nested column.
        dialect: the engine's.
    """
    slow = _Maker(dialect).make(value, dtype, 0)
    if not _may_be_cast(dtype):
        return slow
    fast = f"CAST({value} AS {sql_type(dtype, dialect)})"
    return f"COALESCE(TRY({fast}), {slow})" if _may_be_marked(dtype) else fast


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


class _Maker:
    """Writes expressions that take a value apart."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def make(self, value: str, dtype: pa.DataType, depth: int) -> str:
        """Return an expression for a value that stands in `depth` lambdas."""
        if pa.types.is_list(dtype):
            item = f"e{depth}"
            made = self.make(item, dtype.value_type, depth + 1)
            return f"transform(CAST({value} AS array(json)), {item} -> {made})"
        if pa.types.is_map(dtype):
            return self._map(value, dtype, depth)
        if pa.types.is_struct(dtype):
            fields = (self.make(f"json_extract({value}, {_path(f.name)})", f.type, depth) for f in dtype)
            row = f"CAST(ROW({', '.join(fields)}) AS {sql_type(dtype, self._dialect)})"
            return f"IF(json_format({value}) <> 'null', {row})"
        if pa.types.is_floating(dtype):
            mark = f"json_extract_scalar({value}, {_path('$float')})"
            marked = f"CASE {mark} WHEN 'nan' THEN nan() WHEN 'inf' THEN infinity() ELSE -infinity() END"
            return f"IF({mark} IS NULL, CAST({value} AS double), {marked})"
        if dtype in _SCALARS:
            return f"CAST({value} AS {_SCALARS[dtype]})"
        marks = ", ".join(f"json_extract_scalar({value}, {_path(mark)})" for mark in ("$bytes", "$hll"))
        return f"from_base64(COALESCE({marks}))"

    def _map(self, value: str, dtype: pa.DataType, depth: int) -> str:
        pair, item = f"p{depth}", f"e{depth}"
        keys = _SCALARS[dtype.key_type]
        entry = f"ROW(CAST({pair}[1] AS {keys}), {self.make(f'{pair}[2]', dtype.item_type, depth + 1)})"
        pairs = f"CAST(json_extract({value}, {_path('$map')}) AS array(array(json)))"
        plain = f"CAST({value} AS map({keys}, json))"
        made = self.make(item, dtype.item_type, depth + 1)
        return (
            f"IF(json_extract({value}, {_path('$map')}) IS NULL, "
            f"transform_values({plain}, (k{depth}, {item}) -> {made}), "
            f"map_from_entries(transform({pairs}, {pair} -> {entry})))"
        )


def _may_be_cast(dtype: pa.DataType) -> bool:
    """Whether a cast finds all there is, if nothing is marked."""
    if pa.types.is_struct(dtype):
        return all(field.name == field.name.lower() and _may_be_cast(field.type) for field in dtype)
    if pa.types.is_map(dtype):
        return pa.types.is_string(dtype.key_type) and _may_be_cast(dtype.item_type)
    return _may_be_cast(dtype.value_type) if pa.types.is_list(dtype) else dtype in _SCALARS


def _may_be_marked(dtype: pa.DataType) -> bool:
    if pa.types.is_struct(dtype):
        return any(_may_be_marked(field.type) for field in dtype)
    if pa.types.is_list(dtype):
        return _may_be_marked(dtype.value_type)
    return pa.types.is_map(dtype) or pa.types.is_floating(dtype)


def _path(name: str) -> str:
    """The JSON path of a field, as a SQL string."""
    path = f"$[{json.dumps(name, ensure_ascii=False)}]"
    return "'" + path.replace("'", "''") + "'"

"""Arrow types as Spark's, and Spark's as what a bin can be read as.

Everything that a scan gives has a Spark type: int64 bigint, double double, string (also GeoJSON and JSON text)
string, bool boolean, binary binary, lists, maps and structs array, map and struct. What Spark cannot hold:

- two bins whose names differ in case only, unless `spark.sql.caseSensitive` is true: `SELECT *` shows both, a name
  is then ambiguous;
- the other way round, a schema given by the user may ask for dates, timestamps, decimals, intervals or variants: no
  particle is one of these. They are refused with what to write instead, rather than guessed from integers.

A narrower number (int, smallint, tinyint, float) is read as the wide one and narrowed here; an integer out of range
is a value that does not fit its column, as any other: NULL and counted, or an error.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import types as st

from aerospike_magic.errors import SchemaError

_TO_SPARK: dict[pa.DataType, st.DataType] = {
    pa.int64(): st.LongType(),
    pa.float64(): st.DoubleType(),
    pa.string(): st.StringType(),
    pa.bool_(): st.BooleanType(),
    pa.binary(): st.BinaryType(),
    pa.binary(20): st.BinaryType(),
}
_WIDE: dict[type[st.DataType], pa.DataType] = {
    st.LongType: pa.int64(),
    st.IntegerType: pa.int64(),
    st.ShortType: pa.int64(),
    st.ByteType: pa.int64(),
    st.DoubleType: pa.float64(),
    st.FloatType: pa.float64(),
    st.StringType: pa.string(),
    st.BooleanType: pa.bool_(),
    st.BinaryType: pa.binary(),
}
_EXACT: dict[type[st.DataType], pa.DataType] = _WIDE | {
    st.IntegerType: pa.int32(),
    st.ShortType: pa.int16(),
    st.ByteType: pa.int8(),
    st.FloatType: pa.float32(),
}
_INSTEAD = {
    "timestamp": "timestamp_micros(a bigint column)",
    "timestamp_ntz": "timestamp_micros(a bigint column)",
    "date": "date_from_unix_date(an int column)",
}


def to_spark(schema: pa.Schema) -> st.StructType:
    """Return the Spark schema of a scan's Arrow schema; every column may be NULL.

    Raises:
        SchemaError: a type that no scan gives.
    """
    return st.StructType([st.StructField(field.name, _to_spark(field.type)) for field in schema])


def _to_spark(dtype: pa.DataType) -> st.DataType:
    known = _TO_SPARK.get(dtype)
    if known is not None:
        return known
    if pa.types.is_list(dtype):
        return st.ArrayType(_to_spark(dtype.value_type))
    if pa.types.is_map(dtype):
        return st.MapType(_to_spark(dtype.key_type), _to_spark(dtype.item_type))
    if pa.types.is_struct(dtype):
        return st.StructType([st.StructField(field.name, _to_spark(field.type)) for field in dtype])
    raise SchemaError(f"Spark has no type for {dtype}")


def to_read(field: st.StructField) -> pa.DataType:
    """Return the Arrow type in which to read a column that a user's schema asks for.

    Raises:
        SchemaError: no bin can be read as that type; the hint says what to ask for instead.
    """
    return _arrow(field.dataType, _WIDE, field.name)


def to_give(field: st.StructField) -> pa.DataType:
    """Return the Arrow type that Spark expects of a column, to the last name and nullability inside it."""
    return _arrow(field.dataType, _EXACT, field.name)


def _arrow(dtype: st.DataType, scalars: dict[type[st.DataType], pa.DataType], name: str) -> pa.DataType:
    scalar = scalars.get(type(dtype))
    if scalar is not None:
        return scalar
    if isinstance(dtype, st.ArrayType):
        return pa.list_(pa.field("element", _arrow(dtype.elementType, scalars, name), dtype.containsNull))
    if isinstance(dtype, st.MapType):
        item = pa.field("value", _arrow(dtype.valueType, scalars, name), dtype.valueContainsNull)
        return pa.map_(pa.field("key", _arrow(dtype.keyType, scalars, name), nullable=False), item)
    if isinstance(dtype, st.StructType):
        return pa.struct([pa.field(f.name, _arrow(f.dataType, scalars, name), f.nullable) for f in dtype.fields])
    words = dtype.simpleString()
    instead = _INSTEAD.get(words)
    raise SchemaError(
        f"column {name} cannot be read as {words}",
        hint=f"read it as it is stored and convert: {instead}" if instead else "read it as it is stored, and cast it",
    )


def narrow(column: pa.Array, wanted: pa.DataType) -> tuple[pa.Array, pa.Array | None]:
    """Convert a column that was read wide to what Spark expects.

    Returns:
        The converted column, and a boolean mask of the rows whose value did not fit and is NULL now; None for none.
    """
    if column.type == wanted and not pa.types.is_nested(wanted):
        return column, None
    if pa.types.is_float32(wanted):
        return column.cast(wanted, safe=False), None
    try:
        return column.cast(wanted), None
    except pa.ArrowInvalid:
        fits = pa.array([_fits(value, wanted) for value in column], pa.bool_())
    kept = pc.if_else(fits, column, pa.scalar(None, column.type))
    return kept.cast(wanted), pc.invert(fits)


def _fits(value: Any, wanted: pa.DataType) -> bool:
    try:
        value.cast(wanted)
    except pa.ArrowInvalid:
        return False
    return True

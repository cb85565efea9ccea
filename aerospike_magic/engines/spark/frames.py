"""What a notebook gives to a statement, in Spark's terms: a frame as a DataFrame, through Arrow, and a value."""

from __future__ import annotations

import decimal
import uuid
from typing import Any

import pyarrow as pa

from aerospike_magic.engines.frames import arrow_table
from aerospike_magic.errors import ParameterError, QueryError

# Spark has no unsigned integers: the next wider signed type holds their values.
_WIDER = {pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64(), pa.uint64(): pa.decimal128(20)}


def to_spark_frame(spark: Any, frame: Any, name: str) -> Any:
    """Return a frame as a DataFrame of a session; one of Spark's own as it is.

    Args:
        spark: the session.
        frame: of pandas, polars, Arrow or Spark.
        name: how the statement calls it.

    Raises:
        QueryError: it has a column of a type that Spark has not.
    """
    if type(frame).__module__.partition(".")[0] == "pyspark":
        return frame
    try:
        return spark.createDataFrame(_plain(arrow_table(frame)))
    except Exception as error:
        line = str(error).strip().partition("\n")[0]
        raise QueryError(f"{name} cannot be read by Spark: {line}", hint="cast the column first") from None


def _plain(table: pa.Table) -> pa.Table:
    """The table without dictionaries and unsigned integers."""
    columns = []
    for column in table.columns:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        columns.append(column.cast(_WIDER.get(column.type, column.type)))
    return pa.table(columns, names=table.column_names)


def to_spark_value(name: str, value: Any) -> Any:
    """Return a bound value as one that Spark has a literal for.

    Raises:
        ParameterError: it has none.
    """
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return decimal.Decimal(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, dict):
        raise ParameterError(f":{name} is a dict, which Spark takes no values of", hint="bind its values one by one")
    return [to_spark_value(name, item) for item in value] if isinstance(value, list) else value

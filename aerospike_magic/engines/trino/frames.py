"""The notebook's DataFrames as tables of the gateway in this process, for as long as a statement runs.

The gateway serves them with the few types that it has; the subquery that stands for a frame makes the exact ones of
them again. What no type can carry, such as an interval, is refused.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from aerospike_magic.engines.frames import arrow_table
from aerospike_magic.engines.lexer import Dialect
from aerospike_magic.engines.trino.exact import json_as
from aerospike_magic.engines.trino.flavor import Flavor
from aerospike_magic.errors import AerospikeMagicError, QueryError
from aerospike_magic.gateway.names import spell_all
from aerospike_magic.gateway.tables import FRAMES_SCHEMA

if TYPE_CHECKING:
    from aerospike_magic.engines.trino.engine import TrinoEngine

_CASTS = {
    pa.int8(): "tinyint",
    pa.uint8(): "smallint",
    pa.int16(): "smallint",
    pa.uint16(): "integer",
    pa.int32(): "integer",
    pa.uint32(): "bigint",
    pa.uint64(): "decimal(20, 0)",
    pa.float16(): "real",
    pa.float32(): "real",
}
_PLAIN = frozenset({pa.int64(), pa.float64(), pa.bool_(), pa.date32(), pa.date64()})
_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


class LocalFrames:
    """The frames that one statement reads.

    Args:
        engine: that runs it.
    """

    def __init__(self, engine: TrinoEngine) -> None:
        self._engine = engine
        self._sources: dict[int, str] = {}
        self._served: list[str] = []

    def table(self, name: str, frame: Any) -> str:
        """Return what stands for a frame in a FROM; the gateway serves it from now on.

        Args:
            name: how the statement calls it.
            frame: of pandas, polars or Arrow.

        Raises:
            QueryError: the gateway is not in this process, or the frame has a column that it cannot give.
        """
        if id(frame) not in self._sources:
            self._sources[id(frame)] = self._serve(name, frame)
        return self._sources[id(frame)]

    def drop(self) -> None:
        """Serve the frames no more."""
        service = self._engine.service
        while self._served and service is not None:
            with suppress(AerospikeMagicError):
                service.remove_frame(self._served.pop())

    def _serve(self, name: str, frame: Any) -> str:
        engine = self._engine
        if engine.service is None or engine.server.catalog is None:
            raise QueryError(
                f"{name} is a DataFrame of this notebook, and {engine.server.flavor.title} cannot reach the notebook",
                hint=f"%aerospike {engine.name} start runs one beside the notebook; or --engine local",
            )
        try:
            table = arrow_table(frame)
            columns = [_Column(field, name, engine) for field in table.schema]
            sent = pa.table(
                [c.sent(array) for c, array in zip(columns, table.columns, strict=True)], table.column_names
            )
            unique = f"frame_{uuid.uuid4().hex}"
            served = engine.service.add_frame(unique, sent)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, AerospikeMagicError) as error:
            line = str(error).partition("\n")[0]
            raise QueryError(f"{name} cannot be read by {engine.server.flavor.title}: {line}") from None
        self._served.append(unique)
        quote = engine.dialect.quote_identifier
        spelled = spell_all(table.column_names)
        listed = ", ".join(f"{c.received(quote(spelled[c.name]))} AS {quote(c.name)}" for c in columns)
        return f"(SELECT {listed} FROM {'.'.join(map(quote, (engine.server.catalog, FRAMES_SCHEMA, served.table)))})"


class _Column:
    """One column, on its way and back."""

    def __init__(self, field: pa.Field, frame: str, engine: TrinoEngine) -> None:
        self.name = field.name
        self._type: pa.DataType = field.type
        if pa.types.is_dictionary(self._type):
            self._type = self._type.value_type
        self._flavor: Flavor = engine.server.flavor
        self._dialect: Dialect = engine.dialect
        if pa.types.is_duration(self._type) or pa.types.is_interval(self._type):
            raise QueryError(f"column {field.name} of {frame} has type {self._type}, which the gateway has not")

    def sent(self, array: pa.ChunkedArray) -> pa.ChunkedArray:
        """The values as the gateway takes them."""
        kind = self._type
        if array.type != kind:
            array = array.cast(kind)
        if pa.types.is_timestamp(kind) and kind.tz is not None:
            return pc.multiply_checked(array.cast(pa.int64()), _NANOSECONDS[kind.unit])
        return array

    def received(self, name: str) -> str:
        """The expression that gives the values their type again."""
        kind = self._type
        if kind in _PLAIN or pa.types.is_null(kind):
            return name
        if kind in _CASTS:
            return f"CAST({name} AS {_CASTS[kind]})"
        if pa.types.is_decimal(kind):
            return f"CAST({name} AS decimal({kind.precision}, {kind.scale}))"
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
            return f"from_hex({name})"
        if pa.types.is_timestamp(kind):
            return self._timestamp(name)
        if pa.types.is_time(kind):
            return f"CAST({name} AS {self._with_digits('time', kind.unit)})"
        nested = _wide(kind) if pa.types.is_nested(kind) else None
        is_array = pa.types.is_list(kind) and pa.types.is_integer(kind.value_type)
        return name if nested is None or is_array else json_as(name, nested, self._dialect)

    def _timestamp(self, name: str) -> str:
        kind = self._with_digits("timestamp", self._type.unit)
        if self._type.tz is None:
            return f"CAST({name} AS {kind})"
        if self._flavor.digits <= 3:
            return f"from_unixtime({name} / 1e9, 'UTC')"
        return f"CAST(from_unixtime_nanos({name}) AS {kind} with time zone)"

    def _with_digits(self, name: str, unit: str) -> str:
        return name if self._flavor.digits <= 3 else f"{name}({9 if unit == 'ns' else 6})"


def _wide(dtype: pa.DataType) -> pa.DataType | None:
    """A nested type with the scalars that JSON carries; None where one has no such form, and JSON stays JSON."""
    if pa.types.is_integer(dtype) and dtype != pa.uint64():
        return pa.int64()
    if pa.types.is_floating(dtype):
        return pa.float64()
    if pa.types.is_boolean(dtype):
        return dtype
    if pa.types.is_string(dtype) or pa.types.is_large_string(dtype):
        return pa.string()
    if pa.types.is_binary(dtype) or pa.types.is_large_binary(dtype):
        return pa.binary()
    if pa.types.is_list(dtype) or pa.types.is_large_list(dtype):
        item = _wide(dtype.value_type)
        return None if item is None else pa.list_(item)
    if pa.types.is_struct(dtype):
        fields = [(field.name, _wide(field.type)) for field in dtype]
        return None if any(kind is None for _, kind in fields) else pa.struct(fields)
    return None

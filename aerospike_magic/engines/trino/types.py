"""Trino's and Presto's types, as a result names them, and the Arrow types that hold their values exactly.

========================================  ==================================================================
SQL                                       Arrow
========================================  ==================================================================
boolean, tinyint … bigint, real, double   bool, int8 … int64, float, double
decimal(p, s)                             decimal128(p, s)
varchar, char, json, uuid, ipaddress      string; json is the text as it is
varbinary, HyperLogLog and other sketches binary
date                                      date32
time(p)                                   time64[us], for p above 6 time64[ns]
timestamp(p)                              timestamp[us], for p above 6 timestamp[ns]
timestamp(p) with time zone               the same with zone UTC: the instant is kept, the zone's name is not
time(p) with time zone                    string: Arrow has no such type
interval day to second, year to month     duration[us], month_day_nano_interval
array, map, row                           list, map, struct; fields without a name are field0, field1, …
unknown                                   null
========================================  ==================================================================

With p above 9 a time or timestamp is a string, since nothing in Arrow holds picoseconds. A type that is not listed,
such as one from a plug-in, is a string too: its value as JSON text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa

_TOKEN = re.compile(r'\s*("(?:[^"]|"")*"|[^\s"(),]+|[(),])')
_SIMPLE: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "unknown": pa.null(),
    "interval day to second": pa.duration("us"),
    "interval year to month": pa.month_day_nano_interval(),
}
_BINARY = frozenset(
    {"varbinary", "hyperloglog", "p4hyperloglog", "setdigest", "qdigest", "tdigest", "khyperloglog", "sfmsketch"}
)
_WITH_ZONE = " with time zone"
_DEFAULT_DIGITS = 3
_MICROSECONDS = 6
_NANOSECONDS = 9
# Types of more than one word, without their arguments: what begins otherwise is a field's name and its type.
_WORDS = frozenset(
    {"timestamp with time zone", "time with time zone", "interval day to second", "interval year to month"}
)


@dataclass(frozen=True, slots=True)
class SqlType:
    """A type of Trino's or Presto's.

    Attributes:
        name: in lower case, without arguments, such as "timestamp with time zone".
        arrow: the Arrow type of its values.
        children: of a map key and value, of a row its fields, of an array its elements.
    """

    name: str
    arrow: pa.DataType
    children: tuple[SqlType, ...] = ()


def parse_type(text: str) -> SqlType:
    """Read a type as the server writes it.

    >>> parse_type('map(varchar(2), row("A b" decimal(9, 2), y date))').arrow
    MapType(map<string, struct<A b: decimal128(9, 2), y: date32[day]>>)
    """
    return _read(_TOKEN.findall(text), text)


def _read(tokens: list[str], text: str) -> SqlType:
    words, arguments = _split(tokens)
    name = " ".join(words).lower()
    if name == "array" and len(arguments) == 1:
        element = _read(arguments[0], text)
        return SqlType(name, pa.list_(element.arrow), (element,))
    if name == "map" and len(arguments) == 2:
        key, value = (_read(argument, text) for argument in arguments)
        return SqlType(name, pa.map_(key.arrow, value.arrow), (key, value))
    if name == "row":
        fields = [_field(argument, i, text) for i, argument in enumerate(arguments)]
        return SqlType(name, pa.struct([(field, kind.arrow) for field, kind in fields]), tuple(t for _, t in fields))
    return SqlType(name, _scalar(name, [argument[0] for argument in arguments if argument]))


def _split(tokens: list[str]) -> tuple[list[str], list[list[str]]]:
    """The words of a type's name, and its arguments: ``timestamp (3) with time zone`` has its in the middle."""
    words: list[str] = []
    arguments: list[list[str]] = []
    depth = 0
    for token in tokens:
        if token == ")":
            depth -= 1
        if depth == 0 and token not in "()":
            words.append(token)
        elif (depth == 1 and token == ",") or (depth == 0 and token == "("):
            arguments.append([])
        elif depth:
            arguments[-1].append(token)
        if token == "(":
            depth += 1
    return words, [argument for argument in arguments if argument]


def _field(tokens: list[str], number: int, text: str) -> tuple[str, SqlType]:
    first = tokens[0]
    if first.startswith('"'):
        return first[1:-1].replace('""', '"'), _read(tokens[1:], text)
    words = " ".join(_split(tokens)[0]).lower()
    if len(tokens) > 1 and tokens[1] != "(" and words not in _WORDS:
        return first, _read(tokens[1:], text)
    return f"field{number}", _read(tokens, text)


def _scalar(name: str, arguments: list[str]) -> pa.DataType:
    if name in _SIMPLE:
        return _SIMPLE[name]
    if name in _BINARY:
        return pa.binary()
    if name == "decimal" and len(arguments) == 2:
        return pa.decimal128(int(arguments[0]), int(arguments[1]))
    digits = int(arguments[0]) if arguments and arguments[0].isdigit() else _DEFAULT_DIGITS
    if digits > _NANOSECONDS:
        return pa.string()
    unit = "us" if digits <= _MICROSECONDS else "ns"
    if name == "time":
        return pa.time64(unit)
    if name == "timestamp":
        return pa.timestamp(unit)
    if name == "timestamp" + _WITH_ZONE:
        return pa.timestamp(unit, "UTC")
    return pa.string()

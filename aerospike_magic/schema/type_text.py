"""The words for column types that a user writes and reads, and their Arrow types.

``int64``, ``double``, ``string``, ``bool``, ``binary``, ``json``, ``geojson``, ``list<T>``,
``map<string, T>``, ``map<int64, T>`` and ``struct<name: T, "any name": T>``.
`type_text` and `parse_type` are each other's inverse.
"""

from __future__ import annotations

import json
import re
from enum import IntEnum

import pyarrow as pa

from aerospike_magic.errors import SchemaError


class Kind(IntEnum):
    """How a column is read from particles; the integer is what scan kernels switch on."""

    INT64 = 0
    DOUBLE = 1
    STRING = 2
    BOOL = 3
    BINARY = 4
    GEOJSON = 5
    JSON = 6
    LIST = 7
    MAP = 8
    STRUCT = 9


_SCALARS: dict[str, tuple[Kind, pa.DataType]] = {
    "int64": (Kind.INT64, pa.int64()),
    "double": (Kind.DOUBLE, pa.float64()),
    "string": (Kind.STRING, pa.string()),
    "bool": (Kind.BOOL, pa.bool_()),
    "binary": (Kind.BINARY, pa.binary()),
    "geojson": (Kind.GEOJSON, pa.string()),
    "json": (Kind.JSON, pa.string()),
}
_ALIASES = {
    "int": "int64",
    "integer": "int64",
    "bigint": "int64",
    "long": "int64",
    "float": "double",
    "float64": "double",
    "str": "string",
    "text": "string",
    "varchar": "string",
    "utf8": "string",
    "boolean": "bool",
    "bytes": "binary",
    "blob": "binary",
    "geo": "geojson",
}
_TOKEN = re.compile(r'\s*(?:(?P<word>[^\W\d]\w*)|(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<mark>[<>,:]))')
_KNOWN = "int64, double, string, bool, binary, json, geojson, list<T>, map<string, T>, map<int64, T>, struct<name: T>"


def kind_of(dtype: pa.DataType) -> Kind:
    """Return the kind that reads an Arrow type (string → STRING; JSON and GEOJSON are asked for by name).

    Raises:
        SchemaError: the type is none that a bin can be read as.
    """
    for name in ("int64", "double", "string", "bool", "binary"):
        kind, arrow = _SCALARS[name]
        if dtype.equals(arrow):
            return kind
    if pa.types.is_list(dtype):
        kind_of(dtype.value_type)
        return Kind.LIST
    if pa.types.is_map(dtype):
        if kind_of(dtype.key_type) not in (Kind.INT64, Kind.STRING):
            raise SchemaError(
                f"a map cannot have keys of type {dtype.key_type}",
                hint="use map<string, T>, map<int64, T> or json",
            )
        kind_of(dtype.item_type)
        return Kind.MAP
    if pa.types.is_struct(dtype):
        for field in dtype:
            kind_of(field.type)
        return Kind.STRUCT
    raise SchemaError(f"a bin cannot be read as {dtype}", hint=f"the types are {_KNOWN}; cast in SQL for others")


def type_text(dtype: pa.DataType, kind: Kind | None = None) -> str:
    """Return the words for a type, e.g. ``list<int64>``; `kind` tells json and geojson from string."""
    if kind in (Kind.JSON, Kind.GEOJSON):
        return kind.name.lower()
    if pa.types.is_list(dtype):
        return f"list<{type_text(dtype.value_type)}>"
    if pa.types.is_map(dtype):
        return f"map<{type_text(dtype.key_type)}, {type_text(dtype.item_type)}>"
    if pa.types.is_struct(dtype):
        return "struct<" + ", ".join(f"{_field_name(f.name)}: {type_text(f.type)}" for f in dtype) + ">"
    return str(dtype)


def parse_type(text: str) -> tuple[Kind, pa.DataType]:
    """Read the words for a column type.

    Raises:
        SchemaError: the words name no type that a bin can be read as.
    """
    parser = _Parser(text)
    kind, dtype = parser.read_type(top=True)
    parser.expect_end()
    return kind, dtype


def _field_name(name: str) -> str:
    return name if re.fullmatch(r"[^\W\d]\w*", name) else json.dumps(name)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def _fail(self) -> SchemaError:
        return SchemaError(f"no such column type: {self._text!r}", hint=f"the types are {_KNOWN}")

    def _next(self) -> tuple[str, str]:
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            raise self._fail()
        self._at = match.end()
        kind = str(match.lastgroup)
        return kind, match[kind]

    def _mark(self, wanted: str) -> None:
        if self._next() != ("mark", wanted):
            raise self._fail()

    def expect_end(self) -> None:
        if self._text[self._at :].strip():
            raise self._fail()

    def read_type(self, *, top: bool = False) -> tuple[Kind, pa.DataType]:
        kind, word = self._next()
        if kind != "word":
            raise self._fail()
        word = word.lower()
        word = _ALIASES.get(word, word)
        if word in _SCALARS:
            if word in ("json", "geojson") and not top:
                raise SchemaError(
                    f"{word} cannot be inside another type: {self._text!r}", hint="make the whole column json"
                )
            return _SCALARS[word]
        if word not in ("list", "map", "struct"):
            raise self._fail()
        self._mark("<")
        read = {"list": self._list, "map": self._map, "struct": self._struct}[word]
        return read()

    def _list(self) -> tuple[Kind, pa.DataType]:
        item = self.read_type()[1]
        self._mark(">")
        return Kind.LIST, pa.list_(item)

    def _map(self) -> tuple[Kind, pa.DataType]:
        key_kind, key = self.read_type()
        self._mark(",")
        item = self.read_type()[1]
        self._mark(">")
        if key_kind not in (Kind.INT64, Kind.STRING):
            raise self._fail()
        return Kind.MAP, pa.map_(key, item)

    def _struct(self) -> tuple[Kind, pa.DataType]:
        fields: list[pa.Field] = []
        while True:
            kind, name = self._next()
            if kind == "mark":
                raise self._fail()
            self._mark(":")
            fields.append(pa.field(json.loads(name) if kind == "quoted" else name, self.read_type()[1]))
            kind, mark = self._next()
            if (kind, mark) == ("mark", ">"):
                break
            if (kind, mark) != ("mark", ","):
                raise self._fail()
        if len({f.name for f in fields}) != len(fields):
            raise SchemaError(f"a struct names a field twice: {self._text!r}")
        return Kind.STRUCT, pa.struct(fields)

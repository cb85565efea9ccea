"""What values of one bin looked like: counts by type, down into lists and maps, and the column type that
fits all.

The rules: integers with doubles are double, unless an integer is not exactly a double; lists and maps whose
items fit one type are Arrow lists and maps; maps that share a small, stable set of string keys are structs;
bytes and HyperLogLogs are binary; nil inside a list or map fits any item type. Every other mixture is JSON
text as a whole, for text inside a list could be either a string or JSON. A list or map that was only ever
seen empty is JSON too: nothing is known of its items.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa

from aerospike_magic.schema.json_text import is_hll
from aerospike_magic.schema.type_text import Kind
from aerospike_magic.wire.values import HLL, GeoJSON, MapPairs, RawString

MAX_STRUCT_FIELDS = 32
_MAX_DEPTH = 16
# How much of (maps x keys) must be there for the keys to count as stable. Where all values have one type, a
# map type would do as well and takes any further key, so a struct must be nearly complete.
_STABLE_MIXED = 0.5
_STABLE_UNIFORM = 0.9

_NOT_TEXT = "string (not UTF-8)"

_WORDS: dict[type, str] = {
    type(None): "nil",
    bool: "boolean",
    int: "integer",
    float: "double",
    GeoJSON: "geojson",
    str: "string",
    RawString: _NOT_TEXT,
    HLL: "hll",
    bytes: "blob",
    bytearray: "blob",
    MapPairs: "map",
    dict: "map",
    list: "list",
    tuple: "list",
}

_ONE_WORD: dict[frozenset[str], tuple[Kind, pa.DataType]] = {
    frozenset({"integer"}): (Kind.INT64, pa.int64()),
    frozenset({"double"}): (Kind.DOUBLE, pa.float64()),
    frozenset({"string"}): (Kind.STRING, pa.string()),
    frozenset({"boolean"}): (Kind.BOOL, pa.bool_()),
    frozenset({"blob"}): (Kind.BINARY, pa.binary()),
    frozenset({"hll"}): (Kind.BINARY, pa.binary()),
    frozenset({"blob", "hll"}): (Kind.BINARY, pa.binary()),
}
JSON_TYPE = (Kind.JSON, pa.string())


def type_word(value: Any) -> str:
    """Return the word for a value's type, e.g. integer, double, string, boolean, blob, list, map or nil."""
    return _WORDS.get(type(value)) or _word_of_subclass(value)


def _word_of_subclass(value: Any) -> str:
    """The slow way, for the official client's types and for subclasses."""
    if is_hll(value):
        return "hll"
    if hasattr(value, "geo_data"):
        return "geojson"
    return next((word for kind, word in _WORDS.items() if isinstance(value, kind)), type(value).__name__)


class Shape:
    """Grows with each value it is shown; `column_type` tells what fits them all.

    Attributes:
        words: type word → number of values.
    """

    def __init__(self, depth: int = 0) -> None:
        self.words: Counter[str] = Counter()
        self._depth = depth
        self._inexact = False
        self._too_large = False
        self._items: Shape | None = None
        self._map_keys: set[str] = set()
        self._fields: dict[str, Shape] = {}
        self._map_items: Shape | None = None
        self._filled_maps = 0

    def add(self, value: Any) -> str:
        """Take one more value into account and return its `type_word`."""
        word = type_word(value)
        self.words[word] += 1
        if word == "integer":
            self._too_large |= not -(1 << 63) <= value < 1 << 63
            self._inexact |= int(float(value)) != value
        elif word == "list" and self._depth < _MAX_DEPTH:
            self._items = self._items or Shape(self._depth + 1)
            for item in value:
                self._items.add(item)
        elif word == "map" and self._depth < _MAX_DEPTH:
            self._add_map(value)
        return word

    def _add_map(self, value: dict[Any, Any] | MapPairs) -> None:
        self._filled_maps += bool(value)
        self._map_items = self._map_items or Shape(self._depth + 1)
        if isinstance(value, MapPairs):
            # Keys that Python holds equal, or that are lists: only JSON tells them apart.
            self._map_keys.add("other")
            return
        for key, item in value.items():
            self._map_keys.add(_key_word(key))
            self._map_items.add(item)
            if isinstance(key, str) and (key in self._fields or len(self._fields) <= MAX_STRUCT_FIELDS):
                self._fields.setdefault(key, Shape(self._depth + 1)).add(item)

    def column_type(self) -> tuple[Kind, pa.DataType]:
        """Return the kind and Arrow type of a column that represents every value seen."""
        if set(self.words) == {"geojson"} and self._depth == 0:
            return Kind.GEOJSON, pa.string()
        return self._fitting() or JSON_TYPE

    def _fitting(self) -> tuple[Kind, pa.DataType] | None:
        """Return the type that fits, None where only JSON does."""
        words = frozenset(self.words) - {"nil"}
        if self._depth == 0 and "string" in words:
            # A few strings that are not UTF-8 do not make a column of text a column of JSON: they are
            # mismatches.
            words -= {_NOT_TEXT}
        if self._too_large:
            return None
        if words == {"integer", "double"}:
            return None if self._inexact else (Kind.DOUBLE, pa.float64())
        if words == {"list"}:
            item = self._items._fitting() if self._items is not None else None
            return (Kind.LIST, pa.list_(item[1])) if item else None
        if words == {"map"}:
            return self._fitting_map()
        return _ONE_WORD.get(words)

    def _fitting_map(self) -> tuple[Kind, pa.DataType] | None:
        if self._map_items is None or len(self._map_keys) != 1:
            return None
        item = self._map_items._fitting()
        if self._map_keys == {"string"} and self._is_stable(_STABLE_UNIFORM if item else _STABLE_MIXED):
            fields = [(name, shape._fitting()) for name, shape in self._fields.items()]
            if all(fitting for _, fitting in fields):
                return Kind.STRUCT, pa.struct([(name, fitting[1]) for name, fitting in fields if fitting])
        if item is None or self._map_keys == {"other"}:
            return None
        return Kind.MAP, pa.map_(pa.int64() if self._map_keys == {"integer"} else pa.string(), item[1])

    def _is_stable(self, threshold: float) -> bool:
        if self._filled_maps < 2 or len(self._fields) > MAX_STRUCT_FIELDS:
            return False
        present = sum(sum(shape.words.values()) for shape in self._fields.values())
        return present >= threshold * self._filled_maps * len(self._fields)


def _key_word(key: Any) -> str:
    word = type_word(key)
    if word == "integer" and not -(1 << 63) <= key < 1 << 63:
        return "other"
    return word if word in ("integer", "string") else "other"

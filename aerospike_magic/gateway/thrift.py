"""Thrift's framed binary protocol: bytes ↔ values, sans-I/O, for both sides.

::

    frame    size i32 | message
    message  0x8001 u16 | 0 u8 | kind u8 | name string | sequence i32 | struct
    struct   (type u8 | id i16 | value)… | 0 u8
    string   size i32 | bytes        list, set  type u8 | count i32 | values
    map      key type u8 | value type u8 | count i32 | pairs

Integers are big-endian. `Reader` reads what its caller knows to be there: a struct is a table of its fields, an unknown
field is skipped. Invariant: whatever the bytes are, a reader raises nothing but `WireError`, allocates no more than a
small multiple of the bytes it was given, and no deeper than `MAX_DEPTH`: a count is checked against the bytes that are
left before anything is made for it.

Sources: the Apache Thrift specification, "Thrift Binary protocol encoding" (strict) and "Framed transport"; Drift, the
client of Trino and Presto (`TBinaryProtocol`, `TApplicationException`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from aerospike_magic.errors import WireError

T = TypeVar("T")
Part = bytes | memoryview
"""A piece of a message; large pieces are views of memory that others own, copied by the socket only."""

HEADER_SIZE = 4
MAX_DEPTH = 16
"""Of structs and containers in what is skipped; the deepest known structure, a constraint, has 9."""

MAX_SKIPPED = 10_000
"""Values of unknown fields in a message: they cost time, and nobody has a use for them."""

_VERSION = 0x8001
_I16, _I32, _I64 = struct.Struct(">h"), struct.Struct(">i"), struct.Struct(">q")
_DOUBLE, _FIELD, _LIST = struct.Struct(">d"), struct.Struct(">bh"), struct.Struct(">bi")
_MAP = struct.Struct(">bbi")
STOP = b"\0"
"""Ends a struct."""


class Type(IntEnum):
    """What follows on the wire."""

    STOP = 0
    BOOL = 2
    BYTE = 3
    DOUBLE = 4
    I16 = 6
    I32 = 8
    I64 = 10
    STRING = 11
    STRUCT = 12
    MAP = 13
    SET = 14
    LIST = 15


class Kind(IntEnum):
    """What a message is."""

    CALL = 1
    REPLY = 2
    EXCEPTION = 3
    ONEWAY = 4


class Fault(IntEnum):
    """What an application exception is about, as far as we say it."""

    UNKNOWN_METHOD = 1
    INVALID_MESSAGE_TYPE = 2
    INTERNAL_ERROR = 6
    PROTOCOL_ERROR = 7


# Bytes that a value has at least.
_LEAST = {
    Type.BOOL: 1,
    Type.BYTE: 1,
    Type.DOUBLE: 8,
    Type.I16: 2,
    Type.I32: 4,
    Type.I64: 8,
    Type.STRING: 4,
    Type.STRUCT: 1,
    Type.MAP: 6,
    Type.SET: 5,
    Type.LIST: 5,
}
_FIXED = {kind for kind in _LEAST if kind <= Type.I64}

Field = tuple[Type, Callable[["Reader"], Any]]
"""A field of a struct: its type, and what reads it."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message up to its struct.

    Attributes:
        kind, name, sequence: which call it is, or answers.
        body: stands at its struct.
    """

    kind: Kind
    name: str
    sequence: int
    body: Reader


class ApplicationError(Exception):
    """An exception of the protocol itself, as a peer has sent it.

    Attributes:
        fault: its number, see `Fault`.
    """

    def __init__(self, message: str, fault: int) -> None:
        super().__init__(message)
        self.message = message
        self.fault = fault


class Reader:
    """Reads values one after the other.

    Args:
        data: what there is.
    """

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data = memoryview(data)
        self._at = 0
        self._n_skipped = 0

    @property
    def n_left(self) -> int:
        """Bytes that were not read."""
        return len(self._data) - self._at

    def boolean(self) -> bool:
        """Read a BOOL."""
        return self._data[self._take(1)] != 0

    def i32(self) -> int:
        """Read an I32."""
        return int(_I32.unpack_from(self._data, self._take(4))[0])

    def i64(self) -> int:
        """Read an I64."""
        return int(_I64.unpack_from(self._data, self._take(8))[0])

    def double(self) -> float:
        """Read a DOUBLE."""
        return float(_DOUBLE.unpack_from(self._data, self._take(8))[0])

    def view(self) -> memoryview:
        """Read a STRING as a view of the message."""
        size = self.i32()
        if not 0 <= size <= self.n_left:
            raise WireError(f"a string of {size:,} bytes where {self.n_left:,} are left")
        start = self._take(size)
        return self._data[start : start + size]

    def binary(self) -> bytes:
        """Read a STRING as bytes."""
        return bytes(self.view())

    def text(self) -> str:
        """Read a STRING as text."""
        try:
            return str(self.view(), "utf-8")
        except UnicodeDecodeError:
            raise WireError("a string that is not UTF-8") from None

    def struct(self, fields: Mapping[int, Field]) -> dict[int, Any]:
        """Read a STRUCT; what is not in `fields` is skipped.

        Returns:
            The fields that were there, by id.
        """
        found: dict[int, Any] = {}
        while (kind := self._data[self._take(1)]) != Type.STOP:
            number = int(_I16.unpack_from(self._data, self._take(2))[0])
            known = fields.get(number)
            if known is None:
                self._skip(kind, 0)
                continue
            if kind != known[0]:
                raise WireError(f"field {number} is of type {kind} instead of {known[0].name}")
            found[number] = known[1](self)
        return found

    def list_of(self, element: Type, read: Callable[[Reader], T]) -> list[T]:
        """Read a LIST or SET."""
        return [read(self) for _ in range(self._count(element))]

    def map_of(
        self, key: Type, read_key: Callable[[Reader], T], value: Type, read: Callable[[Reader], Any]
    ) -> dict[T, Any]:
        """Read a MAP."""
        key_type, value_type, count = _MAP.unpack_from(self._data, self._take(6))
        if count == 0:
            return {}
        if (key_type, value_type) != (key, value):
            raise WireError(f"a map of types {key_type} and {value_type} instead of {key.name} and {value.name}")
        self._check_count(count, _LEAST[key] + _LEAST[value])
        return {read_key(self): read(self) for _ in range(count)}

    def numbers(self, element: Type, dtype: str) -> npt.NDArray[Any]:
        """Read a LIST of numbers or booleans at once, as big-endian `dtype`, a view of the message."""
        count = self._count(element)
        if count == 0:
            return np.empty(0, dtype)
        found = np.frombuffer(self._data, dtype, count, self._at)
        self._at += found.nbytes
        return found

    def _count(self, element: Type) -> int:
        kind, count = _LIST.unpack_from(self._data, self._take(5))
        if count == 0:
            return 0
        if kind != element:
            raise WireError(f"a list of type {kind} instead of {element.name}")
        self._check_count(count, _LEAST[element])
        return int(count)

    def _check_count(self, count: int, least: int) -> None:
        if not 0 <= count * least <= self.n_left:
            raise WireError(f"{count:,} values where {self.n_left:,} bytes are left")

    def _take(self, size: int) -> int:
        start = self._at
        if size > len(self._data) - start:
            raise WireError(f"{size:,} bytes were expected where {self.n_left:,} are left")
        self._at = start + size
        return start

    def _skip(self, kind: int, depth: int) -> None:
        if kind not in _LEAST:
            raise WireError(f"there is no type {kind}")
        self._n_skipped += 1
        if self._n_skipped > MAX_SKIPPED:
            raise WireError(f"more than {MAX_SKIPPED:,} values of fields that are not known")
        if kind in _FIXED:
            self._take(_LEAST[Type(kind)])
        elif kind == Type.STRING:
            self.view()
        elif depth >= MAX_DEPTH:
            raise WireError(f"values are nested deeper than {MAX_DEPTH} levels")
        elif kind == Type.STRUCT:
            while (inner := self._data[self._take(1)]) != Type.STOP:
                self._take(2)
                self._skip(inner, depth + 1)
        elif kind == Type.MAP:
            key, value, count = _MAP.unpack_from(self._data, self._take(6))
            self._skip_many((key, value), count, depth)
        else:
            inner, count = _LIST.unpack_from(self._data, self._take(5))
            self._skip_many((inner,), count, depth)

    def _skip_many(self, kinds: tuple[int, ...], count: int, depth: int) -> None:
        if count == 0:
            return
        if not all(kind in _LEAST for kind in kinds):
            raise WireError(f"there is no type {max(kinds)}")
        self._check_count(count, sum(_LEAST[Type(kind)] for kind in kinds))
        if all(kind in _FIXED for kind in kinds):
            self._take(count * sum(_LEAST[Type(kind)] for kind in kinds))
            return
        for _ in range(count):
            for kind in kinds:
                self._skip(kind, depth + 1)


def frame_size(header: bytes | bytearray) -> int:
    """Return the size of the message that a frame's first `HEADER_SIZE` bytes announce; negative for nonsense."""
    return int(_I32.unpack_from(header)[0])


def read_message(data: bytes | bytearray | memoryview) -> Message:
    """Read a message up to its struct.

    Raises:
        WireError: it is none.
    """
    reader = Reader(data)
    word = reader.i32() & 0xFFFFFFFF
    if word >> 16 != _VERSION:
        raise WireError(f"a message begins with 0x{word:08x} instead of 0x{_VERSION:04x}…, the strict binary protocol")
    try:
        kind = Kind(word & 0xFF)
    except ValueError:
        raise WireError(f"there is no kind of message {word & 0xFF}") from None
    name = reader.text()
    return Message(kind, name, reader.i32(), reader)


def frame_message(kind: Kind, name: str, sequence: int, body: Iterable[Part]) -> list[Part]:
    """Return the pieces of a whole frame; `body` is the message's struct.

    Raises:
        WireError: it is larger than the protocol can say.
    """
    parts = [(_VERSION << 16 | kind).to_bytes(4, "big") + string(name) + i32(sequence), *body]
    size = n_bytes(parts)
    if size > 0x7FFFFFFF:
        raise WireError(f"a message of {size:,} bytes is larger than a frame can be")
    parts[0] = i32(size) + parts[0]
    return parts


def exception_body(fault: Fault, message: str) -> bytes:
    """Return the struct of an application exception."""
    return field(Type.STRING, 1) + string(message) + field(Type.I32, 2) + i32(fault) + STOP


def read_exception(body: Reader) -> ApplicationError:
    """Read the struct of an application exception."""
    found = body.struct({1: (Type.STRING, Reader.text), 2: (Type.I32, Reader.i32)})
    return ApplicationError(found.get(1, "no message"), found.get(2, 0))


def n_bytes(parts: Iterable[Part]) -> int:
    """Return the size of all pieces."""
    return sum(part.nbytes if isinstance(part, memoryview) else len(part) for part in parts)


def field(kind: Type, number: int) -> bytes:
    """Return what stands before a field's value."""
    return _FIELD.pack(kind, number)


def i32(value: int) -> bytes:
    """Return an I32."""
    return _I32.pack(value)


def i64(value: int) -> bytes:
    """Return an I64."""
    return _I64.pack(value)


def boolean(value: bool) -> bytes:
    """Return a BOOL."""
    return b"\1" if value else b"\0"


def string(value: str | bytes) -> bytes:
    """Return a STRING."""
    data = value.encode() if isinstance(value, str) else value
    return _I32.pack(len(data)) + data


def list_head(element: Type, count: int) -> bytes:
    """Return what stands before a LIST's or SET's values."""
    return _LIST.pack(element, count)


def map_head(key: Type, value: Type, count: int) -> bytes:
    """Return what stands before a MAP's pairs."""
    return _MAP.pack(key, value, count)


def sequence_of(element: Type, values: Iterable[bytes]) -> bytes:
    """Return a LIST or SET of values that are encoded already."""
    encoded = list(values)
    return list_head(element, len(encoded)) + b"".join(encoded)

"""Particles: the bytes of one bin's value, by its type.

Integers are 8 bytes, big-endian and signed; doubles 8 bytes of IEEE 754; booleans one byte, 0 or 1; strings
and blobs their bytes; lists and maps MessagePack (see `msgpack`); GeoJSON its text behind the cells that the
server computed: flags u8, n cells u16, cells u64 each.

A string that is not UTF-8 is a `RawString` of its bytes, see there.

Sources: Aerospike server, as/src/base/particle_*.c; recorded exchanges.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from aerospike_magic.errors import WireError
from aerospike_magic.wire.msgpack import decode_cdt, encode_cdt
from aerospike_magic.wire.particle_type import ParticleType as ParticleType
from aerospike_magic.wire.values import HLL as HLL
from aerospike_magic.wire.values import GeoJSON as GeoJSON
from aerospike_magic.wire.values import MapPairs, OpaqueBlob, RawString

_DOUBLE = struct.Struct(">d")
_GEOJSON_HEADER = struct.Struct(">BH")
_CELL_SIZE = 8


def encode_particle(value: Any) -> tuple[ParticleType | int, bytes]:
    """Returns a value's particle type and bytes.

    Args:
        value: what `decode_particle` returns; tuples, bytearrays and other mappings too. None is the NULL
            particle, which removes a bin when written. GeoJSON is written without cells, as clients do.

    Raises:
        WireError: an integer that does not fit in 64 bits, a string with surrogates, or a type with no
            particle.
    """
    if value is None:
        return ParticleType.NULL, b""
    if isinstance(value, bool):
        return ParticleType.BOOL, bytes((value,))
    if isinstance(value, int):
        try:
            return ParticleType.INTEGER, value.to_bytes(8, "big", signed=True)
        except OverflowError:
            raise WireError(f"the integer {value} does not fit in 64 bits") from None
    if isinstance(value, float):
        return ParticleType.DOUBLE, _DOUBLE.pack(value)
    if isinstance(value, str):
        return _encode_text(value)
    if isinstance(value, bytes | bytearray):
        return _encode_bytes(value)
    if isinstance(value, Mapping | MapPairs):
        return ParticleType.MAP, encode_cdt(value)
    if isinstance(value, list | tuple):
        return ParticleType.LIST, encode_cdt(value)
    raise WireError(f"a bin cannot hold a value of type {type(value).__name__}")


def decode_particle(type: int, data: bytes) -> Any:
    """Reads a bin's value.

    Args:
        type: see `ParticleType`.
        data: the particle's bytes.

    Returns:
        None, int, float, str, bool, bytes, list, dict, or a type of `values`: `GeoJSON`, `HLL`, `OpaqueBlob`
        for language blobs and vectors, `RawString` for a string that is not UTF-8, and what `decode_cdt`
        returns.

    Raises:
        WireError: a size or content that its type cannot have, or an unknown type.
    """
    decode = _DECODERS.get(type)
    if decode is None:
        raise WireError(f"unknown particle type {type}")
    return decode(type, bytes(data))


def _encode_text(value: str) -> tuple[ParticleType, bytes]:
    try:
        data = value.encode()
    except UnicodeEncodeError:
        raise WireError("a string has characters that are not valid Unicode") from None
    if isinstance(value, GeoJSON):
        return ParticleType.GEOJSON, _GEOJSON_HEADER.pack(0, 0) + data
    return ParticleType.STRING, data


def _encode_bytes(value: bytes | bytearray) -> tuple[ParticleType | int, bytes]:
    data = bytes(value)
    if isinstance(value, RawString):
        return ParticleType.STRING, data
    if isinstance(value, HLL):
        return ParticleType.HLL, data
    if isinstance(value, OpaqueBlob):
        return value.particle_type, data
    return ParticleType.BLOB, data


def _decode_null(type: int, data: bytes) -> None:
    if data:
        raise WireError(f"a null value has {len(data)} bytes")


def _decode_integer(type: int, data: bytes) -> int:
    if len(data) == 8:
        return int.from_bytes(data, "big", signed=True)
    if len(data) in (1, 2, 4):
        return int.from_bytes(data, "big")  # the server takes short integers from clients, as unsigned
    raise WireError(f"an integer has {len(data)} bytes")


def _decode_double(type: int, data: bytes) -> float:
    if len(data) != _DOUBLE.size:
        raise WireError(f"a double has {len(data)} bytes instead of {_DOUBLE.size}")
    value: float = _DOUBLE.unpack(data)[0]
    return value


def _decode_bool(type: int, data: bytes) -> bool:
    if data not in (b"\0", b"\1"):
        raise WireError(f"a boolean is {len(data)} bytes, or neither 0 nor 1")
    return data == b"\1"


def _decode_string(type: int, data: bytes) -> str | RawString:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return RawString(data)


def _decode_geojson(type: int, data: bytes) -> GeoJSON:
    if len(data) < _GEOJSON_HEADER.size:
        raise WireError("a GeoJSON value is cut off before its text")
    _, n_cells = _GEOJSON_HEADER.unpack_from(data)
    start = _GEOJSON_HEADER.size + n_cells * _CELL_SIZE
    if start > len(data):
        raise WireError(f"a GeoJSON value declares {n_cells} cells, more than it has bytes for")
    try:
        return GeoJSON(data[start:].decode())
    except UnicodeDecodeError:
        raise WireError("a GeoJSON value is not valid UTF-8") from None


def _decode_list(type: int, data: bytes) -> list[Any]:
    value = decode_cdt(data)
    if not isinstance(value, list):
        raise WireError("a list's bytes are no list")
    return value


def _decode_map(type: int, data: bytes) -> dict[Any, Any] | MapPairs:
    value = decode_cdt(data)
    if not isinstance(value, dict | MapPairs):
        raise WireError("a map's bytes are no map")
    return value


def _decode_opaque(type: int, data: bytes) -> OpaqueBlob:
    return OpaqueBlob(data, type)


_DECODERS: dict[int, Callable[[int, bytes], Any]] = {
    ParticleType.NULL: _decode_null,
    ParticleType.INTEGER: _decode_integer,
    ParticleType.DOUBLE: _decode_double,
    ParticleType.STRING: _decode_string,
    ParticleType.BLOB: lambda type, data: data,
    ParticleType.JAVA_BLOB: _decode_opaque,
    ParticleType.CSHARP_BLOB: _decode_opaque,
    ParticleType.PYTHON_BLOB: _decode_opaque,
    ParticleType.RUBY_BLOB: _decode_opaque,
    ParticleType.PHP_BLOB: _decode_opaque,
    ParticleType.ERLANG_BLOB: _decode_opaque,
    ParticleType.VECTOR: _decode_opaque,
    ParticleType.BOOL: _decode_bool,
    ParticleType.HLL: lambda type, data: HLL(data),
    ParticleType.MAP: _decode_map,
    ParticleType.LIST: _decode_list,
    ParticleType.GEOJSON: _decode_geojson,
}

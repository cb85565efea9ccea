"""Lists and maps: MessagePack as Aerospike writes it.

It differs from the standard in three ways. A string's first byte is the particle type of what follows (3
string, 4 blob, 23 GeoJSON, …), and blobs use the string headers. A list that the server keeps sorted starts
with an extension element whose type is the flags; a map with a pair of that extension and nil. Extensions of
type 255 are values: infinity and wildcard.

Reading is bounded: `MAX_DEPTH` levels, a limit on the bytes, and never more elements than bytes. Numbers are
exact; an unsigned 64-bit integer stays what it is, though the server compares it as signed.

Sources: Aerospike common library, as_msgpack.c; Aerospike server, cf/src/msgpack_in.c; recorded exchanges.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aerospike_magic.errors import WireError
from aerospike_magic.wire.particle_type import ParticleType
from aerospike_magic.wire.values import (
    HLL,
    Extension,
    GeoJSON,
    MapPairs,
    OpaqueBlob,
    OrderedList,
    OrderedMap,
    RawString,
)

MAX_DEPTH = 128
"""Levels of nesting, both ways; each costs two Python frames."""
MAX_CDT_SIZE = 16 << 20
"""Bytes of one value: twice the server's largest record, as one byte can cost 64 bytes of Python objects."""

_COMPARE_TYPE = 0xFF  # extensions of this type are values, wherever they stand

_U16, _U32, _U64 = struct.Struct(">H"), struct.Struct(">I"), struct.Struct(">Q")
_I8, _I16, _I32, _I64 = struct.Struct(">b"), struct.Struct(">h"), struct.Struct(">i"), struct.Struct(">q")
_F32, _F64 = struct.Struct(">f"), struct.Struct(">d")
_U8 = struct.Struct("B")

_NUMBERS: dict[int, struct.Struct] = {
    0xCA: _F32,
    0xCB: _F64,
    0xCC: _U8,
    0xCD: _U16,
    0xCE: _U32,
    0xCF: _U64,
    0xD0: _I8,
    0xD1: _I16,
    0xD2: _I32,
    0xD3: _I64,
}
_CONSTANTS: dict[int, bool | None] = {0xC0: None, 0xC2: False, 0xC3: True}
_STRING_SIZES: dict[int, struct.Struct] = {
    0xC4: _U8,
    0xC5: _U16,
    0xC6: _U32,
    0xD9: _U8,
    0xDA: _U16,
    0xDB: _U32,
}
_LIST_SIZES: dict[int, struct.Struct] = {0xDC: _U16, 0xDD: _U32}
_MAP_SIZES: dict[int, struct.Struct] = {0xDE: _U16, 0xDF: _U32}
_EXTENSION_SIZES: dict[int, struct.Struct] = {0xC7: _U8, 0xC8: _U16, 0xC9: _U32}
_FIXED_EXTENSIONS = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}


def decode_cdt(data: bytes | bytearray | memoryview, *, max_size: int = MAX_CDT_SIZE) -> Any:
    """Reads one value, which must fill the bytes exactly.

    Args:
        data: a list's, a map's or any element's bytes.
        max_size: bytes; more are refused.

    Returns:
        int, float, str, bool, bytes, None, list, dict, or a type of `values`: sorted lists and maps come as
        `OrderedList` and `OrderedMap`, strings that are not UTF-8 as `RawString`, maps that do not fit a dict
        as `MapPairs`. Maps keep the order of the bytes.

    Raises:
        WireError: truncated, bytes left over, nested too deep, too large, a type byte that does not exist, or
            GeoJSON that is not UTF-8.

    Example:
        >>> decode_cdt(bytes.fromhex("9301a20361c0"))
        [1, 'a', None]
    """
    if len(data) > max_size:
        raise WireError(f"a list or map of {len(data):,} bytes, limit {max_size:,}")
    data = bytes(data)
    try:
        value, end = _read(data, 0, MAX_DEPTH)
    except (IndexError, struct.error):
        # Numbers and type bytes are read without looking first whether they are there; strings are not.
        raise WireError("a list or map is cut off") from None
    except RecursionError:
        raise _no_room() from None
    if end != len(data):
        raise WireError(f"a list or map has {len(data) - end:,} bytes left over")
    return value


def encode_cdt(value: Any) -> bytes:
    """Returns the value's bytes, each number and header in its shortest form, as the C client writes them.

    Args:
        value: what `decode_cdt` returns; tuples and other mappings too. Dicts are written in their own order.

    Raises:
        WireError: an integer beyond 64 bits, a string with surrogates, nesting beyond `MAX_DEPTH`, or a type
            that has no form.
    """
    parts: list[bytes] = []
    try:
        _write(value, parts.append, MAX_DEPTH)
    except RecursionError:
        raise _no_room() from None
    return b"".join(parts)


def _read(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    code = data[at]
    at += 1
    if code < 0x80:
        return code, at
    if code >= 0xE0:
        return code - 0x100, at
    if 0xA0 <= code < 0xC0:
        return _read_string(data, at, code & 0x1F)
    if code < 0x90:
        return _read_map(data, at, code & 0x0F, depth)
    if code < 0xA0:
        return _read_list(data, at, code & 0x0F, depth)
    if code in _NUMBERS:
        layout = _NUMBERS[code]
        return layout.unpack_from(data, at)[0], at + layout.size
    if code in _CONSTANTS:
        return _CONSTANTS[code], at
    for sizes, read in ((_LIST_SIZES, _read_list), (_MAP_SIZES, _read_map)):
        if code in sizes:
            layout = sizes[code]
            return read(data, at + layout.size, layout.unpack_from(data, at)[0], depth)
    if code in _STRING_SIZES:
        layout = _STRING_SIZES[code]
        return _read_string(data, at + layout.size, layout.unpack_from(data, at)[0])
    return _read_extension(data, at - 1)


def _read_string(data: bytes, at: int, size: int) -> tuple[Any, int]:
    end = at + size
    if end > len(data):
        raise WireError(f"a list or map is cut off inside a string of {size:,} bytes")
    if not size:
        return b"", end
    kind, payload = data[at], data[at + 1 : end]
    if kind == ParticleType.STRING:
        try:
            return payload.decode(), end
        except UnicodeDecodeError:
            return RawString(payload), end
    if kind == ParticleType.BLOB:
        return payload, end
    if kind == ParticleType.GEOJSON:
        try:
            return GeoJSON(payload.decode()), end
        except UnicodeDecodeError:
            raise WireError("GeoJSON in a list or map is not valid UTF-8") from None
    if kind == ParticleType.HLL:
        return HLL(payload), end
    return OpaqueBlob(payload, kind), end


def _read_list(data: bytes, at: int, size: int, depth: int) -> tuple[list[Any], int]:
    if size > len(data) - at or not depth:
        raise _too_much(size, depth)
    flags, at = _read_flags(data, at) if size else (None, at)
    items: list[Any] = [] if flags is None else OrderedList(flags=flags)
    for _ in range(size if flags is None else size - 1):
        item, at = _read(data, at, depth - 1)
        items.append(item)
    return items, at


def _read_map(data: bytes, at: int, size: int, depth: int) -> tuple[dict[Any, Any] | MapPairs, int]:
    if 2 * size > len(data) - at or not depth:
        raise _too_much(size, depth)
    flags, at = _read_flags(data, at) if size else (None, at)
    if flags is not None:
        _, at = _read(data, at, depth - 1)
        size -= 1
    pairs = []
    for _ in range(size):
        key, at = _read(data, at, depth - 1)
        value, at = _read(data, at, depth - 1)
        pairs.append((key, value))
    try:
        result = dict(pairs) if flags is None else OrderedMap(pairs, flags)
    except TypeError:
        return MapPairs(pairs, flags or 0), at
    return (result if len(result) == size else MapPairs(pairs, flags or 0)), at


def _read_flags(data: bytes, at: int) -> tuple[int | None, int]:
    # Whatever a sorted list or map carries in its extension besides the flags (an index into its elements, in
    # the server's own storage) can be rebuilt and is left out.
    code = data[at]
    if code not in _EXTENSION_SIZES and code not in _FIXED_EXTENSIONS:
        return None, at
    extension, end = _read_extension(data, at)
    return (None, at) if extension.type == _COMPARE_TYPE else (extension.type, end)


def _read_extension(data: bytes, at: int) -> tuple[Extension, int]:
    code = data[at]
    at += 1
    if code in _EXTENSION_SIZES:
        layout = _EXTENSION_SIZES[code]
        (size,) = layout.unpack_from(data, at)
        at += layout.size
    elif code in _FIXED_EXTENSIONS:
        size = _FIXED_EXTENSIONS[code]
    else:
        raise WireError(f"a list or map has the unknown type byte {code:#04x}")
    kind = data[at]
    end = at + 1 + size
    if end > len(data):
        raise WireError(f"a list or map is cut off inside an extension of {size:,} bytes")
    return Extension(kind, data[at + 1 : end]), end


def _no_room() -> WireError:
    # Within our own limit, but the caller is itself so deep that Python's limit comes first.
    return WireError("a list or map is nested deeper than Python's recursion limit allows here")


def _too_much(size: int, depth: int) -> WireError:
    if not depth:
        return WireError(f"a list or map is nested more than {MAX_DEPTH} levels deep")
    return WireError(f"a list or map declares {size:,} elements, more than it has bytes for")


_Append = Callable[[bytes], None]


def _write(value: Any, append: _Append, depth: int) -> None:
    if value is None:
        append(b"\xc0")
    elif isinstance(value, bool):
        append(b"\xc3" if value else b"\xc2")
    elif isinstance(value, int):
        append(_pack_int(value))
    elif isinstance(value, float):
        append(b"\xcb" + _F64.pack(value))
    elif isinstance(value, str | bytes | bytearray):
        append(_pack_string(value))
    elif isinstance(value, Extension):
        append(_pack_extension(value.type, value.data))
    elif not depth:
        raise WireError(f"a list or map is nested more than {MAX_DEPTH} levels deep")
    elif isinstance(value, Mapping):
        flags = value.flags if isinstance(value, OrderedMap) else None
        _write_map(value.items(), len(value), flags, append, depth)
    elif isinstance(value, MapPairs):
        _write_map(value, len(value), value.flags or None, append, depth)
    elif isinstance(value, list | tuple):
        _write_list(value, append, depth)
    else:
        raise WireError(f"a list or map cannot hold a value of type {type(value).__name__}")


def _write_list(items: list[Any] | tuple[Any, ...], append: _Append, depth: int) -> None:
    flags = items.flags if isinstance(items, OrderedList) else None
    append(_pack_header(len(items) + (flags is not None), 0x90, 0x0F, (0xDC, 0xDD)))
    if flags is not None:
        append(_pack_flags(flags))
    elif items:
        _check_first(items[0])
    for item in items:
        _write(item, append, depth - 1)


def _write_map(pairs: Iterable[tuple[Any, Any]], size: int, flags: int | None, append: _Append, depth: int) -> None:
    append(_pack_header(size + (flags is not None), 0x80, 0x0F, (0xDE, 0xDF)))
    if flags is not None:
        append(_pack_flags(flags) + b"\xc0")
    for i, (key, value) in enumerate(pairs):
        if flags is None and not i:
            _check_first(key)
        _write(key, append, depth - 1)
        _write(value, append, depth - 1)


def _check_first(item: Any) -> None:
    # Any other extension in first place would be read as flags.
    if isinstance(item, Extension) and item.type != _COMPARE_TYPE:
        raise WireError("a list or map cannot start with an extension")


def _pack_int(value: int) -> bytes:
    if -0x20 <= value < 0x80:
        return bytes((value & 0xFF,))
    # Above the fixed forms the C client writes what is not negative as unsigned.
    codes = (0xCC, 0xCD, 0xCE, 0xCF) if value > 0 else (0xD0, 0xD1, 0xD2, 0xD3)
    for code in codes:
        try:
            return bytes((code,)) + _NUMBERS[code].pack(value)
        except struct.error:
            continue
    raise WireError("an integer in a list or map does not fit in 64 bits")


def _pack_string(value: str | bytes | bytearray) -> bytes:
    if isinstance(value, str):
        kind = ParticleType.GEOJSON if isinstance(value, GeoJSON) else ParticleType.STRING
        try:
            payload = value.encode()
        except UnicodeEncodeError:
            raise WireError("a string in a list or map has characters that are not valid Unicode") from None
        return _pack_typed(kind, payload)
    if isinstance(value, RawString):
        return _pack_typed(ParticleType.STRING, value)
    if isinstance(value, HLL):
        return _pack_typed(ParticleType.HLL, value)
    return _pack_typed(value.particle_type if isinstance(value, OpaqueBlob) else ParticleType.BLOB, bytes(value))


def _pack_typed(kind: int, payload: bytes) -> bytes:
    return _pack_header(len(payload) + 1, 0xA0, 0x1F, (0xD9, 0xDA, 0xDB)) + bytes((kind,)) + payload


def _pack_header(size: int, fixed: int, fixed_max: int, codes: tuple[int, ...]) -> bytes:
    if size <= fixed_max:
        return bytes((fixed | size,))
    for code in codes:
        layout = _STRING_SIZES.get(code) or _LIST_SIZES.get(code) or _MAP_SIZES[code]
        if size < 1 << 8 * layout.size:
            return bytes((code,)) + layout.pack(size)
    raise WireError(f"{size:,} elements or bytes are too many for a list or map")


def _pack_flags(flags: int) -> bytes:
    if not 0 <= flags < _COMPARE_TYPE:
        raise WireError(f"{flags} are no flags of a list or map, 0..{_COMPARE_TYPE - 1}")
    return _pack_extension(flags, b"")


def _pack_extension(kind: int, data: bytes) -> bytes:
    for code, size in _FIXED_EXTENSIONS.items():
        if len(data) == size:
            return bytes((code, kind)) + data
    for code, layout in _EXTENSION_SIZES.items():
        if len(data) < 1 << 8 * layout.size:
            return bytes((code,)) + layout.pack(len(data)) + bytes((kind,)) + data
    raise WireError("an extension is too large")

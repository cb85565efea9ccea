"""Lists and maps that are written whole: from what a client sent to what is stored.

Numbers and headers get their shortest form, maps are put in order of their keys, of the flags only the order stays.
What a server stores is what it sends, so this is seen by every reader.

Source: Aerospike server, as/src/base/cdt.c (`cdt_untrusted_rewrite`), cf/src/msgpack_in.c.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

import numpy as np

from aerospike_magic.devserver.cdt.order import compare
from aerospike_magic.devserver.cdt.results import CdtError
from aerospike_magic.devserver.kernels.settled import is_settled
from aerospike_magic.errors import WireError
from aerospike_magic.wire.message import ResultCode
from aerospike_magic.wire.msgpack import MAX_DEPTH, decode_cdt, encode_cdt
from aerospike_magic.wire.particle_type import ParticleType

_NIL = 0xC0
_COMPARE_TYPE = 0xFF
_SINGLES = frozenset((*range(0x80), *range(0xE0, 0x100), _NIL, 0xC2, 0xC3))
_STRINGS = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I", 0xC4: ">B", 0xC5: ">H", 0xC6: ">I"}
_LISTS = {0xDC: ">H", 0xDD: ">I"}
_MAPS = {0xDE: ">H", 0xDF: ">I"}
_NUMBERS = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_REALS = {0xCA: 5, 0xCB: 9}
_FIXED_EXTENSIONS = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
_EXTENSIONS = {0xC7: ">B", 0xC8: ">H", 0xC9: ">I"}

Element = tuple[bytes, int]
"""An element's bytes as stored, and where it ended."""


def settle(kind: int, data: bytes) -> bytes:
    """Bring the particle of a list or map into the form in which it is stored.

    Args:
        kind: LIST or MAP.
        data: what the client sent.

    Raises:
        CdtError: it is none, is broken, or holds what cannot be stored.
    """
    is_map = kind == ParticleType.MAP
    if is_settled(np.frombuffer(data, np.uint8), 0, len(data), is_map):
        return data
    try:
        if is_map != _is_map(data[0]) or not (is_map or _is_list(data[0])):
            raise _refusal()
        settled, end = _element(data, 0, MAX_DEPTH)
    except (IndexError, struct.error, WireError):
        raise _refusal() from None
    if end != len(data):
        raise _refusal()
    return settled


def _refusal() -> CdtError:
    return CdtError(ResultCode.UNKNOWN)


def _is_map(code: int) -> bool:
    return 0x80 <= code <= 0x8F or code in _MAPS


def _is_list(code: int) -> bool:
    return 0x90 <= code <= 0x9F or code in _LISTS


def _element(data: bytes, at: int, depth: int) -> Element:
    code = data[at]
    if code in _SINGLES:
        return data[at : at + 1], at + 1
    if 0xA0 <= code <= 0xBF:
        return _taken(data, at, at + 1 + (code & 0x1F))
    if _is_map(code) or _is_list(code):
        if not depth:
            raise WireError("too deep")
        return _map(data, at, depth) if _is_map(code) else _list(data, at, depth)
    if code in _NUMBERS:
        end = at + 1 + _NUMBERS[code]
        value = int.from_bytes(_taken(data, at, end)[0][1:], "big", signed=code >= 0xD0)
        return encode_cdt(value), end
    if code in _STRINGS:
        size, start = _sized(data, at, _STRINGS[code])
        payload, end = _taken(data, start, start + size)
        # The header for bytes stays where the one for strings would be of the same length.
        head = _header(size, 0xA0, 0x1F, b"\xd9\xda\xdb")
        return (head if len(head) < start - at else data[at:start]) + payload, end
    if code in _REALS:
        return _taken(data, at, at + _REALS[code])
    kind, size, end = _extension(data, at)
    _check_storable(kind, size)
    if code in _FIXED_EXTENSIONS:
        return data[at:end], end
    fixed = next((code for code, n_bytes in _FIXED_EXTENSIONS.items() if n_bytes == size), 0)
    head = bytes((fixed,)) if fixed else _header(size, 0, -1, b"\xc7\xc8\xc9")
    return head + data[end - 1 - size : end], end


def _check_storable(kind: int, size: int) -> None:
    # Infinity and the wildcard are for comparing only.
    if kind == _COMPARE_TYPE and 0 < size < 4:
        raise _refusal()


def _taken(data: bytes, at: int, end: int) -> Element:
    if end > len(data):
        raise WireError("cut off")
    return data[at:end], end


def _sized(data: bytes, at: int, layout: str) -> tuple[int, int]:
    size: int = struct.unpack_from(layout, data, at + 1)[0]
    return size, at + 1 + struct.calcsize(layout)


def _extension(data: bytes, at: int) -> tuple[int, int, int]:
    code = data[at]
    if code in _FIXED_EXTENSIONS:
        size, start = _FIXED_EXTENSIONS[code], at + 1
    elif code in _EXTENSIONS:
        size, start = _sized(data, at, _EXTENSIONS[code])
    else:
        raise WireError("no such type byte")
    _taken(data, start, start + 1 + size)
    return data[start], size, start + 1 + size


def _header(size: int, fixed: int, fixed_max: int, codes: bytes) -> bytes:
    if size <= fixed_max:
        return bytes((fixed | size,))
    for code, layout in zip(codes, (">B", ">H", ">I") if len(codes) == 3 else (">H", ">I"), strict=True):
        if size < 1 << 8 * struct.calcsize(layout):
            return bytes((code,)) + struct.pack(layout, size)
    raise WireError("too large")


def _count(data: bytes, at: int, codes: dict[int, str]) -> tuple[int, int]:
    code = data[at]
    return _sized(data, at, codes[code]) if code in codes else (code & 0x0F, at + 1)


def _flags(data: bytes, at: int) -> tuple[int, int] | None:
    """The flags that a list or map starts with, and where they end."""
    if at >= len(data) or (data[at] not in _FIXED_EXTENSIONS and data[at] not in _EXTENSIONS):
        return None
    flags, size, end = _extension(data, at)
    _check_storable(flags, size)
    return flags, end


def _list(data: bytes, at: int, depth: int) -> Element:
    size, at = _count(data, at, _LISTS)
    found = _flags(data, at) if size else None
    is_sorted = False
    if found is not None:
        flags, at = found
        size -= 1
        is_sorted = bool(flags & 1)
    parts = []
    for _ in range(size):
        part, at = _element(data, at, depth - 1)
        parts.append(part)
    if is_sorted:
        if any(compare(a, b) > 0 for a, b in pairwise(map(decode_cdt, parts))):
            raise _refusal()
        parts.insert(0, b"\xc7\x00\x01")
    return _header(len(parts), 0x90, 0x0F, b"\xdc\xdd") + b"".join(parts), at


def _map(data: bytes, at: int, depth: int) -> Element:
    size, at = _count(data, at, _MAPS)
    found = _flags(data, at) if size else None
    flags = 0
    if found is not None:
        flags, at = found
        flags &= 3
        _, at = _element(data, at, depth - 1)
        size -= 1
    pairs = []
    for _ in range(size):
        key, at = _element(data, at, depth - 1)
        value, at = _element(data, at, depth - 1)
        pairs.append((_sort_key(key), key + value))
    keys = [key for key, _ in pairs]
    if any(a >= b for a, b in pairwise(keys)):
        if flags & 1:
            raise _refusal()
        pairs.sort()
        if any(a[0] == b[0] for a, b in pairwise(pairs)):
            raise _refusal()
    head = _header(size + bool(flags), 0x80, 0x0F, b"\xde\xdf")
    if flags:
        head += bytes((0xC7, 0, flags, _NIL))
    return head + b"".join(pair for _, pair in pairs), at


def _sort_key(key: bytes) -> tuple[Any, ...]:
    """Where a key belongs: integers, then strings, then blobs; nothing else can be a key."""
    code = key[0]
    if code in _NUMBERS or code < 0x80 or code >= 0xE0:
        return 0, decode_cdt(key)
    if 0xA0 <= code <= 0xBF or code in _STRINGS:
        payload = key[_sized(key, 0, _STRINGS[code])[1] :] if code in _STRINGS else key[1:]
        if payload[:1] in (b"\x03", b"\x04"):
            return payload[0] - 2, payload
    raise _refusal()

"""Bit operations on blobs: parameters, where they act, what comes of them.

A region of a blob is read into one integer, changed, and put back; bits count from the left.

Source: Aerospike server, as/src/base/particle_blob.c (the `bits_…` functions).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aerospike_magic.devserver.cdt.results import CdtError
from aerospike_magic.devserver.request import is_integer, split_request
from aerospike_magic.wire.message import ResultCode
from aerospike_magic.wire.particle import encode_particle
from aerospike_magic.wire.particle_type import ParticleType

Bin = tuple[int, bytes]
"""A particle's type and bytes."""

_CREATE_ONLY, _UPDATE_ONLY, _NO_FAIL, _PARTIAL = 1, 2, 4, 8
_SIGNED, _SATURATE, _WRAP = 1, 2, 4
_FROM_FRONT, _GROW_ONLY, _SHRINK_ONLY = 1, 2, 4
_MAX_BYTES = 128 << 20
_MASK64 = (1 << 64) - 1
_RESIZE, _INSERT, _REMOVE = 0, 1, 2


@dataclass(slots=True)
class _Call:
    """An operation's parameters; offset and size in bits."""

    offset: int = 0
    size: int = 0
    value: int = 0
    data: bytes = b""
    flags: int = 0
    subflags: int = 0


class _NothingDone(Exception):
    """The operation does nothing, and says nothing."""


def read_bits(particle: Bin, request: bytes) -> Bin | None:
    """Run a read operation on a blob.

    Args:
        particle: the bin.
        request: the operation's bytes.

    Returns:
        the result as a particle.

    Raises:
        CdtError: it fails.
    """
    number, args = split_request(request)
    operation = _READS.get(number)
    if operation is None:
        raise CdtError(ResultCode.PARAMETER)
    kinds, n_optional, run = operation
    call = _parse(args, kinds, n_optional, 0)
    kind, blob = particle
    if kind != ParticleType.BLOB:
        raise CdtError(ResultCode.INCOMPATIBLE_TYPE)
    start, end = _place(call, len(blob))
    if start >= len(blob) or end > len(blob):
        raise CdtError(ResultCode.OP_NOT_APPLICABLE)
    kind, data = encode_particle(run(call, _Region(blob[start:end], call.offset, call.size)))
    return int(kind), data


def modify_bits(particle: Bin | None, request: bytes) -> Bin | None:
    """Run an operation that may change a blob.

    Args:
        particle: the bin, None if there is none.
        request: the operation's bytes.

    Returns:
        the bin afterwards, None if there is still none.

    Raises:
        CdtError: it fails.
    """
    number, args = split_request(request)
    operation = _CHANGES.get(number)
    if operation is None:
        raise CdtError(ResultCode.PARAMETER)
    kinds, n_optional, allowed, run = operation
    call = _parse(args, kinds, n_optional, allowed)
    quiet = bool(call.flags & _NO_FAIL)
    try:
        _check_existence(number, call, particle)
        blob = particle[1] if particle is not None else b""
        if particle is None and call.offset < 0:
            raise CdtError(ResultCode.PARAMETER)
        changed = run(call, blob, quiet)
    except _NothingDone:
        return particle
    if len(changed) >= _MAX_BYTES:
        raise CdtError(ResultCode.PARAMETER)
    return int(ParticleType.BLOB), changed


def _check_existence(number: int, call: _Call, particle: Bin | None) -> None:
    code = 0
    if particle is None:
        if number not in (_RESIZE, _INSERT) or call.flags & _UPDATE_ONLY:
            code = ResultCode.BIN_NOT_FOUND
    elif call.flags & _CREATE_ONLY:
        code = ResultCode.BIN_EXISTS
    elif particle[0] != ParticleType.BLOB:
        raise CdtError(ResultCode.INCOMPATIBLE_TYPE)
    if code:
        raise _failure(code, bool(call.flags & _NO_FAIL))


def _failure(code: int, quiet: bool) -> Exception:
    return _NothingDone() if quiet else CdtError(code)


# -- parameters --


def _parse(args: list[Any], kinds: str, n_optional: int, allowed: int) -> _Call:
    """Read the parameters, one a letter of `kinds`; see the tables at the end."""
    if not len(kinds) - n_optional <= len(args) <= len(kinds):
        raise CdtError(ResultCode.PARAMETER)
    call = _Call()
    for kind, arg in zip(kinds, args, strict=False):
        if not _read(call, kind, arg, allowed):
            raise CdtError(ResultCode.PARAMETER)
    return call


def _read(call: _Call, kind: str, arg: Any, allowed: int) -> bool:
    if kind == "b":
        return _read_data(call, arg)
    if kind == "t":
        call.value = int(arg is True)
        return isinstance(arg, bool)
    if not is_integer(arg):
        return False
    if kind in "oO":
        call.offset = arg * (8 if kind == "O" else 1)
        return abs(call.offset) <= 8 * _MAX_BYTES
    number = arg & _MASK64
    if kind in "sSzi":
        call.size = number * (8 if kind in "Sz" else 1)
        return (number > 0 or kind == "z") and call.size <= (64 if kind == "i" else 8 * _MAX_BYTES)
    if kind in "vn":
        call.value = number
        return kind == "v" or number <= 8 * _MAX_BYTES
    if kind == "f":
        call.flags = number
        return not number & ~allowed and number & 3 != _CREATE_ONLY | _UPDATE_ONLY
    call.subflags = number
    if kind == "g":
        return not number & ~_SIGNED
    return not number & ~7 and number & 6 != 6


def _read_data(call: _Call, arg: Any) -> bool:
    if isinstance(arg, str):
        arg = arg.encode()
    if not isinstance(arg, bytes) or not arg:
        return False
    call.data = arg
    if not call.size:
        call.size = 8 * len(arg)
    return 8 * len(arg) >= call.size


def _place(call: _Call, n_bytes: int) -> tuple[int, int]:
    """The bytes that are touched; the offset then counts from their start."""
    if call.offset < 0:
        call.offset += 8 * n_bytes
        if call.offset < 0:
            raise CdtError(ResultCode.PARAMETER)
    start, call.offset = divmod(call.offset, 8)
    return start, start + (call.offset + call.size + 7) // 8


class _Region:
    """A run of bits within some bytes.

    Args:
        data: the bytes.
        offset: where the run starts, in bits.
        size: how many.
    """

    def __init__(self, data: bytes, offset: int, size: int) -> None:
        self._n_bytes = len(data)
        self._shift = 8 * len(data) - offset - size
        self.offset = offset
        self.whole = int.from_bytes(data, "big")
        self.n_bits = 8 * len(data)
        self.mask = (1 << size) - 1
        self.bits = self.whole >> self._shift & self.mask

    def put(self, bits: int) -> bytes:
        """The bytes with other bits in the run."""
        changed = self.whole & ~(self.mask << self._shift) | (bits & self.mask) << self._shift
        return changed.to_bytes(self._n_bytes, "big")


# -- reading --


def _get(call: _Call, region: _Region) -> bytes:
    n_bytes = (call.size + 7) // 8
    return (region.bits << (8 * n_bytes - call.size)).to_bytes(n_bytes, "big")


def _count(call: _Call, region: _Region) -> int:
    return region.bits.bit_count()


def _left_scan(call: _Call, region: _Region) -> int:
    bits = region.bits if call.value else ~region.bits & region.mask
    return call.size - bits.bit_length() if bits else -1


def _right_scan(call: _Call, region: _Region) -> int:
    # The bits in front of the region, in its first byte, are seen too: a server gives a place below zero.
    wanted = region.whole if call.value else ~region.whole & (1 << region.n_bits) - 1
    behind = region.n_bits - call.offset - call.size
    wanted >>= behind
    if not wanted:
        return -1
    return region.n_bits - behind - (wanted & -wanted).bit_length() - call.offset


def _get_integer(call: _Call, region: _Region) -> int:
    size = call.size if call.subflags & _SIGNED else 64
    return _signed(region.bits, size)


def _signed(value: int, size: int) -> int:
    return value - (1 << size) if value >> (size - 1) & 1 else value


# -- changing --


def _resize(call: _Call, blob: bytes, quiet: bool) -> bytes:
    size = call.size // 8
    if size == len(blob):
        raise _NothingDone
    if (size < len(blob) and call.subflags & _GROW_ONLY) or (size > len(blob) and call.subflags & _SHRINK_ONLY):
        raise _failure(ResultCode.PARAMETER, quiet)
    if call.subflags & _FROM_FRONT:
        return blob[len(blob) - size :] if size < len(blob) else bytes(size - len(blob)) + blob
    return blob[:size].ljust(size, b"\0")


def _insert(call: _Call, blob: bytes, quiet: bool) -> bytes:
    start, _ = _place(call, len(blob))
    if start >= _MAX_BYTES:
        raise CdtError(ResultCode.PARAMETER)
    return blob[:start].ljust(start, b"\0") + call.data + blob[start:]


def _remove(call: _Call, blob: bytes, quiet: bool) -> bytes:
    start, end = _place(call, len(blob))
    if start >= len(blob) or (end > len(blob) and not call.flags & _PARTIAL):
        raise _failure(ResultCode.PARAMETER, quiet)
    return blob[:start] + blob[end:]


def _change(changed: Callable[[_Call, _Region], int | None], partial: bool = True) -> Callable[..., bytes]:
    """Make an operation of what becomes of the bits; None where they cannot be changed so."""

    def run(call: _Call, blob: bytes, quiet: bool) -> bytes:
        start, end = _place(call, len(blob))
        if start >= len(blob) or (end > len(blob) and not (partial and call.flags & _PARTIAL)):
            raise _failure(ResultCode.OP_NOT_APPLICABLE, quiet)
        end = min(end, len(blob))
        call.size = min(call.size, 8 * (end - start) - call.offset)
        region = _Region(blob[start:end], call.offset, call.size)
        bits = changed(call, region)
        if bits is None:
            raise _failure(ResultCode.OP_NOT_APPLICABLE, quiet)
        return blob[:start] + region.put(bits) + blob[end:]

    return run


def _given(call: _Call) -> int:
    return int.from_bytes(call.data, "big") >> (8 * len(call.data) - call.size)


def _shifted_left(call: _Call, region: _Region) -> int:
    return region.bits << call.value if call.value < call.size else 0


def _arithmetic(sign: int) -> Callable[[_Call, _Region], int | None]:
    def changed(call: _Call, region: _Region) -> int | None:
        value = call.value & region.mask
        result = (region.bits + sign * value) & region.mask
        if call.subflags & _WRAP:
            return result
        if not call.subflags & _SIGNED:
            if not (result < region.bits if sign > 0 else result > region.bits):
                return result
            return (region.mask if sign > 0 else 0) if call.subflags & _SATURATE else None
        left, right, total = (_signed(v & region.mask, call.size) for v in (region.bits, sign * value, result))
        lowest = 1 << (call.size - 1)
        # A sum of exactly zero counts as well, as on a real server.
        if left < 0 and right < 0 and total > 0:
            return lowest if call.subflags & _SATURATE else None
        if left > 0 and right > 0 and total < 0:
            return lowest - 1 if call.subflags & _SATURATE else None
        return result

    return changed


_READS: dict[int, tuple[str, int, Callable[[_Call, _Region], Any]]] = {
    50: ("os", 0, _get),
    51: ("os", 0, _count),
    52: ("ost", 0, _left_scan),
    53: ("ost", 0, _right_scan),
    54: ("oig", 1, _get_integer),
}
"""By operation: its parameters, how many are optional, what runs it.

Offsets (o in bits, O in bytes), sizes (s in bits, S in bytes, z in bytes or none, i up to 64 bits), b bytes, t a truth
value, v a number, n a number of bits, f flags; flags of resizing (r), arithmetic (a) and reading integers (g).
"""

_ANY, _UPDATING = _CREATE_ONLY | _UPDATE_ONLY | _NO_FAIL, _UPDATE_ONLY | _NO_FAIL

_CHANGES: dict[int, tuple[str, int, int, Callable[..., bytes]]] = {
    _RESIZE: ("zfr", 2, _ANY, _resize),
    _INSERT: ("Obf", 1, _ANY, _insert),
    _REMOVE: ("OSf", 1, _UPDATING | _PARTIAL, _remove),
    3: ("osbf", 1, _UPDATING | _PARTIAL, _change(lambda call, region: _given(call))),
    4: ("osbf", 1, _UPDATING | _PARTIAL, _change(lambda call, region: region.bits | _given(call))),
    5: ("osbf", 1, _UPDATING | _PARTIAL, _change(lambda call, region: region.bits ^ _given(call))),
    6: ("osbf", 1, _UPDATING | _PARTIAL, _change(lambda call, region: region.bits & _given(call))),
    7: ("osf", 1, _UPDATING | _PARTIAL, _change(lambda call, region: ~region.bits)),
    8: ("osnf", 1, _UPDATING | _PARTIAL, _change(_shifted_left)),
    9: ("osnf", 1, _UPDATING | _PARTIAL, _change(lambda call, region: region.bits >> call.value)),
    10: ("oivfa", 2, _UPDATING, _change(_arithmetic(1), False)),
    11: ("oivfa", 2, _UPDATING, _change(_arithmetic(-1), False)),
    12: ("oivf", 1, _UPDATING, _change(lambda call, region: call.value, False)),
}
"""By operation: its parameters, how many are optional, the flags it takes, what runs it."""

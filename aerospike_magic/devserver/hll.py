"""HyperLogLog operations: parameters, rules, answers. The sketches themselves are in `sketch`.

Source: Aerospike server, as/src/base/particle_hll.c (the `hll_parse_…` and `hll_modify_prepare_…` functions).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aerospike_magic.devserver import sketch
from aerospike_magic.devserver.cdt.results import NOTHING, CdtError
from aerospike_magic.devserver.request import is_integer, split_request
from aerospike_magic.devserver.sketch import Sketch
from aerospike_magic.wire.message import ResultCode
from aerospike_magic.wire.msgpack import encode_cdt
from aerospike_magic.wire.particle import encode_particle
from aerospike_magic.wire.particle_type import ParticleType
from aerospike_magic.wire.values import HLL, MapPairs

Bin = tuple[int, bytes]
"""A particle's type and bytes."""

_CREATE_ONLY, _UPDATE_ONLY, _NO_FAIL, _ALLOW_FOLD = 1, 2, 4, 8
_UNSET = -1


@dataclass(slots=True)
class _Call:
    """An operation's parameters."""

    index_bits: int = _UNSET
    minhash_bits: int = _UNSET
    elements: list[bytes] = field(default_factory=list)
    sketches: list[Sketch] = field(default_factory=list)
    flags: int = 0


def check_sketch(data: bytes) -> None:
    """Check the bytes of a sketch that is written whole.

    Raises:
        CdtError: they are none.
    """
    if _decode(data) is None:
        raise CdtError(ResultCode.PARAMETER)


def read_hll(particle: Bin, request: bytes) -> Bin | None:
    """Run a read operation on a sketch.

    Args:
        particle: the bin.
        request: the operation's bytes.

    Returns:
        the result as a particle.

    Raises:
        CdtError: it fails.
    """
    number, args = split_request(request)
    if number not in _READS:
        raise CdtError(ResultCode.PARAMETER)
    kinds, run = _READS[number]
    own = _own(particle)
    return _as_particle(run(_parse(args, kinds, 0, 0), own))


def modify_hll(particle: Bin | None, request: bytes) -> tuple[Bin | None, Bin | None]:
    """Run an operation that may change a sketch.

    Args:
        particle: the bin, None if there is none.
        request: the operation's bytes.

    Returns:
        the bin afterwards and the result, each None if there is none.

    Raises:
        CdtError: it fails.
    """
    number, args = split_request(request)
    if number not in _CHANGES:
        raise CdtError(ResultCode.PARAMETER)
    kinds, n_optional, allowed, run = _CHANGES[number]
    own = None if particle is None else _own(particle)
    call = _parse(args, kinds, n_optional, allowed)
    forbidden = _UPDATE_ONLY if own is None else _CREATE_ONLY
    if call.flags & forbidden:
        if call.flags & _NO_FAIL:
            return particle, None
        raise CdtError(ResultCode.BIN_NOT_FOUND if own is None else ResultCode.BIN_EXISTS)
    changed, result = run(call, own)
    return (int(ParticleType.HLL), changed.encode()), _as_particle(result)


def _own(particle: Bin) -> Sketch:
    kind, data = particle
    if kind != ParticleType.HLL:
        raise CdtError(ResultCode.INCOMPATIBLE_TYPE)
    own = _decode(data)
    if own is None:
        raise CdtError(ResultCode.UNKNOWN)
    return own


def _decode(data: bytes) -> Sketch | None:
    found = Sketch.decode(data)
    return found if found is not None and sketch.are_bits(found.index_bits, found.minhash_bits) else None


def _as_particle(value: Any) -> Bin | None:
    if value is NOTHING:
        return None
    kind, data = encode_particle(value)
    return int(kind), data


# -- parameters --


def _parse(args: list[Any], kinds: str, n_optional: int, allowed: int) -> _Call:
    """Read the parameters, one a letter of `kinds`; see the tables at the end."""
    if not len(kinds) - n_optional <= len(args) <= len(kinds):
        raise CdtError(ResultCode.PARAMETER)
    call = _Call()
    for kind, arg in zip(kinds, args, strict=False):
        if kind == "e":
            call.elements = _elements(arg)
        elif kind in "hx":
            call.sketches = _sketches(arg)
        elif not is_integer(arg) or not _read_number(call, kind, arg, allowed):
            raise CdtError(ResultCode.PARAMETER)
    if "x" in kinds and len(call.sketches) > 2:
        bits = {each.minhash_bits for each in call.sketches}
        if len(bits) > 1 or 0 in bits:
            raise CdtError(ResultCode.PARAMETER)
    return call


def _read_number(call: _Call, kind: str, arg: int, allowed: int) -> bool:
    if kind == "i":
        call.index_bits = arg
        return arg == _UNSET or sketch.is_index(arg)
    if kind == "m":
        call.minhash_bits = arg
        if arg == _UNSET:
            return True
        return sketch.is_minhash(arg) and (call.index_bits == _UNSET or sketch.are_bits(call.index_bits, arg))
    call.flags = arg
    return not arg & ~allowed and arg & 3 != _CREATE_ONLY | _UPDATE_ONLY


def _elements(arg: Any) -> list[bytes]:
    if not isinstance(arg, list) or not arg or any(isinstance(e, list | dict | MapPairs) for e in arg):
        raise CdtError(ResultCode.PARAMETER)
    return [encode_cdt(element) for element in arg]


def _sketches(arg: Any) -> list[Sketch]:
    given = arg if isinstance(arg, list) else [arg]
    # A sketch in a request is bytes of any type.
    found = [Sketch.decode(bytes(each)) if isinstance(each, bytes) else None for each in given]
    if not found or None in found:
        raise CdtError(ResultCode.PARAMETER)
    return [each for each in found if each is not None]


# -- changing --

Changed = tuple[Sketch, Any]
"""The sketch afterwards, and the result."""


def _new(call: _Call) -> Sketch:
    if call.index_bits == _UNSET:
        raise CdtError(ResultCode.OP_NOT_APPLICABLE)
    return Sketch.empty(call.index_bits, max(0, call.minhash_bits))


def _init(call: _Call, own: Sketch | None) -> Changed:
    if own is None:
        return _new(call), NOTHING
    index_bits = own.index_bits if call.index_bits == _UNSET else call.index_bits
    minhash_bits = own.minhash_bits if call.minhash_bits == _UNSET else call.minhash_bits
    if not sketch.are_bits(index_bits, minhash_bits):
        raise CdtError(ResultCode.OP_NOT_APPLICABLE)
    return Sketch.empty(index_bits, minhash_bits), NOTHING


def _add(call: _Call, own: Sketch | None) -> Changed:
    changed = _new(call) if own is None else own
    return changed, sum(changed.add(element) for element in call.elements)


def _set_union(call: _Call, own: Sketch | None) -> Changed:
    if own is None:
        return sketch.union(call.sketches), NOTHING
    if not call.flags & _ALLOW_FOLD:
        common = sketch.union(call.sketches)
        if own.index_bits > common.index_bits or own.minhash_bits not in (0, common.minhash_bits):
            raise CdtError(ResultCode.OP_NOT_APPLICABLE)
    return sketch.union([*call.sketches, own]), NOTHING


def _refresh_count(call: _Call, own: Sketch | None) -> Changed:
    if own is None:
        raise CdtError(ResultCode.BIN_NOT_FOUND)
    own.count = own.estimate()
    return own, own.count


def _fold(call: _Call, own: Sketch | None) -> Changed:
    if own is None:
        raise CdtError(ResultCode.BIN_NOT_FOUND)
    if own.minhash_bits or call.index_bits == _UNSET or own.index_bits < call.index_bits:
        raise CdtError(ResultCode.OP_NOT_APPLICABLE)
    return sketch.fold(own, call.index_bits), NOTHING


# -- reading --


def _intersectable(call: _Call, own: Sketch) -> Sequence[Sketch]:
    if len(call.sketches) > 2 and (not own.minhash_bits or own.minhash_bits != call.sketches[0].minhash_bits):
        raise CdtError(ResultCode.OP_NOT_APPLICABLE)
    return [*call.sketches, own]


_READS: dict[int, tuple[str, Callable[[_Call, Sketch], Any]]] = {
    50: ("", lambda call, own: own.estimate()),
    51: ("h", lambda call, own: HLL(sketch.union([*call.sketches, own]).encode())),
    52: ("h", lambda call, own: sketch.union([*call.sketches, own]).estimate()),
    53: ("x", lambda call, own: sketch.intersection_count(_intersectable(call, own))),
    54: ("x", lambda call, own: sketch.similarity(_intersectable(call, own))),
    55: ("", lambda call, own: [own.index_bits, own.minhash_bits]),
    56: ("e", lambda call, own: int(all(map(own.may_contain, call.elements)))),
}
"""By operation: its parameters, what runs it.

Parameters: e elements, h sketches, x sketches to intersect, i index bits, m min-hash bits, f flags.
"""

_CHANGES: dict[int, tuple[str, int, int, Callable[[_Call, Sketch | None], Changed]]] = {
    0: ("imf", 3, _CREATE_ONLY | _UPDATE_ONLY | _NO_FAIL, _init),
    1: ("eimf", 3, _CREATE_ONLY | _NO_FAIL, _add),
    2: ("hf", 1, _CREATE_ONLY | _UPDATE_ONLY | _NO_FAIL | _ALLOW_FOLD, _set_union),
    3: ("", 0, 0, _refresh_count),
    4: ("i", 0, 0, _fold),
}
"""By operation: its parameters, how many are optional, the flags it takes, what runs it."""

"""A list or map operation on a bin: what it asks for, the context that leads to it, its answer.

Source: Aerospike server, as/src/base/cdt.c (`cdt_context_dig`, `cdt_process_state_…`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aerospike_magic.devserver.cdt import contexts, lists, maps
from aerospike_magic.devserver.cdt.results import NOTHING, CdtError, UnsupportedCall, bad_parameter
from aerospike_magic.errors import WireError
from aerospike_magic.wire.message import ResultCode
from aerospike_magic.wire.msgpack import decode_cdt
from aerospike_magic.wire.particle import decode_particle, encode_particle
from aerospike_magic.wire.particle_type import ParticleType
from aerospike_magic.wire.values import MapPairs

_CONTEXT_EVAL, _SELECT = 0xFF, 0xFE
_FIRST_MAP_OPERATION = 64

Bin = tuple[int, bytes]
"""A particle's type and bytes."""


def read_bin(particle: Bin, request: bytes) -> Bin | None:
    """Run a read operation on a bin.

    Args:
        particle: the bin.
        request: the operation's bytes.

    Returns:
        the result as a particle, None if there is none.

    Raises:
        CdtError: it fails.
        UnsupportedCall: it is not there.
    """
    number, args = _parse(request)
    return _as_particle(read(_container(particle), number, args))


def modify_bin(particle: Bin | None, request: bytes) -> tuple[Bin | None, Bin | None]:
    """Run an operation that may change a bin.

    Args:
        particle: the bin, None if there is none.
        request: the operation's bytes.

    Returns:
        the bin afterwards and the result, each None if there is none.

    Raises:
        CdtError: it fails.
        UnsupportedCall: it is not there.
    """
    number, args = _parse(request)
    container = None if particle is None else _container(particle)
    changed, result = modify(container, number, args)
    return (particle if changed is None else _as_particle(changed)), _as_particle(result)


def read(container: Any, number: int, args: Sequence[Any]) -> Any:
    """Run a read operation on a list or map, or on what a context leads to in it.

    Raises:
        CdtError: it fails.
        UnsupportedCall: it is not there.
    """
    if number == _CONTEXT_EVAL:
        path, number, args = _context(args)
        if not _is_container(container):
            raise bad_parameter()
        container = contexts.find(container, path)
    _check_type(container, number)
    return (lists if number < _FIRST_MAP_OPERATION else maps).read(container, number, args)


def modify(container: Any, number: int, args: Sequence[Any]) -> tuple[Any, Any]:
    """Run an operation that may change a list or map, or what a context leads to in it.

    Args:
        container: the list or map, None if there is none; anything else fails as on a real server.
        number: the operation.
        args: its parameters.

    Returns:
        the whole afterwards, None if there is still none; and the result.

    Raises:
        CdtError: it fails.
        UnsupportedCall: it is not there.
    """
    if container is None:
        container = contexts.ABSENT
    if number != _CONTEXT_EVAL:
        return _modify(container, number, args, True)
    path, number, args = _context(args)
    if container is not contexts.ABSENT and not _is_container(container):
        raise bad_parameter()
    return contexts.change(container, path, lambda inner: _modify(inner, number, args, False))


def _modify(container: Any, number: int, args: Sequence[Any], is_top: bool) -> tuple[Any, Any]:
    _check_number(number)
    if container is contexts.ABSENT:
        container = None
    else:
        _check_type(container, number)
    return (lists if number < _FIRST_MAP_OPERATION else maps).modify(container, number, args, is_top)


def _parse(request: bytes) -> tuple[int, Sequence[Any]]:
    try:
        parts = decode_cdt(request)
    except WireError:
        raise bad_parameter() from None
    return _split(parts)


def _split(parts: Any) -> tuple[int, Sequence[Any]]:
    if not isinstance(parts, list) or not parts or not isinstance(parts[0], int):
        raise bad_parameter()
    return parts[0], parts[1:]


def _context(args: Sequence[Any]) -> tuple[list[tuple[int, Any]], int, Sequence[Any]]:
    if len(args) != 2:
        raise bad_parameter()
    path, operation = args
    if not isinstance(path, list) or not path or len(path) % 2:
        raise bad_parameter()
    return [*zip(path[::2], path[1::2], strict=True)], *_split(operation)


def _check_number(number: int) -> None:
    if number == _SELECT:
        raise UnsupportedCall("selecting by path is not supported yet")


def _check_type(container: Any, number: int) -> None:
    _check_number(number)
    is_list = number < _FIRST_MAP_OPERATION
    if not isinstance(container, list if is_list else dict | MapPairs):
        raise CdtError(ResultCode.INCOMPATIBLE_TYPE)


def _is_container(value: Any) -> bool:
    return isinstance(value, list | dict | MapPairs)


def _container(particle: Bin) -> Any:
    kind, data = particle
    # What is no list or map only has to be told apart from them.
    return decode_particle(kind, data) if kind in (ParticleType.LIST, ParticleType.MAP) else b""


def _as_particle(value: Any) -> Bin | None:
    if value is NOTHING or value is None:
        return None
    kind, data = encode_particle(value)
    return int(kind), data

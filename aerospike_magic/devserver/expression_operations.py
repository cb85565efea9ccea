"""Expressions as operations: what one yields for a record is returned, or written to a bin.

Source: Aerospike server, as/src/base/expop.c; as/src/base/exp.c (`as_exp_eval`).
"""

from __future__ import annotations

from typing import Any

from aerospike_magic.devserver.cdt.results import CdtError, UnsupportedCall
from aerospike_magic.devserver.evaluate import UNKNOWN, evaluate
from aerospike_magic.devserver.expression import parse_expression
from aerospike_magic.devserver.expression_pack import PackReader
from aerospike_magic.devserver.geojson import stored_geojson
from aerospike_magic.devserver.instructions import PARTICLE_TYPES, Code, ExpressionError, Kind, Node
from aerospike_magic.devserver.store import Bin, Record
from aerospike_magic.errors import WireError
from aerospike_magic.wire.message import ResultCode
from aerospike_magic.wire.particle import encode_particle
from aerospike_magic.wire.particle_type import ParticleType
from aerospike_magic.wire.values import HLL

_CREATE_ONLY, _UPDATE_ONLY, _ALLOW_DELETE, _POLICY_NO_FAIL, _EVAL_NO_FAIL = 1, 2, 4, 8, 16


def read_expression(record: Record, request: bytes) -> Bin | None:
    """Evaluate an expression for a record.

    Args:
        record: for which; its bins as operations before have left them.
        request: the operation's bytes: the expression, flags.

    Returns:
        the result, None if it is nil.

    Raises:
        CdtError: the expression is wrong, or unknown for the record.
        UnsupportedCall: it needs what this server does not have.
    """
    node, flags = _parse(request, _EVAL_NO_FAIL)
    result = _result(node, record)
    if result is UNKNOWN and not flags & _EVAL_NO_FAIL:
        raise CdtError(ResultCode.OP_NOT_APPLICABLE)
    return None if result is UNKNOWN else result


def write_expression(particle: Bin | None, record: Record, request: bytes) -> Bin | None:
    """Evaluate an expression for a record, to write the result to a bin.

    Args:
        particle: the bin, None if there is none.
        record: see `read_expression`.
        request: likewise.

    Returns:
        the bin afterwards, None if there is none.

    Raises:
        CdtError: likewise, or its flags forbid it.
        UnsupportedCall: likewise.
    """
    node, flags = _parse(request, 31)
    forbidden = _UPDATE_ONLY if particle is None else _CREATE_ONLY
    if flags & forbidden:
        if flags & _POLICY_NO_FAIL:
            return particle
        raise CdtError(ResultCode.BIN_NOT_FOUND if particle is None else ResultCode.BIN_EXISTS)
    result = _result(node, record)
    if result is UNKNOWN:
        if flags & _EVAL_NO_FAIL:
            return particle
        raise CdtError(ResultCode.OP_NOT_APPLICABLE)
    if result is None and particle is not None and not flags & _ALLOW_DELETE:
        # Any flag at all keeps this quiet on a real server.
        if flags:
            return particle
        raise CdtError(ResultCode.OP_NOT_APPLICABLE)
    found: Bin | None = result
    return found


def _geojson(value: bytes) -> Any:
    """The particle of a GeoJSON value, which is a bin's, or a constant's text."""
    data = value if value[:1] in (b"\0", b"\1") else bytes(3) + value
    try:
        return int(ParticleType.GEOJSON), stored_geojson(data)
    except CdtError:
        return UNKNOWN


def _parse(request: bytes, allowed: int) -> tuple[Node, int]:
    reader = PackReader(request)
    try:
        size = reader.list_size()
        if not 1 <= size <= 2:
            raise CdtError(ResultCode.PARAMETER)
        expression = reader.element()
        flags = reader.integer() if size == 2 and not reader.is_at_end else 0
        if flags & ~allowed:
            raise CdtError(ResultCode.PARAMETER)
        return parse_expression(expression, None), flags
    except ExpressionError as error:
        if error.code == ResultCode.UNSUPPORTED_FEATURE:
            raise UnsupportedCall(str(error)) from None
        raise CdtError(error.code) from None
    except WireError:
        raise CdtError(ResultCode.PARAMETER) from None


def _result(node: Node, record: Record) -> Any:
    """The particle that a node yields, None for nil, or UNKNOWN."""
    if node.code == Code.BIN and node.kind != Kind.GEOJSON:
        kind, data = record.bins.get(node.data, (0, b""))
        return (kind, data) if kind == PARTICLE_TYPES[node.kind] else UNKNOWN
    value = evaluate(node, record)
    if value is UNKNOWN or value is None:
        return value
    if node.kind == Kind.STRING:
        return int(ParticleType.STRING), value
    if node.kind == Kind.GEOJSON:
        return _geojson(value)
    if node.kind == Kind.HLL:
        value = HLL(value)
    kind, data = encode_particle(value)
    return int(kind), data

"""The reference evaluator of filter expressions: three-valued, plain, the judge of the compiled one.

A bin that is missing or holds another type is *unknown*, and unknown spreads through everything but AND (where a false
decides) and OR (where a true decides). A filter that ends unknown leaves the record out.

Source: Aerospike server, as/src/base/exp.c (the `eval_…` functions).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

from aerospike_magic.devserver.bits import modify_bits, read_bits
from aerospike_magic.devserver.cdt import operate, order
from aerospike_magic.devserver.cdt.results import NOTHING, CdtError, UnsupportedCall
from aerospike_magic.devserver.expression import parse_expression
from aerospike_magic.devserver.hll import modify_hll, read_hll
from aerospike_magic.devserver.instructions import PARTICLE_TYPES, Code, ExpressionError, Kind, Node
from aerospike_magic.devserver.store import EPOCH_S, Record, now_ms, now_s
from aerospike_magic.errors import WireError
from aerospike_magic.wire.msgpack import decode_cdt, encode_cdt
from aerospike_magic.wire.particle import decode_particle
from aerospike_magic.wire.particle_type import ParticleType
from aerospike_magic.wire.values import HLL, RawString

_I64 = struct.Struct(">q")
_F64 = struct.Struct(">d")


class _UnknownType:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _UnknownType()
"""What has no value for a record."""


class Expression:
    """A filter that can be asked about records.

    Args:
        data: its wire bytes.

    Raises:
        ExpressionError: it is refused, see `parse_expression`.
    """

    def __init__(self, data: bytes) -> None:
        self.root = parse_expression(data)

    def matches(self, record: Record) -> bool:
        """Say whether a record passes: whether the filter is true for it, not merely unknown.

        Raises:
            ExpressionError: a list or map operation that this server does not have.
        """
        try:
            return evaluate(self.root, record) is True
        except UnsupportedCall as error:
            raise ExpressionError(str(error), 16) from None


def evaluate(node: Node, record: Record, variables: dict[int, Any] | None = None) -> Any:
    """Evaluate a node for a record.

    Args:
        node: what.
        record: for which.
        variables: values of LET, by slot.

    Returns:
        None, bool, int, float, bytes (strings and blobs), a list, a map, or UNKNOWN.
    """
    variables = {} if variables is None else variables
    special = _SPECIAL.get(node.code)
    if special is not None:
        return special(node, record, variables)
    values = []
    for arg in node.args:
        value = evaluate(arg, record, variables)
        if value is UNKNOWN:
            return UNKNOWN
        values.append(value)
    return _PLAIN[node.code](node, *values)


def wrap(value: int) -> int:
    """Bring an integer into 64 bits, as the server's overflow does."""
    value &= 0xFFFFFFFFFFFFFFFF
    return value - (1 << 64) if value >> 63 else value


# -- logic: arguments are not all evaluated --


def _and(node: Node, record: Record, variables: dict[int, Any]) -> Any:
    result: Any = True
    for arg in node.args:
        value = evaluate(arg, record, variables)
        if value is False:
            return False
        if value is UNKNOWN:
            result = UNKNOWN
    return result


def _or(node: Node, record: Record, variables: dict[int, Any]) -> Any:
    result: Any = False
    for arg in node.args:
        value = evaluate(arg, record, variables)
        if value is True:
            return True
        if value is UNKNOWN:
            result = UNKNOWN
    return result


def _exclusive(node: Node, record: Record, variables: dict[int, Any]) -> Any:
    result = False
    for arg in node.args:
        value = evaluate(arg, record, variables)
        if value is UNKNOWN:
            return UNKNOWN
        if value and result:
            return False
        result = result or value
    return result


def _cond(node: Node, record: Record, variables: dict[int, Any]) -> Any:
    for condition, result in zip(node.args[:-1:2], node.args[1:-1:2], strict=True):
        value = evaluate(condition, record, variables)
        if value is UNKNOWN:
            return UNKNOWN
        if value:
            return evaluate(result, record, variables)
    return evaluate(node.args[-1], record, variables)


def _let(node: Node, record: Record, variables: dict[int, Any]) -> Any:
    for i, arg in enumerate(node.args[:-1]):
        variables[node.data + i] = evaluate(arg, record, variables)
    return evaluate(node.args[-1], record, variables)


def _variable(node: Node, record: Record, variables: dict[int, Any]) -> Any:
    return variables[node.data]


# -- the record --


def _bin(node: Node, record: Record, variables: dict[int, Any]) -> Any:
    kind, data = record.bins.get(node.data, (0, b""))
    if kind != PARTICLE_TYPES[node.kind]:
        return UNKNOWN
    if kind == ParticleType.INTEGER:
        return _I64.unpack(data)[0]
    if kind == ParticleType.DOUBLE:
        return _F64.unpack(data)[0]
    if kind == ParticleType.BOOL:
        return data != b"\0"
    if kind in (ParticleType.LIST, ParticleType.MAP):
        try:
            return decode_cdt(data)
        except WireError:
            return UNKNOWN
    return data


def _bin_type(node: Node, record: Record, variables: dict[int, Any]) -> int:
    return record.bins.get(node.data, (0, b""))[0]


def _key(node: Node, record: Record, variables: dict[int, Any]) -> Any:
    if record.key is None or record.key[0] != PARTICLE_TYPES[node.kind]:
        return UNKNOWN
    if node.kind == Kind.INT:
        return _I64.unpack(record.key[1:])[0]
    return record.key[1:]


def _digest_modulo(node: Node, record: Record, variables: dict[int, Any]) -> int:
    return int(math.fmod(int.from_bytes(record.digest[16:20], "little"), node.data))


def _set_name(node: Node, record: Record, variables: dict[int, Any]) -> bytes:
    return record.set_name.encode()


def _last_update(node: Node, record: Record, variables: dict[int, Any]) -> int:
    return (record.last_update_ms + EPOCH_S * 1000) * 1_000_000


def _since_update(node: Node, record: Record, variables: dict[int, Any]) -> int:
    return max(0, now_ms() - record.last_update_ms)


def _void_time(node: Node, record: Record, variables: dict[int, Any]) -> int:
    return (record.void_time + EPOCH_S) * 1_000_000_000 if record.void_time else -1


def _ttl(node: Node, record: Record, variables: dict[int, Any]) -> int:
    return max(0, record.void_time - now_s()) if record.void_time else -1


_SPECIAL: dict[Code, Callable[[Node, Record, dict[int, Any]], Any]] = {
    Code.UNKNOWN: lambda node, record, variables: UNKNOWN,
    Code.CONSTANT: lambda node, record, variables: node.data,
    Code.AND: _and,
    Code.OR: _or,
    Code.EXCLUSIVE: _exclusive,
    Code.COND: _cond,
    Code.LET: _let,
    Code.VAR: _variable,
    Code.BIN: _bin,
    Code.BIN_TYPE: _bin_type,
    Code.KEY: _key,
    Code.DIGEST_MODULO: _digest_modulo,
    Code.SET_NAME: _set_name,
    Code.LAST_UPDATE: _last_update,
    Code.SINCE_UPDATE: _since_update,
    Code.VOID_TIME: _void_time,
    Code.TTL: _ttl,
    Code.KEY_EXISTS: lambda node, record, variables: record.key is not None,
    Code.IS_TOMBSTONE: lambda node, record, variables: False,
    Code.RECORD_SIZE: lambda node, record, variables: record.size,
    Code.MEMORY_SIZE: lambda node, record, variables: record.size,
    Code.DEVICE_SIZE: lambda node, record, variables: 0,
}


# -- values --


def _compare(node: Node, left: Any, right: Any) -> Any:
    kind = node.args[0].kind
    if kind == Kind.NIL:
        left = right = 0
    elif kind in (Kind.LIST, Kind.MAP):
        if order.has_unordered_map(left) or order.has_unordered_map(right):
            return UNKNOWN
        left, right = order.compare(left, right), 0
    return _COMPARISONS[node.code](left, right)


_COMPARISONS: dict[Code, Callable[[Any, Any], bool]] = {
    Code.EQ: lambda a, b: a == b,
    Code.NE: lambda a, b: a != b,
    Code.GT: lambda a, b: a > b,
    Code.GE: lambda a, b: a >= b,
    Code.LT: lambda a, b: a < b,
    Code.LE: lambda a, b: a <= b,
}


def _as_element(node: Node, value: Any) -> Any:
    """Give a value the form it has inside a list or map."""
    if node.kind == Kind.STRING:
        return RawString(value)
    return HLL(value) if node.kind == Kind.HLL else value


def _in_list(node: Node, value: Any, items: list[Any]) -> bool:
    value = _as_element(node.args[0], value)
    return any(order.compare(item, value) == 0 for item in items)


def _call(node: Node, container: Any, *args: Any) -> Any:
    values = [_as_element(arg, value) for arg, value in zip(node.args[1:], args, strict=True)]
    number, path, changes = node.data
    kind = node.args[0].kind
    if kind in (Kind.BLOB, Kind.HLL):
        return _call_on_bytes(node, kind, container, values)
    if path is not None:
        number, values = _CONTEXT_EVAL, [path, [number, *values]]
    try:
        value = operate.read(container, number, values) if not changes else _changed(container, number, values)
    except CdtError:
        return UNKNOWN
    if value is NOTHING:
        return UNKNOWN
    if isinstance(value, str):
        value = value.encode()
        return value if node.kind == Kind.STRING else UNKNOWN
    wanted = _PYTHON_TYPES.get(node.kind)
    # bool is an int to Python, but not here.
    if wanted is None or not isinstance(value, wanted) or isinstance(value, bool) != (node.kind == Kind.BOOL):
        return UNKNOWN
    return value


def _call_on_bytes(node: Node, kind: Kind, data: bytes, args: list[Any]) -> Any:
    """Call an operation on bits or on a HyperLogLog."""
    number, path, changes = node.data
    if path is not None:
        return UNKNOWN
    particle, request = (int(PARTICLE_TYPES[kind]), data), encode_cdt([number, *args])
    try:
        if kind == Kind.BLOB:
            result = modify_bits(particle, request) if changes else read_bits(particle, request)
        else:
            result = modify_hll(particle, request)[0] if changes else read_hll(particle, request)
    except CdtError:
        return UNKNOWN
    if result is None or result[0] != PARTICLE_TYPES[node.kind]:
        return UNKNOWN
    value = decode_particle(*result)
    return bytes(value) if isinstance(value, bytes) else value


def _changed(container: Any, number: int, values: list[Any]) -> Any:
    changed, _ = operate.modify(container, number, values)
    return container if changed is None else changed


_CONTEXT_EVAL = 0xFF

_PYTHON_TYPES: dict[Kind, Any] = {
    Kind.BOOL: bool,
    Kind.INT: int,
    Kind.FLOAT: float,
    Kind.STRING: bytes,
    Kind.BLOB: bytes,
    Kind.LIST: list,
    Kind.MAP: (dict, tuple),
}


def _sum(node: Node, first: Any, *rest: Any) -> Any:
    for value in rest:
        first = first + value
    return wrap(first) if node.kind == Kind.INT else first


def _difference(node: Node, first: Any, *rest: Any) -> Any:
    if not rest:
        return wrap(-first) if node.kind == Kind.INT else 0.0 - first
    for value in rest:
        first = first - value
    return wrap(first) if node.kind == Kind.INT else first


def _product(node: Node, first: Any, *rest: Any) -> Any:
    for value in rest:
        first = first * value
        if node.kind == Kind.INT:
            first = wrap(first)
    return first


def _quotient(node: Node, first: Any, *rest: Any) -> Any:
    if not rest:
        first, rest = (1 if node.kind == Kind.INT else 1.0), (first,)
    divisor: Any = 1 if node.kind == Kind.INT else 1.0
    for value in rest:
        divisor = divisor * value
    if node.kind == Kind.INT:
        divisor = wrap(divisor)
        return UNKNOWN if divisor == 0 else wrap(truncated(first, divisor))
    return float_divide(first, divisor)


def truncated(left: int, right: int) -> int:
    """Divide towards zero."""
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def float_divide(left: float, right: float) -> float:
    """Divide as the processor does: never an error."""
    if right != 0.0:
        return left / right
    if left == 0.0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def _power(node: Node, base: float, exponent: float) -> float:
    try:
        value: Any = base**exponent
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    except ZeroDivisionError:
        return -math.inf if math.copysign(1.0, base) < 0 and exponent % 2 == 1 else math.inf
    return math.nan if isinstance(value, complex) else float(value)


def _natural_log(value: float) -> float:
    if value > 0:
        return math.log(value)
    return -math.inf if value == 0 else math.nan


def _log(node: Node, value: float, base: float) -> float:
    return float_divide(_natural_log(value), _natural_log(base))


def _modulo(node: Node, left: int, right: int) -> Any:
    return UNKNOWN if right == 0 else left - right * truncated(left, right)


def _round(function: Callable[[float], int]) -> Callable[[Node, float], float]:
    def rounded(node: Node, value: float) -> float:
        return math.copysign(float(function(value)), value) if math.isfinite(value) else value

    return rounded


def _to_int(node: Node, value: float) -> int:
    # Out of range the processor gives the smallest integer.
    return int(value) if -(2.0**63) <= value < 2.0**63 else -(1 << 63)


def _unsigned(value: int) -> int:
    return value & 0xFFFFFFFFFFFFFFFF


def _left_scan(node: Node, value: int, wanted: bool) -> int:
    bits = _unsigned(value if wanted else ~value)
    return 64 - bits.bit_length() if bits else -1


def _right_scan(node: Node, value: int, wanted: bool) -> int:
    bits = _unsigned(value if wanted else ~value)
    return 64 - (bits & -bits).bit_length() if bits else -1


def _bits(operation: Callable[[int, int], int]) -> Callable[..., int]:
    def combined(node: Node, first: int, *rest: int) -> int:
        for value in rest:
            first = operation(first, value)
        return first

    return combined


def _extreme(is_better: Callable[[Any, Any], bool]) -> Callable[..., Any]:
    def chosen(node: Node, first: Any, *rest: Any) -> Any:
        for value in rest:
            if is_better(value, first):
                first = value
        return first

    return chosen


_PLAIN: dict[Code, Callable[..., Any]] = {
    **dict.fromkeys(_COMPARISONS, _compare),
    Code.REGEX: lambda node, text: node.data.search(text),
    Code.IN_LIST: _in_list,
    Code.NOT: lambda node, value: not value,
    Code.ADD: _sum,
    Code.SUB: _difference,
    Code.MUL: _product,
    Code.DIV: _quotient,
    Code.POW: _power,
    Code.LOG: _log,
    Code.MOD: _modulo,
    Code.ABS: lambda node, value: wrap(abs(value)) if node.kind == Kind.INT else abs(value),
    Code.FLOOR: _round(math.floor),
    Code.CEIL: _round(math.ceil),
    Code.TO_INT: _to_int,
    Code.TO_FLOAT: lambda node, value: float(value),
    Code.INT_AND: _bits(lambda a, b: a & b),
    Code.INT_OR: _bits(lambda a, b: a | b),
    Code.INT_XOR: _bits(lambda a, b: a ^ b),
    Code.INT_NOT: lambda node, value: ~value,
    # Shifts count modulo 64, as the processor does.
    Code.LSHIFT: lambda node, value, n: wrap(value << (n & 63)),
    Code.RSHIFT: lambda node, value, n: wrap(_unsigned(value) >> (n & 63)),
    Code.ARSHIFT: lambda node, value, n: value >> (n & 63),
    Code.BIT_COUNT: lambda node, value: _unsigned(value).bit_count(),
    Code.LSCAN: _left_scan,
    Code.RSCAN: _right_scan,
    Code.MIN: _extreme(lambda a, b: a < b),
    Code.MAX: _extreme(lambda a, b: a > b),
    Code.CALL: _call,
}

"""Commands on one record: read, write, touch, delete, with their policies.

Single commands and the rows of a batch are the same thing here: a `Command` goes in, an `Answer` comes out. What this
server cannot do is refused with UNSUPPORTED_FEATURE and a line in the log, before anything is changed.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aerospike_magic.devserver.cdt.operate import modify_bin, read_bin
from aerospike_magic.devserver.cdt.results import CdtError, UnsupportedCall
from aerospike_magic.devserver.journal import NotStored
from aerospike_magic.devserver.store import Bin, Namespace, Record, encode_op, now_ms, now_s
from aerospike_magic.wire.message import Info1, Info2, Info3, Op, OpType, ResultCode
from aerospike_magic.wire.particle_type import ParticleType

log = logging.getLogger(__name__)

MAX_RECORD_SIZE = 1 << 20
MAX_BIN_NAME = 15
TTL_NEVER = 0xFFFFFFFF
TTL_KEEP = 0xFFFFFFFE

# Plain integers: an IntFlag costs a microsecond at each test, and these are tested for every record.
_READ, _GET_ALL, _GET_NO_BINS = int(Info1.READ), int(Info1.GET_ALL), int(Info1.GET_NO_BINS)
_WRITE, _DELETE, _DURABLE_DELETE = int(Info2.WRITE), int(Info2.DELETE), int(Info2.DURABLE_DELETE)
_GENERATION, _GENERATION_GT = int(Info2.GENERATION), int(Info2.GENERATION_GT)
_CREATE_ONLY, _RESPOND_ALL = int(Info2.CREATE_ONLY), int(Info2.RESPOND_ALL_OPS)
_REPLACES = int(Info3.CREATE_OR_REPLACE | Info3.REPLACE_ONLY)
_MUST_EXIST = int(Info3.UPDATE_ONLY | Info3.REPLACE_ONLY)

Filter = Callable[[Record], bool]
_NULL: Bin = (0, b"")
_I64 = struct.Struct(">q")
_F64 = struct.Struct(">d")
WRITES = frozenset(
    (OpType.WRITE, OpType.INCR, OpType.APPEND, OpType.PREPEND, OpType.TOUCH, OpType.DELETE_ALL, OpType.CDT_MODIFY)
)
_READS = (OpType.READ, OpType.CDT_READ)


@dataclass(frozen=True, slots=True)
class Command:
    """One record command, wherever it came from.

    `ttl_s` and `generation` are as on the wire; `matches` is the filter expression or None.
    """

    set_name: str
    digest: bytes
    info1: int
    info2: int
    info3: int
    generation: int
    ttl_s: int
    key: bytes | None
    ops: Sequence[Op]
    matches: Filter | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command came to; `ops` are encoded, `n_ops` of them."""

    code: int
    generation: int = 0
    void_time: int = 0
    ops: bytes = b""
    n_ops: int = 0


class Refused(Exception):
    """Ends a command with a result code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def run_command(namespace: Namespace, command: Command) -> Answer:
    """Run one record command.

    Args:
        namespace: where.
        command: what.

    Returns:
        the answer; errors are result codes in it.
    """
    with namespace.lock:
        offset = namespace.find(command.digest)
        record = namespace.record(offset) if offset >= 0 else None
        try:
            if not command.info2 & _WRITE:
                return _read(command, record)
            if command.info2 & _DELETE:
                return _delete(namespace, command, record)
            return _write(namespace, command, record)
        except NotStored:
            return Answer(ResultCode.OUT_OF_SPACE)
        except Refused as refused:
            if record is None:
                return Answer(refused.code)
            return Answer(refused.code, record.generation, record.void_time)


def _read(command: Command, record: Record | None) -> Answer:
    if record is None:
        return Answer(ResultCode.NOT_FOUND)
    _check_filter(command, record)
    if command.info1 & _GET_NO_BINS:
        return Answer(0, record.generation, record.void_time)
    if command.info1 & _GET_ALL:
        ops = [encode_op(OpType.READ, name, *particle) for name, particle in record.bins.items()]
    else:
        if not command.ops:
            raise Refused(ResultCode.PARAMETER)
        ops = []
        for op in command.ops:
            _answer_read(command, record, op, ops)
    return Answer(0, record.generation, record.void_time, b"".join(ops), len(ops))


def _answer_read(command: Command, record: Record, op: Op, ops: list[bytes]) -> None:
    if op.type not in _READS:
        raise _unsupported(op)
    name = op.name.encode()
    found = record.bins.get(name)
    value = _read_value(op, found) if found is not None else _NULL
    if value is not _NULL or command.info2 & _RESPOND_ALL:
        ops.append(encode_op(op.type, name, *value))


def _read_value(op: Op, particle: Bin) -> Bin:
    if op.type == OpType.READ:
        return particle
    try:
        return read_bin(particle, bytes(op.data)) or _NULL
    except CdtError as error:
        raise Refused(error.code) from None
    except UnsupportedCall:
        raise _unsupported(op) from None


def _delete(namespace: Namespace, command: Command, record: Record | None) -> Answer:
    if record is None:
        return Answer(ResultCode.NOT_FOUND)
    _check_generation(command, record)
    _check_filter(command, record)
    if command.info2 & _DURABLE_DELETE:
        raise Refused(ResultCode.ENTERPRISE_ONLY)
    namespace.remove(command.digest)
    return Answer(0)


def _write(namespace: Namespace, command: Command, record: Record | None) -> Answer:
    _check_write(command, record)
    replaces = bool(command.info3 & _REPLACES)
    bins: dict[bytes, Bin] = {} if record is None or replaces else dict(record.bins)
    answered: list[bytes] = []
    for op in command.ops:
        _apply(command, bins, op, answered)
    if not bins:
        if record is None:
            raise Refused(ResultCode.NOT_FOUND)
        namespace.remove(command.digest)
        return Answer(0, ops=b"".join(answered), n_ops=len(answered))
    key = command.key if command.key is not None else record.key if record else None
    generation = record.generation % 0xFFFF + 1 if record else 1
    written = Record(
        command.digest,
        record.set_name if record else command.set_name,
        generation,
        _void_time(command.ttl_s, record),
        now_ms(),
        key,
        bins,
    )
    if sum(len(data) + len(name) + 8 for name, (_, data) in bins.items()) > MAX_RECORD_SIZE:
        raise Refused(ResultCode.RECORD_TOO_BIG)
    namespace.put(written)
    return Answer(0, generation, written.void_time, b"".join(answered), len(answered))


def _check_write(command: Command, record: Record | None) -> None:
    if not command.ops:
        raise Refused(ResultCode.PARAMETER)
    replaces = command.info3 & _REPLACES
    must_exist = bool(command.info3 & _MUST_EXIST)
    for op in command.ops:
        if op.type == OpType.TOUCH:
            must_exist = True
        if len(op.name.encode()) > MAX_BIN_NAME:
            raise Refused(ResultCode.BIN_NAME)
        if op.type in _READS:
            if not command.info1 & _READ:
                raise Refused(ResultCode.PARAMETER)
        elif op.type not in WRITES:
            raise _unsupported(op)
        elif replaces and (op.type != OpType.WRITE or op.particle_type == 0):
            raise Refused(ResultCode.PARAMETER)
    if record is None:
        if must_exist:
            raise Refused(ResultCode.NOT_FOUND)
        if command.info2 & _GENERATION and command.generation != 0:
            raise Refused(ResultCode.GENERATION)
        return
    if command.info2 & _CREATE_ONLY:
        raise Refused(ResultCode.RECORD_EXISTS)
    _check_generation(command, record)
    _check_filter(command, record)
    if command.key is not None and record.key is not None and command.key != record.key:
        raise Refused(ResultCode.KEY_MISMATCH)


def _check_generation(command: Command, record: Record) -> None:
    if command.info2 & _GENERATION and command.generation != record.generation:
        raise Refused(ResultCode.GENERATION)
    if command.info2 & _GENERATION_GT and command.generation <= record.generation:
        raise Refused(ResultCode.GENERATION)


def _check_filter(command: Command, record: Record) -> None:
    if command.matches is not None and not command.matches(record):
        raise Refused(ResultCode.FILTERED_OUT)


def _apply(command: Command, bins: dict[bytes, Bin], op: Op, answered: list[bytes]) -> None:
    name = op.name.encode()
    respond_all = bool(command.info2 & _RESPOND_ALL)
    if op.type == OpType.TOUCH:
        return
    if op.type == OpType.READ:
        if not name:
            answered.extend(encode_op(OpType.READ, n, *particle) for n, particle in bins.items())
        elif name in bins:
            answered.append(encode_op(OpType.READ, name, *bins[name]))
        elif respond_all:
            answered.append(encode_op(OpType.READ, name, 0, b""))
        return
    if op.type in (OpType.CDT_READ, OpType.CDT_MODIFY):
        _apply_cdt(respond_all, bins, op, answered)
        return
    if op.type == OpType.DELETE_ALL:
        bins.clear()
    elif op.type == OpType.WRITE:
        if op.particle_type == 0:
            bins.pop(name, None)
        else:
            bins[name] = _particle(op)
    else:
        bins[name] = _modify(bins.get(name), op)
    if respond_all:
        answered.append(encode_op(op.type, name, 0, b""))


def _apply_cdt(respond_all: bool, bins: dict[bytes, Bin], op: Op, answered: list[bytes]) -> None:
    name = op.name.encode()
    found = bins.get(name)
    if op.type == OpType.CDT_READ:
        if found is not None or respond_all:
            answered.append(encode_op(op.type, name, *(_read_value(op, found) if found is not None else _NULL)))
        return
    try:
        changed, result = modify_bin(found, bytes(op.data))
    except CdtError as error:
        raise Refused(error.code) from None
    except UnsupportedCall:
        raise _unsupported(op) from None
    if changed is not None:
        bins[name] = changed
    if result is not None or respond_all:
        answered.append(encode_op(op.type, name, *(result or _NULL)))


def _particle(op: Op) -> Bin:
    """Bring a written particle to the form in which it is stored."""
    kind, data = op.particle_type, bytes(op.data)
    if kind == ParticleType.INTEGER:
        if len(data) not in (1, 2, 4, 8):
            raise Refused(ResultCode.PARAMETER)
        return kind, _I64.pack(int.from_bytes(data, "big", signed=len(data) == 8))
    if (kind == ParticleType.DOUBLE and len(data) != 8) or (kind == ParticleType.BOOL and len(data) != 1):
        raise Refused(ResultCode.PARAMETER)
    return kind, data


def _modify(old: Bin | None, op: Op) -> Bin:
    kind, data = _particle(op)
    if op.type == OpType.INCR:
        if kind not in (ParticleType.INTEGER, ParticleType.DOUBLE):
            raise Refused(ResultCode.PARAMETER)
        if old is None:
            return kind, data
        if old[0] != kind:
            raise Refused(ResultCode.INCOMPATIBLE_TYPE)
        if kind == ParticleType.DOUBLE:
            return kind, _F64.pack(_F64.unpack(old[1])[0] + _F64.unpack(data)[0])
        total = _I64.unpack(old[1])[0] + _I64.unpack(data)[0]
        return kind, (total & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big")
    if kind not in (ParticleType.STRING, ParticleType.BLOB):
        raise Refused(ResultCode.PARAMETER)
    if old is None:
        return kind, data
    if old[0] != kind:
        raise Refused(ResultCode.INCOMPATIBLE_TYPE)
    return kind, old[1] + data if op.type == OpType.APPEND else data + old[1]


def _void_time(ttl_s: int, record: Record | None) -> int:
    if ttl_s == TTL_KEEP and record is not None:
        return record.void_time
    if ttl_s in (0, TTL_NEVER, TTL_KEEP):
        return 0
    return now_s() + ttl_s


def _unsupported(op: Op) -> Refused:
    log.warning("refused: operation type %d on bin %r is not supported yet", op.type, op.name)
    return Refused(ResultCode.UNSUPPORTED_FEATURE)

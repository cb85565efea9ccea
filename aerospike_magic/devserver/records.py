"""Commands on one record: read, write, touch, delete, with their policies.

Single commands and the rows of a batch are the same thing here: a `Command` goes in, an `Answer` comes out. What this
server cannot do is refused with UNSUPPORTED_FEATURE and a line in the log, before anything is changed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aerospike_magic.devserver.journal import NotStored
from aerospike_magic.devserver.operations import READS, WRITES, Operations, Refused, read_operation, unsupported
from aerospike_magic.devserver.record_size import is_too_big
from aerospike_magic.devserver.store import Namespace, Record, encode_op, now_ms, now_s
from aerospike_magic.wire.message import Info1, Info2, Info3, Op, OpType, ResultCode

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
            if op.type not in READS:
                raise unsupported(op)
            result = read_operation(record, op)
            if result is not None or command.info2 & _RESPOND_ALL:
                ops.append(encode_op(op.type, op.name.encode(), *(result or (0, b""))))
    return Answer(0, record.generation, record.void_time, b"".join(ops), len(ops))


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
    if record is None:
        seen = Record(command.digest, command.set_name, 0, 0, 0, command.key, {})
    else:
        seen = dataclasses.replace(record, bins={} if replaces else dict(record.bins))
    operations = Operations(seen, bool(command.info2 & _RESPOND_ALL))
    for op in command.ops:
        operations.apply(op)
    bins, answered = seen.bins, operations.answers
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
    if is_too_big(namespace.max_record_size, written.set_name, key, written.void_time, bins):
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
        if op.type in READS:
            if not command.info1 & _READ:
                raise Refused(ResultCode.PARAMETER)
        elif op.type not in WRITES:
            raise unsupported(op)
        elif replaces and op.type != OpType.EXP_MODIFY and (op.type != OpType.WRITE or op.particle_type == 0):
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


def _void_time(ttl_s: int, record: Record | None) -> int:
    if ttl_s == TTL_KEEP and record is not None:
        return record.void_time
    if ttl_s in (0, TTL_NEVER, TTL_KEEP):
        return 0
    return now_s() + ttl_s

"""Operations on the bins of one record: what they read, what they leave, what they answer.

What this server cannot do is refused with UNSUPPORTED_FEATURE and a line in the log.

Source: Aerospike server, as/src/transaction/write.c (`write_master_bin_ops_loop`), rw_utils.c (`process_bin_read_op`),
as/src/base/particle.c.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aerospike_magic.devserver.bits import modify_bits, read_bits
from aerospike_magic.devserver.cdt.operate import modify_bin, read_bin
from aerospike_magic.devserver.cdt.results import CdtError, UnsupportedCall
from aerospike_magic.devserver.cdt.settle import settle
from aerospike_magic.devserver.expression_operations import read_expression, write_expression
from aerospike_magic.devserver.geojson import stored_geojson
from aerospike_magic.devserver.hll import check_sketch, modify_hll, read_hll
from aerospike_magic.devserver.store import Bin, Record, encode_op
from aerospike_magic.wire.message import Op, OpType, ResultCode
from aerospike_magic.wire.particle_type import ParticleType

log = logging.getLogger(__name__)

READS = frozenset((OpType.READ, OpType.CDT_READ, OpType.BITS_READ, OpType.HLL_READ, OpType.EXP_READ))
"""Operations that change nothing."""

WRITES = frozenset(
    (
        OpType.WRITE,
        OpType.INCR,
        OpType.APPEND,
        OpType.PREPEND,
        OpType.TOUCH,
        OpType.DELETE_ALL,
        OpType.CDT_MODIFY,
        OpType.BITS_MODIFY,
        OpType.HLL_MODIFY,
        OpType.EXP_MODIFY,
    )
)
"""Operations that may change something."""

_NULL: Bin = (0, b"")
_WRITABLE = frozenset(ParticleType) - {ParticleType.NULL}
_I64 = struct.Struct(">q")
_F64 = struct.Struct(">d")


class Refused(Exception):
    """Ends a command with a result code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def unsupported(op: Op) -> Refused:
    """The refusal of an operation that a real server has and this one does not; it is logged."""
    log.warning("refused: operation type %d on bin %r is not supported yet", op.type, op.name)
    return Refused(ResultCode.UNSUPPORTED_FEATURE)


def read_operation(record: Record, op: Op) -> Bin | None:
    """Run an operation that changes nothing.

    Args:
        record: on which.
        op: one of `READS`.

    Returns:
        the result as a particle, None if there is none.

    Raises:
        Refused: it fails.
    """
    if op.type == OpType.EXP_READ:
        with _refusing(op):
            return read_expression(record, bytes(op.data))
    particle = record.bins.get(op.name.encode())
    if particle is None or op.type == OpType.READ:
        return particle
    with _refusing(op):
        return _READERS[op.type](particle, bytes(op.data))


class Operations:
    """Operations on a record, one after another, each seeing what those before have left.

    Args:
        record: the record, its bins a dict to be changed.
        respond_all: whether each operation answers, not only those with a result.

    Attributes:
        answers: encoded answers.
    """

    def __init__(self, record: Record, respond_all: bool) -> None:
        self._record = record
        self._bins = record.bins
        self._respond_all = respond_all
        self.answers: list[bytes] = []

    def apply(self, op: Op) -> None:
        """Run an operation.

        Raises:
            Refused: it fails; the record is then to be left as it was.
        """
        if op.type == OpType.TOUCH:
            return
        if op.type in READS:
            self._read(op)
            return
        name = op.name.encode()
        result: Bin | None = None
        if op.type in _MODIFIERS:
            result = self._call(op, name)
        elif op.type == OpType.DELETE_ALL:
            self._bins.clear()
        elif op.type == OpType.EXP_MODIFY:
            with _refusing(op):
                self._put(name, write_expression(self._bins.get(name), self._record, bytes(op.data)))
        elif op.type == OpType.WRITE:
            self._put(name, stored_particle(op) if op.particle_type else None)
        else:
            self._bins[name] = _modify(self._bins.get(name), op)
        if result is not None or self._respond_all:
            self._answer(op, name, result)

    def _read(self, op: Op) -> None:
        name = op.name.encode()
        if op.type == OpType.READ and not name:
            self.answers += [encode_op(OpType.READ, n, *particle) for n, particle in self._bins.items()]
            return
        # A call on a bin that is there answers even without a result, and so does every expression.
        is_heard = op.type == OpType.EXP_READ or name in self._bins
        result = read_operation(self._record, op)
        if is_heard or self._respond_all:
            self._answer(op, name, result)

    def _call(self, op: Op, name: bytes) -> Bin | None:
        with _refusing(op):
            changed, result = _MODIFIERS[op.type](self._bins.get(name), bytes(op.data))
        if changed is not None:
            self._bins[name] = changed
        return result

    def _put(self, name: bytes, particle: Bin | None) -> None:
        if particle is None:
            self._bins.pop(name, None)
        else:
            self._bins[name] = particle

    def _answer(self, op: Op, name: bytes, result: Bin | None) -> None:
        self.answers.append(encode_op(op.type, name, *(result or _NULL)))


def stored_particle(op: Op) -> Bin:
    """Bring a written particle to the form in which it is stored.

    Raises:
        Refused: its type or its bytes are wrong.
    """
    kind, data = op.particle_type, bytes(op.data)
    if kind in (ParticleType.STRING, ParticleType.BLOB):
        return kind, data
    if kind == ParticleType.INTEGER:
        if len(data) not in (1, 2, 4, 8):
            raise Refused(ResultCode.PARAMETER)
        return kind, _I64.pack(int.from_bytes(data, "big", signed=len(data) == 8))
    if kind in (ParticleType.LIST, ParticleType.MAP):
        with _refusing(op):
            return kind, settle(kind, data)
    if kind == ParticleType.GEOJSON:
        with _refusing(op):
            return kind, stored_geojson(data)
    if kind == ParticleType.HLL:
        with _refusing(op):
            check_sketch(data)
    if (
        kind not in _WRITABLE
        or (kind == ParticleType.DOUBLE and len(data) != 8)
        or (kind == ParticleType.BOOL and data not in (b"\0", b"\1"))
    ):
        raise Refused(ResultCode.PARAMETER)
    return kind, data


def _modify(old: Bin | None, op: Op) -> Bin:
    if old is None:
        # To add to nothing is to write, whatever the value.
        return stored_particle(op)
    kind, data = op.particle_type, bytes(op.data)
    if kind not in _WRITABLE:
        raise Refused(ResultCode.PARAMETER)
    if kind != old[0]:
        raise Refused(ResultCode.INCOMPATIBLE_TYPE)
    if op.type != OpType.INCR:
        if kind not in (ParticleType.STRING, ParticleType.BLOB):
            raise Refused(ResultCode.INCOMPATIBLE_TYPE)
        return kind, old[1] + data if op.type == OpType.APPEND else data + old[1]
    if kind not in (ParticleType.INTEGER, ParticleType.DOUBLE):
        raise Refused(ResultCode.INCOMPATIBLE_TYPE)
    data = stored_particle(op)[1]
    if kind == ParticleType.DOUBLE:
        return kind, _F64.pack(_F64.unpack(old[1])[0] + _F64.unpack(data)[0])
    total = _I64.unpack(old[1])[0] + _I64.unpack(data)[0]
    return kind, (total & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big")


@contextmanager
def _refusing(op: Op) -> Iterator[None]:
    """Turn the errors of calls into refusals."""
    if op.type in (OpType.BITS_READ, OpType.BITS_MODIFY) and op.particle_type != ParticleType.BLOB:
        raise Refused(ResultCode.INCOMPATIBLE_TYPE)
    try:
        yield
    except CdtError as error:
        raise Refused(error.code) from None
    except UnsupportedCall:
        raise unsupported(op) from None


def _modify_bits(particle: Bin | None, request: bytes) -> tuple[Bin | None, Bin | None]:
    return modify_bits(particle, request), None


_READERS: dict[int, Callable[[Bin, bytes], Bin | None]] = {
    OpType.CDT_READ: read_bin,
    OpType.BITS_READ: read_bits,
    OpType.HLL_READ: read_hll,
}
"""Calls that change nothing: from a bin to the result."""

_MODIFIERS: dict[int, Callable[[Bin | None, bytes], tuple[Bin | None, Bin | None]]] = {
    OpType.CDT_MODIFY: modify_bin,
    OpType.BITS_MODIFY: _modify_bits,
    OpType.HLL_MODIFY: modify_hll,
}
"""Calls that may change a bin: from it to the bin afterwards and the result."""

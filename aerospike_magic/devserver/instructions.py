"""The instructions of filter expressions, and what they yield.

Source: Aerospike server, as/src/base/exp.c (`exp_op_code`, `result_type`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from aerospike_magic.wire.message import ResultCode
from aerospike_magic.wire.particle_type import ParticleType


class ExpressionError(Exception):
    """An expression that the server refuses, with its result code."""

    def __init__(self, message: str, code: int = ResultCode.PARAMETER) -> None:
        super().__init__(message)
        self.code = code


class Kind(IntEnum):
    """What a node yields."""

    NIL = 0
    BOOL = 1
    INT = 2
    STRING = 3
    LIST = 4
    MAP = 5
    BLOB = 6
    FLOAT = 7
    GEOJSON = 8
    HLL = 9


PARTICLE_TYPES = {
    Kind.NIL: ParticleType.NULL,
    Kind.BOOL: ParticleType.BOOL,
    Kind.INT: ParticleType.INTEGER,
    Kind.STRING: ParticleType.STRING,
    Kind.LIST: ParticleType.LIST,
    Kind.MAP: ParticleType.MAP,
    Kind.BLOB: ParticleType.BLOB,
    Kind.FLOAT: ParticleType.DOUBLE,
    Kind.GEOJSON: ParticleType.GEOJSON,
    Kind.HLL: ParticleType.HLL,
}


class Code(IntEnum):
    """Instructions; the last two are not on the wire."""

    UNKNOWN = 0
    EQ = 1
    NE = 2
    GT = 3
    GE = 4
    LT = 5
    LE = 6
    REGEX = 7
    GEO = 8
    IN_LIST = 9
    AND = 16
    OR = 17
    NOT = 18
    EXCLUSIVE = 19
    ADD = 20
    SUB = 21
    MUL = 22
    DIV = 23
    POW = 24
    LOG = 25
    MOD = 26
    ABS = 27
    FLOOR = 28
    CEIL = 29
    TO_INT = 30
    TO_FLOAT = 31
    INT_AND = 32
    INT_OR = 33
    INT_XOR = 34
    INT_NOT = 35
    LSHIFT = 36
    RSHIFT = 37
    ARSHIFT = 38
    BIT_COUNT = 39
    LSCAN = 40
    RSCAN = 41
    MIN = 50
    MAX = 51
    DIGEST_MODULO = 64
    DEVICE_SIZE = 65
    LAST_UPDATE = 66
    SINCE_UPDATE = 67
    VOID_TIME = 68
    TTL = 69
    SET_NAME = 70
    KEY_EXISTS = 71
    IS_TOMBSTONE = 72
    MEMORY_SIZE = 73
    RECORD_SIZE = 74
    KEY = 80
    BIN = 81
    BIN_TYPE = 82
    COND = 123
    VAR = 124
    LET = 125
    QUOTE = 126
    CALL = 127
    CONSTANT = 200


@dataclass(frozen=True, slots=True)
class Node:
    """One instruction: what it is, what it yields, its arguments, and what else it needs (`data`).

    `data` is the value of a CONSTANT, the name (bytes) of a BIN or BIN_TYPE, the compiled pattern of a REGEX, the
    divisor of a DIGEST_MODULO, the slot of a VAR, the first slot of a LET, the operation of a CALL, whose first
    argument is the list or map.
    """

    code: Code
    kind: Kind
    args: tuple[Node, ...] = ()
    data: Any = None

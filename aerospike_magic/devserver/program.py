"""Compiles filter expressions to programs that `kernels.program` runs.

Everything over scalars is compiled; lists, maps and what is nested in them stay with the reference evaluator. Of a
conjunction the compilable parts run first and the reference sees what is left, which is exact: a conjunction is true
only where each part is.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from aerospike_magic.devserver.arena import Arena
from aerospike_magic.devserver.evaluate import Expression
from aerospike_magic.devserver.instructions import PARTICLE_TYPES, Code, Kind, Node
from aerospike_magic.devserver.kernels import opcodes as op
from aerospike_magic.devserver.kernels.program import run_program
from aerospike_magic.devserver.posix_regex import PosixRegex
from aerospike_magic.devserver.store import Namespace, now_ms

Offsets = npt.NDArray[np.int64]


class Matcher(Protocol):
    """A filter over offsets."""

    def select(self, namespace: Namespace, arena: Arena, offsets: Offsets) -> Offsets:
        """Return the offsets of the records that match, in order."""


class CannotCompile(Exception):
    """A part that only the reference evaluator has."""


@dataclass(frozen=True, slots=True)
class ReferenceMatcher:
    """Filters record by record with the reference evaluator."""

    expression: Expression

    def select(self, namespace: Namespace, arena: Arena, offsets: Offsets) -> Offsets:
        """Return the offsets of the records that match, in order."""
        matches = self.expression.matches
        return np.array([at for at in offsets.tolist() if matches(namespace.record(at, arena))], np.int64)


@dataclass(frozen=True, slots=True)
class BothMatcher:
    """Filters with one matcher and then another."""

    first: Matcher
    second: Matcher

    def select(self, namespace: Namespace, arena: Arena, offsets: Offsets) -> Offsets:
        """Return the offsets of the records that match both, in order."""
        return self.second.select(namespace, arena, self.first.select(namespace, arena, offsets))


def make_matcher(expression: Expression) -> Matcher:
    """Return the fastest matcher for a filter."""
    root = expression.root
    parts = root.args if root.code == Code.AND else (root,)
    compiled, left = [], []
    for part in parts:
        try:
            Program((part,))
            compiled.append(part)
        except CannotCompile:
            left.append(part)
    if not compiled:
        return ReferenceMatcher(expression)
    program = Program(tuple(compiled))
    return BothMatcher(program, ReferenceMatcher(expression)) if left else program


class Program:
    """A compiled filter.

    Args:
        parts: booleans that must all be true.

    Raises:
        CannotCompile: one of them has a part that is not over scalars.
    """

    def __init__(self, parts: Sequence[Node]) -> None:
        self._code: list[tuple[int, int, int, int]] = []
        self._pool = bytearray()
        self._regexes: list[PosixRegex] = []
        self._n_variables = 0
        self._depth = self._deepest = 0
        self._fold(parts, op.AND, op.JUMP_FALSE)
        self._rows = np.array(self._code, np.int64).reshape(-1, 4)
        addresses = [regex.address for regex in self._regexes]
        self._patterns = np.array([PosixRegex.search_address(), *addresses], np.int64)
        self._n_slots = max(self._deepest, self._n_variables) + 1

    def select(self, namespace: Namespace, arena: Arena, offsets: Offsets) -> Offsets:
        """Return the offsets of the records that match, in order."""
        names = [state.name.encode() for state in list(namespace.sets)]
        pool = np.frombuffer(bytes(self._pool) + b"".join(names), np.uint8)
        sizes = np.array([0, *map(len, names)], np.int64)
        kept = np.empty(len(offsets), np.int64)
        n = run_program(
            self._rows,
            pool,
            self._patterns,
            np.cumsum(sizes) + len(self._pool),
            self._n_slots,
            arena.bytes,
            arena.words16,
            arena.words32,
            arena.words64,
            namespace.digest_at,
            now_ms(),
            np.ascontiguousarray(offsets),
            kept,
        )
        return kept[:n]

    # -- emitting --

    def _emit(self, what: int, a: int = 0, b: int = 0, c: int = 0, grows: int = 0) -> int:
        self._code.append((what, a, b, c))
        self._depth += grows
        self._deepest = max(self._deepest, self._depth)
        return len(self._code) - 1

    def _patch(self, place: int, target: int, second: int | None = None) -> None:
        what, _, b, c = self._code[place]
        self._code[place] = (what, target, b if second is None else second, c)

    def _text(self, data: bytes) -> tuple[int, int]:
        start = len(self._pool)
        self._pool += data
        return start, start + len(data)

    def _fold(self, args: Sequence[Node], what: int, jump: int) -> None:
        jumps = []
        self._node(args[0])
        for arg in args[1:]:
            jumps.append(self._emit(jump))
            self._node(arg)
            self._emit(what, grows=-1)
        for place in jumps:
            self._patch(place, len(self._code))

    def _node(self, node: Node) -> None:
        if node.code == Code.CONSTANT:
            self._constant(node)
        elif node.code in (Code.IS_TOMBSTONE, Code.DEVICE_SIZE):
            self._emit(op.PUSH_INT, 0, grows=1)
        elif node.code in _LEAVES:
            self._leaf(node)
        elif node.code in (Code.AND, Code.OR):
            is_and = node.code == Code.AND
            self._fold(node.args, op.AND if is_and else op.OR, op.JUMP_FALSE if is_and else op.JUMP_TRUE)
        elif Code.EQ <= node.code <= Code.LE:
            self._comparison(node)
        elif node.code == Code.EXCLUSIVE:
            self._exclusive(node)
        elif node.code == Code.COND:
            self._cond(node)
        elif node.code == Code.LET:
            self._let(node)
        elif node.code == Code.DIV:
            self._division(node)
        elif node.code in _UNARY:
            self._node(node.args[0])
            whole, real = _UNARY[node.code]
            self._emit(whole if node.args[0].kind != Kind.FLOAT else real)
        elif node.code in _BINARY:
            self._arithmetic(node)
        elif node.code == Code.REGEX:
            self._node(node.args[0])
            self._regexes.append(node.data)
            self._emit(op.REGEX, len(self._regexes) - 1)
        else:
            raise CannotCompile(node.code)

    def _constant(self, node: Node) -> None:
        if node.kind in (Kind.INT, Kind.BOOL):
            self._emit(op.PUSH_INT, int(node.data), grows=1)
        elif node.kind == Kind.FLOAT:
            self._emit(op.PUSH_FLOAT, struct.unpack(">q", struct.pack(">d", node.data))[0], grows=1)
        elif node.kind in (Kind.STRING, Kind.BLOB):
            start, end = self._text(node.data)
            self._emit(op.PUSH_BYTES, start, end - start, grows=1)
        else:
            raise CannotCompile(node.kind)

    def _leaf(self, node: Node) -> None:
        a = b = c = 0
        if node.code in (Code.BIN, Code.BIN_TYPE):
            a, b = self._text(node.data)
        if node.code in (Code.BIN, Code.KEY) and node.kind not in _SCALARS:
            raise CannotCompile(node.kind)
        if node.code == Code.BIN:
            c = PARTICLE_TYPES[node.kind]
        elif node.code == Code.KEY:
            a = PARTICLE_TYPES[node.kind]
        elif node.code in (Code.DIGEST_MODULO, Code.VAR):
            a = node.data
        self._emit(_LEAVES[node.code], a, b, c, grows=1)

    def _comparison(self, node: Node) -> None:
        kind = node.args[0].kind
        if kind not in _SCALARS:
            raise CannotCompile(kind)
        for arg in node.args:
            self._node(arg)
        what = op.COMPARE_INT
        if kind == Kind.FLOAT:
            what = op.COMPARE_FLOAT
        elif kind in (Kind.STRING, Kind.BLOB):
            what = op.COMPARE_BYTES
        self._emit(what, node.code, grows=-1)

    def _exclusive(self, node: Node) -> None:
        self._emit(op.PUSH_INT, 0, grows=1)
        jumps = []
        for arg in node.args:
            self._node(arg)
            jumps.append(self._emit(op.EXCLUSIVE, grows=-1))
        for place in jumps:
            self._patch(place, len(self._code))

    def _cond(self, node: Node) -> None:
        branches, ends = [], []
        for condition, result in zip(node.args[:-1:2], node.args[1:-1:2], strict=True):
            self._node(condition)
            branch = self._emit(op.BRANCH, grows=-1)
            self._node(result)
            self._depth -= 1
            ends.append(self._emit(op.JUMP))
            branches.append((branch, len(self._code)))
        self._node(node.args[-1])
        end = len(self._code)
        for place in ends:
            self._patch(place, end)
        for place, following in branches:
            self._patch(place, following, end)

    def _let(self, node: Node) -> None:
        for i, arg in enumerate(node.args[:-1]):
            self._node(arg)
            self._emit(op.STORE, node.data + i, grows=-1)
            self._n_variables = max(self._n_variables, node.data + i + 1)
        self._node(node.args[-1])

    def _division(self, node: Node) -> None:
        is_float = node.kind == Kind.FLOAT
        args = node.args
        if len(args) == 1:
            one = Node(Code.CONSTANT, node.kind, data=1.0 if is_float else 1)
            args = (one, *args)
        self._node(args[0])
        self._node(args[1])
        for arg in args[2:]:
            self._node(arg)
            self._emit(op.MUL_FLOAT if is_float else op.MUL_INT, grows=-1)
        self._emit(op.DIV_FLOAT if is_float else op.DIV_INT, grows=-1)

    def _arithmetic(self, node: Node) -> None:
        whole, real = _BINARY[node.code]
        is_float = node.args[0].kind == Kind.FLOAT
        args = node.args
        if node.code == Code.SUB and len(args) == 1:
            args = (Node(Code.CONSTANT, node.kind, data=0.0 if is_float else 0), *args)
        self._node(args[0])
        for arg in args[1:]:
            self._node(arg)
            self._emit(real if is_float else whole, grows=-1)


_SCALARS = frozenset((Kind.BOOL, Kind.INT, Kind.FLOAT, Kind.STRING, Kind.BLOB))

_LEAVES = {
    Code.UNKNOWN: op.PUSH_UNKNOWN,
    Code.BIN: op.BIN,
    Code.BIN_TYPE: op.BIN_TYPE,
    Code.KEY: op.KEY,
    Code.KEY_EXISTS: op.KEY_EXISTS,
    Code.DIGEST_MODULO: op.DIGEST_MODULO,
    Code.SET_NAME: op.SET_NAME,
    Code.LAST_UPDATE: op.LAST_UPDATE,
    Code.SINCE_UPDATE: op.SINCE_UPDATE,
    Code.VOID_TIME: op.VOID_TIME,
    Code.TTL: op.TTL,
    Code.RECORD_SIZE: op.RECORD_SIZE,
    Code.MEMORY_SIZE: op.RECORD_SIZE,
    Code.VAR: op.LOAD,
}
_UNARY = {
    Code.NOT: (op.NOT, op.NOT),
    Code.ABS: (op.ABS_INT, op.ABS_FLOAT),
    Code.INT_NOT: (op.NOT_INT, op.NOT_INT),
    Code.BIT_COUNT: (op.BIT_COUNT, op.BIT_COUNT),
    Code.TO_FLOAT: (op.TO_FLOAT, op.TO_FLOAT),
    Code.TO_INT: (op.TO_INT, op.TO_INT),
    Code.FLOOR: (op.FLOOR, op.FLOOR),
    Code.CEIL: (op.CEIL, op.CEIL),
}
_BINARY = {
    Code.ADD: (op.ADD_INT, op.ADD_FLOAT),
    Code.SUB: (op.SUB_INT, op.SUB_FLOAT),
    Code.MUL: (op.MUL_INT, op.MUL_FLOAT),
    Code.MIN: (op.MIN_INT, op.MIN_FLOAT),
    Code.MAX: (op.MAX_INT, op.MAX_FLOAT),
    Code.POW: (op.POW_FLOAT, op.POW_FLOAT),
    Code.LOG: (op.LOG_FLOAT, op.LOG_FLOAT),
    Code.MOD: (op.MOD_INT, op.MOD_INT),
    Code.INT_AND: (op.AND_INT, op.AND_INT),
    Code.INT_OR: (op.OR_INT, op.OR_INT),
    Code.INT_XOR: (op.XOR_INT, op.XOR_INT),
    Code.LSHIFT: (op.LSHIFT, op.LSHIFT),
    Code.RSHIFT: (op.RSHIFT, op.RSHIFT),
    Code.ARSHIFT: (op.ARSHIFT, op.ARSHIFT),
    Code.LSCAN: (op.LSCAN, op.LSCAN),
    Code.RSCAN: (op.RSCAN, op.RSCAN),
}

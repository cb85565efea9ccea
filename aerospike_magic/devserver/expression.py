"""Filter expressions: from wire bytes to a typed tree.

The checks are those that a server makes when it builds an expression: number and types of arguments, a boolean at the
top. What they refuse is PARAMETER; what a real server has and this one does not is UNSUPPORTED_FEATURE.

Source: Aerospike server, as/src/base/exp.c (the `build_…` functions).
"""

from __future__ import annotations

from collections.abc import Callable

from aerospike_magic.devserver.expression_pack import MAX_DEPTH, PackReader
from aerospike_magic.devserver.instructions import Code, ExpressionError, Kind, Node
from aerospike_magic.devserver.posix_regex import PosixRegex
from aerospike_magic.errors import WireError
from aerospike_magic.wire.message import ResultCode
from aerospike_magic.wire.msgpack import decode_cdt
from aerospike_magic.wire.particle_type import ParticleType

MAX_SIZE = 1 << 20
MAX_BIN_NAME = 15
_CHANGES, _CONTEXT_EVAL, _SELECT = 0x40, 0xFF, 0xFE
_TAKEN = {0: (Kind.LIST, Kind.MAP), 1: (Kind.BLOB,), 2: (Kind.HLL,)}
"""What the three kinds of calls take: those of lists and maps, of bits, of HyperLogLog."""
_TYPED_BYTES: dict[int, Kind] = {
    ParticleType.GEOJSON: Kind.GEOJSON,
    ParticleType.BLOB: Kind.BLOB,
    ParticleType.HLL: Kind.HLL,
}


def parse_expression(data: bytes, wanted: Kind | None = Kind.BOOL) -> Node:
    """Parse an expression.

    Args:
        data: its wire bytes.
        wanted: what it must yield, a boolean if it is a filter; None for anything.

    Returns:
        its root.

    Raises:
        ExpressionError: it is malformed, its types do not fit, or it needs what this server does not have.
    """
    if len(data) >= MAX_SIZE:
        raise ExpressionError("an expression is too large")
    parser = _Parser(data)
    try:
        node = parser.node()
    except WireError as error:
        raise ExpressionError(error.message) from None
    if not parser.reader.is_at_end:
        raise ExpressionError("bytes follow an expression")
    if wanted is not None and node.kind != wanted:
        raise ExpressionError(f"a filter must yield a boolean, not {node.kind.name.lower()}")
    return node


class _Parser:
    def __init__(self, data: bytes) -> None:
        self.reader = PackReader(data)
        self._depth = 0
        self._variables: dict[bytes, tuple[int, Kind | None]] = {}
        self._n_slots = 0

    def node(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError("an expression is nested too deeply")
        try:
            if not self.reader.is_list:
                return self._constant()
            n = self.reader.list_size() - 1
            if n < 0:
                raise ExpressionError("an expression has an empty list")
            number = self.reader.integer()
            build = _BUILDERS.get(number)
            if build is None:
                raise _unsupported(number)
            return build(self, Code(number), n)
        finally:
            self._depth -= 1

    def _constant(self) -> Node:
        code = self.reader.peek()
        if 0x80 <= code <= 0x8F or code in (0xDE, 0xDF):
            return Node(Code.CONSTANT, Kind.MAP, data=decode_cdt(self.reader.element()))
        value = self.reader.scalar()
        if value is None:
            return Node(Code.CONSTANT, Kind.NIL)
        if isinstance(value, bool):
            return Node(Code.CONSTANT, Kind.BOOL, data=value)
        if isinstance(value, int):
            return Node(Code.CONSTANT, Kind.INT, data=value)
        if isinstance(value, float):
            return Node(Code.CONSTANT, Kind.FLOAT, data=value)
        if not value:
            raise ExpressionError("an expression has an untyped string")
        if value[0] == ParticleType.STRING:
            return Node(Code.CONSTANT, Kind.STRING, data=value[1:])
        kind = _TYPED_BYTES.get(value[0])
        if kind is None:
            raise ExpressionError("an expression has bytes of an unknown type")
        return Node(Code.CONSTANT, kind, data=value[1:])

    def _args(self, n: int, expected: int) -> tuple[Node, ...]:
        if n != expected:
            raise ExpressionError(f"an instruction has {n} arguments instead of {expected}")
        return tuple(self.node() for _ in range(n))

    def unknown(self, code: Code, n: int) -> Node:
        return Node(code, Kind.BOOL, self._args(n, 0))

    def compare(self, code: Code, n: int) -> Node:
        left, right = self._args(n, 2)
        if left.kind != right.kind:
            raise ExpressionError(f"{left.kind.name.lower()} is compared with {right.kind.name.lower()}")
        if left.kind in (Kind.GEOJSON, Kind.HLL):
            raise ExpressionError(f"{left.kind.name.lower()} cannot be compared")
        return Node(code, Kind.BOOL, (left, right))

    def regex(self, code: Code, n: int) -> Node:
        if n != 3:
            raise ExpressionError("a regex needs flags, a pattern and a string")
        flags, pattern = self.reader.integer(), self.reader.string()
        argument = self.node()
        if argument.kind != Kind.STRING:
            raise ExpressionError("a regex needs a string")
        try:
            return Node(code, Kind.BOOL, (argument,), PosixRegex(pattern, flags))
        except ValueError as error:
            raise ExpressionError(f"bad regex: {error}") from None

    def in_list(self, code: Code, n: int) -> Node:
        args = self._args(n, 2)
        if args[1].kind != Kind.LIST:
            raise ExpressionError("in-list needs a list")
        return Node(code, Kind.BOOL, args)

    def logical(self, code: Code, n: int) -> Node:
        if n < 2:
            raise ExpressionError(f"{code.name} needs two arguments")
        args = tuple(self.node() for _ in range(n))
        if any(arg.kind != Kind.BOOL for arg in args):
            raise ExpressionError(f"{code.name} needs booleans")
        return Node(code, Kind.BOOL, args)

    def logical_not(self, code: Code, n: int) -> Node:
        args = self._args(n, 1)
        if args[0].kind != Kind.BOOL:
            raise ExpressionError("NOT needs a boolean")
        return Node(code, Kind.BOOL, args)

    def arithmetic(self, code: Code, n: int) -> Node:
        if n < 1:
            raise ExpressionError(f"{code.name} needs an argument")
        args = tuple(self.node() for _ in range(n))
        kind = args[0].kind
        if kind not in (Kind.INT, Kind.FLOAT) or any(arg.kind != kind for arg in args):
            raise ExpressionError(f"{code.name} needs numbers of one type")
        return Node(code, kind, args)

    def fixed(self, code: Code, n: int) -> Node:
        wanted, result = _SIGNATURES[code]
        args = self._args(n, len(wanted))
        if tuple(arg.kind for arg in args) != wanted:
            raise ExpressionError(f"{code.name} has arguments of wrong types")
        return Node(code, result, args)

    def absolute(self, code: Code, n: int) -> Node:
        args = self._args(n, 1)
        if args[0].kind not in (Kind.INT, Kind.FLOAT):
            raise ExpressionError("ABS needs a number")
        return Node(code, args[0].kind, args)

    def integers(self, code: Code, n: int) -> Node:
        if n < 1:
            raise ExpressionError(f"{code.name} needs an argument")
        args = tuple(self.node() for _ in range(n))
        if any(arg.kind != Kind.INT for arg in args):
            raise ExpressionError(f"{code.name} needs integers")
        return Node(code, Kind.INT, args)

    def digest_modulo(self, code: Code, n: int) -> Node:
        divisor = self._own(n, 1).integer() & 0xFFFFFFFF
        divisor -= 1 << 32 if divisor >> 31 else 0
        if divisor == 0:
            raise ExpressionError("a digest modulo of zero")
        return Node(code, Kind.INT, data=divisor)

    def key(self, code: Code, n: int) -> Node:
        number = self._own(n, 1).integer()
        if number not in (Kind.INT, Kind.STRING, Kind.BLOB):
            raise ExpressionError("a key is an integer, a string or a blob")
        return Node(code, Kind(number))

    def bin(self, code: Code, n: int) -> Node:
        reader = self._own(n, 2)
        number, name = reader.integer(), reader.string()
        if not 0 <= number <= Kind.HLL or len(name) > MAX_BIN_NAME:
            raise ExpressionError("a bin's type or name is wrong")
        return Node(code, Kind(number), data=name)

    def bin_type(self, code: Code, n: int) -> Node:
        name = self._own(n, 1).string()
        if len(name) > MAX_BIN_NAME:
            raise ExpressionError("a bin's name is too long")
        return Node(code, Kind.INT, data=name)

    def cond(self, code: Code, n: int) -> Node:
        if n < 3 or n % 2 == 0:
            raise ExpressionError("COND needs pairs and a default")
        args = tuple(self.node() for _ in range(n))
        results = (*args[1:-1:2], args[-1])
        if any(condition.kind != Kind.BOOL for condition in args[:-1:2]):
            raise ExpressionError("a condition of COND is no boolean")
        known = [result.kind for result in results if result.code != Code.UNKNOWN]
        if any(kind != known[0] for kind in known):
            raise ExpressionError("the results of COND are of several types")
        return Node(code, known[0] if known else Kind.BOOL, args)

    def variable(self, code: Code, n: int) -> Node:
        name = self._own(n, 1).string()
        slot, kind = self._variables.get(name, (-1, None))
        if kind is None:
            raise ExpressionError(f"variable {name!r} is not defined")
        return Node(code, kind, data=slot)

    def let(self, code: Code, n: int) -> Node:
        if n < 3 or n % 2 == 0:
            raise ExpressionError("LET needs pairs and a body")
        first, names = self._n_slots, []
        args = []
        for _ in range(n // 2):
            name = self.reader.string()
            if not name.replace(b"_", b"a").isalnum() or name[:1].isdigit() or name in self._variables:
                raise ExpressionError(f"a variable cannot be named {name!r}")
            names.append(name)
            slot = self._n_slots
            self._n_slots += 1
            self._variables[name] = (slot, None)
            value = self.node()
            self._variables[name] = (slot, value.kind)
            args.append(value)
        args.append(self.node())
        for name in names:
            del self._variables[name]
        return Node(code, args[-1].kind, tuple(args), first)

    def quote(self, code: Code, n: int) -> Node:
        reader = self._own(n, 1)
        if not reader.is_list:
            raise ExpressionError("QUOTE needs a list")
        return Node(Code.CONSTANT, Kind.LIST, data=decode_cdt(reader.element()))

    def call(self, code: Code, n: int) -> Node:
        reader = self._own(n, 4)
        kind, system = reader.integer(), reader.integer()
        if not 0 <= kind <= Kind.HLL or not reader.is_list:
            raise ExpressionError("a call is malformed")
        takes = _TAKEN.get(system & ~_CHANGES)
        if takes is None:
            raise ExpressionError("there is no such kind of call")
        size, number = reader.list_size(), reader.integer()
        path = None
        if number == _CONTEXT_EVAL:
            if size != 3:
                raise ExpressionError("a call with a context is malformed")
            path = decode_cdt(reader.element())
            size, number = reader.list_size(), reader.integer()
        elif number == _SELECT and takes is _TAKEN[0]:
            raise ExpressionError("selecting by path is not supported yet", ResultCode.UNSUPPORTED_FEATURE)
        args = tuple(self.node() for _ in range(size - 1))
        container = self.node()
        if container.kind not in takes:
            raise ExpressionError("a call needs a value of another type")
        return Node(code, Kind(kind), (container, *args), (number, path, bool(system & _CHANGES)))

    def _own(self, n: int, expected: int) -> PackReader:
        if n != expected:
            raise ExpressionError(f"an instruction has {n} arguments instead of {expected}")
        return self.reader


def _unsupported(number: int) -> ExpressionError:
    if number in (Code.GEO, 100, 101, 102, 122):
        return ExpressionError(f"instruction {number} is not supported yet", ResultCode.UNSUPPORTED_FEATURE)
    return ExpressionError(f"there is no instruction {number}")


_I, _F, _B = Kind.INT, Kind.FLOAT, Kind.BOOL
_SIGNATURES: dict[Code, tuple[tuple[Kind, ...], Kind]] = {
    Code.POW: ((_F, _F), _F),
    Code.LOG: ((_F, _F), _F),
    Code.MOD: ((_I, _I), _I),
    Code.FLOOR: ((_F,), _F),
    Code.CEIL: ((_F,), _F),
    Code.TO_INT: ((_F,), _I),
    Code.TO_FLOAT: ((_I,), _F),
    Code.INT_NOT: ((_I,), _I),
    Code.LSHIFT: ((_I, _I), _I),
    Code.RSHIFT: ((_I, _I), _I),
    Code.ARSHIFT: ((_I, _I), _I),
    Code.BIT_COUNT: ((_I,), _I),
    Code.LSCAN: ((_I, _B), _I),
    Code.RSCAN: ((_I, _B), _I),
    Code.DEVICE_SIZE: ((), _I),
    Code.LAST_UPDATE: ((), _I),
    Code.SINCE_UPDATE: ((), _I),
    Code.VOID_TIME: ((), _I),
    Code.TTL: ((), _I),
    Code.SET_NAME: ((), Kind.STRING),
    Code.KEY_EXISTS: ((), _B),
    Code.IS_TOMBSTONE: ((), _B),
    Code.MEMORY_SIZE: ((), _I),
    Code.RECORD_SIZE: ((), _I),
}

_Builder = Callable[[_Parser, Code, int], Node]
_BUILDERS: dict[int, _Builder] = {
    Code.UNKNOWN: _Parser.unknown,
    **dict.fromkeys(range(Code.EQ, Code.LE + 1), _Parser.compare),
    Code.REGEX: _Parser.regex,
    Code.IN_LIST: _Parser.in_list,
    Code.AND: _Parser.logical,
    Code.OR: _Parser.logical,
    Code.NOT: _Parser.logical_not,
    Code.EXCLUSIVE: _Parser.logical,
    Code.ADD: _Parser.arithmetic,
    Code.SUB: _Parser.arithmetic,
    Code.MUL: _Parser.arithmetic,
    Code.DIV: _Parser.arithmetic,
    Code.MIN: _Parser.arithmetic,
    Code.MAX: _Parser.arithmetic,
    Code.ABS: _Parser.absolute,
    Code.INT_AND: _Parser.integers,
    Code.INT_OR: _Parser.integers,
    Code.INT_XOR: _Parser.integers,
    **dict.fromkeys(_SIGNATURES, _Parser.fixed),
    Code.DIGEST_MODULO: _Parser.digest_modulo,
    Code.KEY: _Parser.key,
    Code.BIN: _Parser.bin,
    Code.BIN_TYPE: _Parser.bin_type,
    Code.COND: _Parser.cond,
    Code.VAR: _Parser.variable,
    Code.LET: _Parser.let,
    Code.QUOTE: _Parser.quote,
    Code.CALL: _Parser.call,
}

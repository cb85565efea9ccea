"""A pyarrow filter expression, as DuckDB, polars and pyarrow's datasets hand it over, read as a predicate.

Mechanism: pyarrow shows no children of an expression, but pickles it: a record batch whose schema metadata
lists the tree in prefix order (``call``, ``field_ref``, ``literal``, ``options``, ``end``), literals and
options being its columns (Arrow C++, cpp/src/arrow/compute/expression.cc, ``Serialize``). Substrait, the
other way out, refuses casts, LIKE and more. The keys repeat, so the metadata is read through the Arrow C
data interface, not as a dict.

What is not understood becomes `Opaque` within the outermost AND, and the rest can still be pushed.
Comparisons are read with SQL's NaN, not with IEEE's: it is SQL engines that write these expressions.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from aerospike_magic.filters.predicate import (
    SWAPPED,
    Always,
    And,
    Compare,
    In,
    IsNull,
    Not,
    Opaque,
    Operator,
    Or,
    Predicate,
    StartsWith,
    Value,
)

_OPERATORS: dict[str, Operator] = {
    "equal": "=",
    "not_equal": "<>",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
}
_ASSOCIATIVE = frozenset({"and_kleene", "or_kleene"})
_MATCH_NULLS, _SKIP_NULLS = 0, 1


@dataclass(frozen=True, slots=True)
class _Field:
    name: str


@dataclass(frozen=True, slots=True)
class _Nested:
    """A field within a struct; the server has no such thing, so it is only ever evaluated."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Literal:
    scalar: pa.Scalar


@dataclass(frozen=True, slots=True)
class _Call:
    function: str
    arguments: tuple[_Node, ...]
    options: pa.Scalar | None = None

    @property
    def option_values(self) -> dict[str, Any]:
        return {} if self.options is None else self.options.as_py()


_Node = _Field | _Nested | _Literal | _Call


class _Unreadable(Exception):
    """Part of an expression that has no counterpart among the predicates."""


def from_arrow_expression(expression: pc.Expression, schema: pa.Schema) -> Predicate:
    """Read a pyarrow filter expression.

    Args:
        expression: a boolean expression over columns of `schema`.
        schema: the columns, of which booleans stand for themselves (``filter=pc.field("b")``).

    Returns:
        the predicate; parts that are not understood are `Opaque` and pyarrow itself evaluates them.
    """
    try:
        tree = _parse(expression)
    except (_Unreadable, pa.ArrowException, NotImplementedError):
        return Opaque(expression, frozenset(schema.names))
    parts = tuple(_read_conjunct(part, schema) for part in _conjuncts(tree))
    return parts[0] if len(parts) == 1 else And(*parts)


def _read_conjunct(node: _Node, schema: pa.Schema) -> Predicate:
    try:
        return _read(node, schema)
    except _Unreadable:
        return Opaque(_rebuild(node), frozenset(_fields(node)))


def _conjuncts(tree: _Node) -> tuple[_Node, ...]:
    return tree.arguments if isinstance(tree, _Call) and tree.function == "and_kleene" else (tree,)


def _fields(node: _Node) -> Iterator[str]:
    if isinstance(node, _Field):
        yield node.name
    elif isinstance(node, _Nested):
        yield node.names[0]
    elif isinstance(node, _Call):
        for argument in node.arguments:
            yield from _fields(argument)


# ---------------------------------------------------------------------------------------- the pickled form


def _parse(expression: pc.Expression) -> _Node:
    _, (pickled, *_) = expression.__reduce__()
    reader = pa.ipc.open_file(pickled)
    return _parse_tokens(_repeated_metadata(reader.schema), reader.get_batch(0))


def _repeated_metadata(schema: pa.Schema) -> list[tuple[str, str]]:
    """Return the schema's metadata pairs in order, repeated keys and all.

    Source: the Arrow C data interface: `metadata` is the third pointer of struct ArrowSchema, and holds the
    number of pairs, then each key and value as a length and bytes (int32, native order).
    """
    capsule = schema.__arrow_c_schema__()
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    address = ctypes.c_void_p.from_address(
        get_pointer(capsule, b"arrow_schema") + 2 * ctypes.sizeof(ctypes.c_void_p)
    ).value
    if address is None:
        return []
    texts: list[str] = []
    position = address + 4
    for _ in range(2 * ctypes.c_int32.from_address(address).value):
        length = ctypes.c_int32.from_address(position).value
        texts.append(ctypes.string_at(position + 4, length).decode())
        position += 4 + length
    return list(zip(texts[::2], texts[1::2], strict=True))


def _parse_tokens(tokens: list[tuple[str, str]], batch: pa.RecordBatch) -> _Node:
    # With a stack of its own: engines chain hundreds of ORs, each one level deeper.
    open_calls: list[tuple[str, list[_Node], list[pa.Scalar]]] = [("", [], [])]
    remaining = iter(tokens)
    for key, value in remaining:
        _, arguments, options = open_calls[-1]
        if key == "field_ref":
            arguments.append(_Field(value))
        elif key == "nested_field_ref":
            path = [next(remaining, ("", "")) for _ in range(int(value))]
            if any(kind != "field_ref" for kind, _ in path):
                raise _Unreadable
            arguments.append(_Nested(tuple(name for _, name in path)))
        elif key == "literal":
            arguments.append(_Literal(batch.column(int(value))[0]))
        elif key == "options":
            options.append(batch.column(int(value))[0])
        elif key == "call":
            open_calls.append((value, [], []))
        elif key == "end" and value == open_calls[-1][0]:
            open_calls.pop()
            open_calls[-1][1].append(_call(value, arguments, options))
        else:
            raise _Unreadable
    _, roots, _ = open_calls[0]
    if len(open_calls) != 1 or len(roots) != 1:
        raise _Unreadable
    return roots[0]


def _call(function: str, arguments: list[_Node], options: list[pa.Scalar]) -> _Call:
    if function in _ASSOCIATIVE:
        nested = [a.arguments if isinstance(a, _Call) and a.function == function else (a,) for a in arguments]
        return _Call(function, tuple(node for nodes in nested for node in nodes))
    return _Call(function, tuple(arguments), options[0] if options else None)


def _rebuild(node: _Node) -> pc.Expression:
    if isinstance(node, _Field):
        return pc.field(node.name)
    if isinstance(node, _Nested):
        return pc.field(*node.names)
    if isinstance(node, _Literal):
        return pc.scalar(node.scalar)
    arguments = [_rebuild(argument) for argument in node.arguments]
    if node.function in _ASSOCIATIVE:
        return functools.reduce(lambda a, b: pc.Expression._call(node.function, [a, b]), arguments)
    options = None if node.options is None else _rebuild_options(node.options)
    return pc.Expression._call(node.function, arguments, options)


def _rebuild_options(options: pa.Scalar) -> pc.FunctionOptions:
    schema = pa.schema([pa.field("", options.type)])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.record_batch([pa.array([options.as_py()], options.type)], schema=schema))
    return pc.FunctionOptions.deserialize(sink.getvalue())


# ---------------------------------------------------------------------------------------- the tree, read


def _read(node: _Node, schema: pa.Schema) -> Predicate:
    if isinstance(node, _Field):
        return _read_boolean_column(node, schema)
    if isinstance(node, _Literal):
        return Always(_boolean(node))
    if isinstance(node, _Nested):
        raise _Unreadable
    if node.function in _OPERATORS:
        return _read_compare(node)
    match node.function:
        case "and_kleene":
            return And(*(_read(argument, schema) for argument in node.arguments))
        case "or_kleene":
            return Or(*(_read(argument, schema) for argument in node.arguments))
        case "invert":
            return Not(_read(node.arguments[0], schema))
        case "is_null":
            return _read_is_null(node, schema)
        case "is_valid":
            return Not(IsNull(_column(node)))
        case "is_nan":
            return Compare("=", _column(node), float("nan"))
        case "is_in":
            return _read_is_in(node)
        case "if_else":
            return _read_sql_in(node)
        case "starts_with" | "match_like":
            return _read_prefix(node)
    raise _Unreadable


def _column(call: _Call) -> str:
    column = call.arguments[0]
    if not isinstance(column, _Field):
        raise _Unreadable
    return column.name


def _boolean(node: _Literal) -> bool:
    value = node.scalar.as_py()
    if not isinstance(value, bool):
        raise _Unreadable
    return value


def _constant(value: object) -> Value:
    # Decimals, dates and the like are not what a bin holds; Arrow may compare them by casting.
    if value is None or type(value) in (bool, int, float, str, bytes):
        return value  # type: ignore[return-value]
    raise _Unreadable


def _read_boolean_column(node: _Field, schema: pa.Schema) -> Predicate:
    index = schema.get_field_index(node.name)
    if index < 0 or not pa.types.is_boolean(schema.field(index).type):
        raise _Unreadable
    return Compare("=", node.name, True)


def _read_compare(node: _Call) -> Predicate:
    left, right = node.arguments
    operator = _OPERATORS[node.function]
    if isinstance(left, _Literal) and isinstance(right, _Field):
        left, right, operator = right, left, SWAPPED[operator]
    if not isinstance(left, _Field) or not isinstance(right, _Literal):
        raise _Unreadable
    return Compare(operator, left.name, _constant(right.scalar.as_py()))


def _read_is_null(node: _Call, schema: pa.Schema) -> Predicate:
    column = _column(node)
    index = schema.get_field_index(column)
    if not node.option_values.get("nan_is_null"):
        return IsNull(column)
    if index < 0:
        raise _Unreadable
    is_double = pa.types.is_floating(schema.field(index).type)
    return Or(IsNull(column), Compare("=", column, float("nan"))) if is_double else IsNull(column)


def _read_is_in(node: _Call) -> Predicate:
    """Arrow's own ``is_in``: never NULL, so that its negation keeps NULLs; a NULL may be among the values."""
    column, values, behaviour = _values_of(node)
    found = In(column, tuple(v for v in values if v is not None))
    if behaviour == _MATCH_NULLS and None in values:
        return Or(found, IsNull(column))
    if behaviour not in (_MATCH_NULLS, _SKIP_NULLS):
        raise _Unreadable
    return And(found, Not(IsNull(column)))


def _read_sql_in(node: _Call) -> Predicate:
    """DuckDB's IN: ``if_else(is_valid(c), is_in(c, …), NULL)``."""
    condition, found, other = node.arguments
    if not (isinstance(condition, _Call) and condition.function == "is_valid"):
        raise _Unreadable
    if not (isinstance(other, _Literal) and other.scalar.as_py() is None):
        raise _Unreadable
    if not (isinstance(found, _Call) and found.function == "is_in" and _column(found) == _column(condition)):
        raise _Unreadable
    column, values, _ = _values_of(found)
    # Where the column is not NULL, a NULL among the values matches nothing and makes nothing NULL.
    return In(column, tuple(v for v in values if v is not None))


def _values_of(node: _Call) -> tuple[str, tuple[Value, ...], int]:
    options = node.option_values
    values = options.get("value_set")
    if not isinstance(values, list):
        raise _Unreadable
    behaviour = options.get("null_matching_behavior", -1)
    return _column(node), tuple(_constant(v) for v in values), behaviour


def _read_prefix(node: _Call) -> Predicate:
    options = node.option_values
    pattern = options.get("pattern")
    if options.get("ignore_case") or not isinstance(pattern, str):
        raise _Unreadable
    if node.function == "starts_with":
        return StartsWith(_column(node), pattern)
    prefix = pattern.removesuffix("%")
    if any(c in prefix for c in "%_\\"):
        raise _Unreadable
    return StartsWith(_column(node), prefix) if prefix != pattern else Compare("=", _column(node), pattern)

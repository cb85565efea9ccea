"""The condition on a scan in a Presto plan's text, as far as it is what Presto pushes to a connector.

Presto writes ``((dep_delay) > (BIGINT'60')) AND (IN(origin, VARCHAR'EWR', VARCHAR'JFK'))``. What is understood are
comparisons of a column with a constant, lists, NULL, and AND, OR, NOT of such; of anything else nothing is assumed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from aerospike_magic.filters.predicate import And, Compare, In, IsNull, Not, Operator, Or, Predicate, Value
from aerospike_magic.gateway.tables import WireColumn

_OPERATORS: Mapping[type[Any], Operator] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_CONSTANT = re.compile(r"\b(BIGINT|DOUBLE|VARCHAR|BOOLEAN|INTEGER)'((?:[^']|'')*)'")


def predicate_of(text: str, columns: Mapping[str, WireColumn]) -> Predicate | None:
    """Return what a condition implies; None for nothing.

    Args:
        text: the condition.
        columns: of the table, by their names in it.
    """
    import sqlglot
    from sqlglot.errors import SqlglotError

    values: list[Value] = []

    def keep(found: re.Match[str]) -> str:
        values.append(_value(found[1], found[2].replace("''", "'")))
        return f"constant_{len(values) - 1}"

    marked = re.sub(r"\bIN\(", "in_list(", _CONSTANT.sub(keep, text))
    try:
        tree: Any = sqlglot.parse_one(marked, dialect="presto")
    except (SqlglotError, RecursionError):
        return None
    return _Reader(columns, values).read(tree)


class _Reader:
    def __init__(self, columns: Mapping[str, WireColumn], values: list[Value]) -> None:
        self._columns = columns
        self._values = values

    def read(self, node: Any) -> Predicate | None:
        node = node.unnest()
        if isinstance(node, exp.And | exp.Or):
            parts = [self.read(node.left), self.read(node.right)]
            known = [part for part in parts if part is not None]
            if isinstance(node, exp.And):
                return None if not known else known[0] if len(known) == 1 else And(*known)
            return Or(*known) if len(known) == len(parts) else None
        if isinstance(node, exp.Not):
            inner = node.this.unnest()
            child = self._leaf(inner) if not isinstance(inner, exp.And | exp.Or | exp.Not) else None
            return None if child is None else Not(child)
        return self._leaf(node)

    def _leaf(self, node: Any) -> Predicate | None:
        if type(node) in _OPERATORS:
            name = self._column(node.left)
            found = self._constant(node.right)
            return None if name is None or found is None else Compare(_OPERATORS[type(node)], name, found[0])
        if isinstance(node, exp.Between):
            name, low, high = self._column(node.this), *map(self._constant, (node.args["low"], node.args["high"]))
            if name is None or low is None or high is None:
                return None
            return And(Compare(">=", name, low[0]), Compare("<=", name, high[0]))
        function, arguments = _call(node)
        if function == "in_list" and arguments:
            name, constants = self._column(arguments[0]), [self._constant(each) for each in arguments[1:]]
            known = [each[0] for each in constants if each is not None]
            return In(name, tuple(known)) if name is not None and len(known) == len(constants) else None
        if function == "is_null" and len(arguments) == 1:
            name = self._column(arguments[0])
            return None if name is None else IsNull(name)
        return None

    def _column(self, node: Any) -> str | None:
        node = node.unnest()
        wire = self._columns.get(node.name) if isinstance(node, exp.Column) else None
        return None if wire is None or wire.is_json or wire.is_hex else wire.column.name

    def _constant(self, node: Any) -> tuple[Value] | None:
        node = node.unnest()
        found = re.fullmatch(r"constant_(\d+)", node.name) if isinstance(node, exp.Column) else None
        return None if found is None else (self._values[int(found[1])],)


def _call(node: Any) -> tuple[str, list[Any]]:
    if isinstance(node, exp.Anonymous):
        return str(node.this).lower(), list(node.expressions)
    return "", []


def _value(kind: str, text: str) -> Value:
    if kind in ("BIGINT", "INTEGER"):
        return int(text)
    if kind == "DOUBLE":
        return float(text)
    return text == "true" if kind == "BOOLEAN" else text

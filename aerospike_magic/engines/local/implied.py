"""What a SQL condition implies for one table, as a predicate.

`implied` returns a predicate that is true for every row of the table for which the condition can be true: a superset,
never less, since DuckDB checks the condition again on what the scan returns. Where SQL's own rules for casts, rounding,
collations or patterns could differ from the predicate's, the answer is None: nothing is implied.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sqlglot import exp

from aerospike_magic.filters.predicate import (
    NEGATED,
    SWAPPED,
    And,
    Compare,
    In,
    IsNull,
    Not,
    Operator,
    Or,
    Predicate,
    StartsWith,
)
from aerospike_magic.schema.types import Column, Kind

# Up to here every integer is a double, so comparing as doubles and comparing exactly are the same.
_EXACT: Final = 1 << 53
# DuckDB divides a decimal's digits by a power of ten; up to here that is the nearest double.
_EXACT_DIGITS: Final = 15
_PLAIN_NUMBER = re.compile(r"\d+|\d*\.\d+|\d+\.\d*")
_NO_CONSTANT: Final = object()

_OPERATORS: Mapping[type[Any], Operator] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """How the names and parameters of a condition are read.

    Attributes:
        column_of: the table's column that a sqlglot Column means; None for any other table's, or in doubt.
        values: parameter values by marker name.
    """

    column_of: Callable[[exp.Column], Column | None]
    values: Mapping[str, Any]

    def implied(self, node: Any, negated: bool = False) -> Predicate | None:
        """Return what holds for the table's row where `node` is true, or false if `negated`; None for nothing."""
        if isinstance(node, exp.Paren):
            return self.implied(node.this, negated)
        if isinstance(node, exp.Not):
            return self.implied(node.this, not negated)
        if node.args.get("negate"):
            negated = not negated
        if isinstance(node, exp.And | exp.Or):
            return self._joined(node, negated)
        if isinstance(node, exp.Column):
            column = self.column_of(node)
            is_bool = column is not None and column.kind is Kind.BOOL
            return Compare("=", column.name, not negated) if column and is_bool else None
        return self._leaf(node, negated)

    def _joined(self, node: exp.And | exp.Or, negated: bool) -> Predicate | None:
        parts = [self.implied(node.left, negated), self.implied(node.right, negated)]
        known = [part for part in parts if part is not None]
        if isinstance(node, exp.And) != negated:
            return None if not known else known[0] if len(known) == 1 else And(*known)
        return Or(*known) if len(known) == len(parts) else None

    def _leaf(self, node: Any, negated: bool) -> Predicate | None:
        if type(node) in _OPERATORS:
            return self._compare(node, _OPERATORS[type(node)], negated)
        if isinstance(node, exp.NullSafeEQ) and not negated:
            return self._compare(node, "=", negated)
        if isinstance(node, exp.Between):
            return self._between(node, negated)
        if isinstance(node, exp.In):
            return self._in(node, negated)
        if isinstance(node, exp.Is):
            return self._is(node, negated)
        if isinstance(node, exp.Like):
            return self._like(node, negated)
        if isinstance(node, exp.StartsWith):
            return self._starts_with(node.this, node.expression, negated)
        return None

    def _compare(self, node: Any, op: Operator, negated: bool) -> Predicate | None:
        left, right = _bare(node.left), _bare(node.right)
        if isinstance(right, exp.Column):
            left, right, op = right, left, SWAPPED[op]
        column = self.column_of(left) if isinstance(left, exp.Column) else None
        if column is None:
            return None
        value = self._constant(right, column)
        if value is _NO_CONSTANT:
            return None
        return Compare(NEGATED[op] if negated else op, column.name, value)

    def _between(self, node: exp.Between, negated: bool) -> Predicate | None:
        subject = _bare(node.this)
        column = self.column_of(subject) if isinstance(subject, exp.Column) else None
        if column is None or node.args.get("symmetric"):
            return None
        bounds = self._constants([_bare(node.args[name]) for name in ("low", "high")], column)
        if bounds is None:
            return None
        low, high = bounds
        if negated:
            return Or(Compare("<", column.name, low), Compare(">", column.name, high))
        return And(Compare(">=", column.name, low), Compare("<=", column.name, high))

    def _in(self, node: exp.In, negated: bool) -> Predicate | None:
        subject = _bare(node.this)
        column = self.column_of(subject) if isinstance(subject, exp.Column) else None
        items = node.args.get("expressions")
        if column is None or not items or any(node.args.get(key) for key in ("query", "field", "unnest")):
            return None
        values = self._constants([_bare(item) for item in items], column)
        if values is None:
            return None
        found = In(column.name, tuple(values))
        return Not(found) if negated else found

    def _is(self, node: exp.Is, negated: bool) -> Predicate | None:
        subject, state = _bare(node.this), node.expression
        column = self.column_of(subject) if isinstance(subject, exp.Column) else None
        if column is None:
            return None
        if isinstance(state, exp.Null):
            return Not(IsNull(column.name)) if negated else IsNull(column.name)
        if isinstance(state, exp.Boolean) and column.kind is Kind.BOOL and not negated:
            return Compare("=", column.name, bool(state.this))
        return None

    def _like(self, node: exp.Like, negated: bool) -> Predicate | None:
        subject = _bare(node.this)
        column = self.column_of(subject) if isinstance(subject, exp.Column) else None
        if column is None or column.kind is not Kind.STRING:
            return None
        pattern = self._constant(_bare(node.expression), column)
        if not isinstance(pattern, str):
            return None
        prefix = re.split(r"[%_\\]", pattern, maxsplit=1)[0]
        rest = pattern[len(prefix) :]
        if rest == "":
            return Compare("<>" if negated else "=", column.name, pattern)
        if negated:
            return Not(StartsWith(column.name, prefix)) if rest == "%" and prefix else None
        return StartsWith(column.name, prefix) if prefix else Not(IsNull(column.name))

    def _starts_with(self, subject: Any, prefix: Any, negated: bool) -> Predicate | None:
        subject = _bare(subject)
        column = self.column_of(subject) if isinstance(subject, exp.Column) else None
        if column is None or column.kind is not Kind.STRING:
            return None
        value = self._constant(_bare(prefix), column)
        if not isinstance(value, str):
            return None
        found = StartsWith(column.name, value)
        return Not(found) if negated else found

    def _constants(self, nodes: list[Any], column: Column) -> list[Any] | None:
        """Return the values that the column is compared with together; None in any doubt about one of them."""
        values = [self._constant(node, column) for node in nodes]
        if any(value is _NO_CONSTANT for value in values):
            return None
        if column.kind is Kind.INT64 and not all(isinstance(self._value(node), int) for node in nodes):
            # One double among them makes DuckDB compare all as doubles, and large integers round.
            return values if all(abs(value) < _EXACT for value in values) else None
        return values

    def _constant(self, node: Any, column: Column) -> Any:
        """Return the Python value to compare the column with, or `_NO_CONSTANT` in any doubt."""
        value: Any = self._value(node)
        if column.kind is Kind.STRING:
            return value if isinstance(value, str) else _NO_CONSTANT
        if column.kind is Kind.BOOL:
            return value if isinstance(value, bool) else _NO_CONSTANT
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            return _NO_CONSTANT
        if column.kind is Kind.INT64:
            return _for_integers(value)
        return _for_doubles(value) if column.kind is Kind.DOUBLE else _NO_CONSTANT

    def _value(self, node: Any) -> Any:
        if isinstance(node, exp.Placeholder):
            return self.values.get(str(node.this), _NO_CONSTANT)
        if isinstance(node, exp.Boolean):
            return bool(node.this)
        if isinstance(node, exp.Neg):
            value = self._value(_bare(node.this))
            is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
            return -value if is_number else _NO_CONSTANT
        if type(node) is not exp.Literal:
            return _NO_CONSTANT
        text = str(node.this)
        return text if node.is_string else _number(text)


def rejects_nulls(predicate: Predicate) -> bool:
    """Whether the predicate is never true for a row of NULLs, as an outer join makes them."""
    if isinstance(predicate, And):
        return any(map(rejects_nulls, predicate.children))
    if isinstance(predicate, Or):
        return bool(predicate.children) and all(map(rejects_nulls, predicate.children))
    if isinstance(predicate, Not):
        return isinstance(predicate.child, Compare | In | StartsWith | IsNull)
    return isinstance(predicate, Compare | In | StartsWith)


def _bare(node: Any) -> Any:
    while isinstance(node, exp.Paren):
        node = node.this
    return node


def _number(text: str) -> Any:
    if _PLAIN_NUMBER.fullmatch(text):
        return int(text) if text.isdigit() else Decimal(text)
    try:
        return float(text)
    except ValueError:
        return _NO_CONSTANT


def _for_integers(value: Any) -> Any:
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 63 else _NO_CONSTANT
    if not math.isfinite(value) or abs(value) >= _EXACT:
        return _NO_CONSTANT
    if value == int(value):
        return int(value)
    # Rounding to a double may not carry a fraction to an integer.
    nearest = float(value)
    return _NO_CONSTANT if nearest.is_integer() else nearest


def _for_doubles(value: Any) -> Any:
    if isinstance(value, float):
        return value
    if isinstance(value, int):
        return float(value) if abs(value) <= _EXACT else _NO_CONSTANT
    return float(value) if len(value.as_tuple().digits) <= _EXACT_DIGITS else _NO_CONSTANT

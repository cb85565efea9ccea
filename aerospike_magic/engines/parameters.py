"""``:name`` and ``{{name}}`` in SQL text become bound values, and ``{{name!i}}`` quoted identifiers.

A value never becomes SQL text: it travels beside the statement, as DuckDB's ``$name`` or Spark's ``:name``. Only the
quoting forms put text in, and then as identifiers with every quote doubled:

- ``:name``, ``{{name}}``, ``$name``: the value. In ``IN :name`` and ``IN (:name)`` a list stands for its elements;
  an empty list is in SQL what it is in Python: nothing is in it. Elsewhere a list is a LIST value.
- ``{{name!i}}``: a column or other single name; a list of names becomes ``"a", "b"``.
- ``{{name!t}}``: a table, ``namespace.set``, split at the first dot.

A colon is left alone where SQL has its own use for it: ``::`` casts, slices ``x[1:2]``, struct and map literals
``{'k': v}``, and prefix aliases ``SELECT total: 42``.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aerospike_magic.engines import values
from aerospike_magic.engines.lexer import DUCKDB, Dialect, Token, tokenize
from aerospike_magic.errors import ParameterError

_BRACED = re.compile(r"\{\{\s*([^\W\d]\w*)\s*(?:!\s*([A-Za-z]\w*)\s*)?\}\}")
# Words that an expression may follow, so that a colon after them starts a parameter.
_BEFORE_EXPRESSION = frozenset(
    {
        *("SELECT", "DISTINCT", "ALL", "ANY", "SOME", "WHERE", "AND", "OR", "NOT", "IN", "LIKE", "ILIKE", "GLOB"),
        *("BETWEEN", "SYMMETRIC", "ASYMMETRIC", "LIMIT", "OFFSET", "CASE", "WHEN", "THEN", "ELSE", "ON", "USING"),
        *("HAVING", "BY", "QUALIFY", "VALUES", "AS", "IS", "FROM", "TO", "ESCAPE", "INTERVAL", "FILTER", "SAMPLE"),
        *("RETURN", "EXPLAIN", "RANGE", "ROWS", "PRECEDING", "EXCLUDE", "REPLACE"),
    }
)
_EMPTY_SET = "SELECT NULL WHERE FALSE"


@dataclass(frozen=True, slots=True)
class BoundSql:
    """SQL text that an engine takes, with its values, and the way back to the text as written.

    Attributes:
        original: the text as written.
        text: the text with ``$name`` markers.
        analysis: `text` with ``:name`` markers, character for character as long; what sqlglot reads, and Spark.
        values: marker name → value.
        pieces: (start in `text`, length in `text`, start in `original`, length there) of each replacement.
    """

    original: str
    text: str
    analysis: str
    values: dict[str, Any]
    pieces: tuple[tuple[int, int, int, int], ...] = ()

    def original_position(self, position: int) -> int:
        """Return the place in `original` of a place in `text`; inside a replacement, where that starts."""
        i = bisect_right([piece[0] for piece in self.pieces], position) - 1
        if i < 0:
            return min(position, len(self.original))
        start, length, original_start, original_length = self.pieces[i]
        if position < start + length:
            return original_start
        return min(position - start - length + original_start + original_length, len(self.original))


def bind_parameters(sql: str, parameters: Mapping[str, object] | None, dialect: Dialect = DUCKDB) -> BoundSql:
    """Replace the parameters of `sql`.

    Args:
        sql: one statement as the user wrote it.
        parameters: values by name; only names that the statement has are looked up.
        dialect: the engine's.

    Raises:
        ParameterError: a name without a value (near matches in the hint), a value that cannot be bound, a form
            other than ``!i`` and ``!t``, or DuckDB's numbered parameters.
    """
    tokens = tokenize(sql, dialect)
    binder = _Binder(sql, parameters or {}, dialect)
    for found in _references(sql, tokens):
        binder.replace(found, _list_context(tokens, found))
    return binder.finish()


def parameter_names(sql: str) -> tuple[str, ...]:
    """Return the names of the parameters of `sql`, in order, each once."""
    return tuple(dict.fromkeys(found.name for found in _references(sql, tokenize(sql))))


def written_parameters(sql: str, dialect: Dialect = DUCKDB) -> list[tuple[int, int, bool]]:
    """Return where the parameters of `sql` stand, in order: start, end, and whether it is a name, as of ``!i``."""
    return [(found.start, found.end, bool(found.form)) for found in _references(sql, tokenize(sql, dialect))]


@dataclass(frozen=True, slots=True)
class _Reference:
    name: str
    form: str
    start: int
    end: int
    first_token: int
    last_token: int


def _references(sql: str, tokens: list[Token]) -> Iterator[_Reference]:
    colons = _Colons()
    for i, token in enumerate(tokens):
        before = tokens[i - 1] if i else None
        if token.kind == "braces":
            yield _braced(sql, token, i)
        elif token.kind == "dollar":
            if token.text[1].isdigit():
                raise ParameterError(
                    f"numbered parameters such as {token.text} are not supported",
                    hint="name it: :name",
                    sql=sql,
                    position=token.start,
                )
            yield _Reference(token.text[1:], "", token.start, token.end, i, i)
        elif token.kind == "symbol" and token.text == ":" and colons.is_parameter(tokens, i):
            name = tokens[i + 1]
            yield _Reference(name.text, "", token.start, name.end, i, i + 1)
        colons.see(token, before)


def _braced(sql: str, token: Token, i: int) -> _Reference:
    found = _BRACED.fullmatch(token.text)
    if not found:
        raise ParameterError(
            f"{token.text} is not a parameter",
            hint="write {{name}} for a value, {{name!i}} for an identifier, {{name!t}} for a table",
            sql=sql,
            position=token.start,
        )
    return _Reference(found[1], (found[2] or "").lower(), token.start, token.end, i, i)


@dataclass(slots=True)
class _Colons:
    """Which brackets are open, to tell a parameter's colon from SQL's own.

    Each open bracket is "(", "[" (a list), "x[" (a subscript), "{" (a struct, at a key) or "{:" (past the key).
    """

    open: list[str] = field(default_factory=list)

    def see(self, token: Token, before: Token | None) -> None:
        """Take a token into account."""
        text = token.text if token.kind == "symbol" else ""
        if text == "(" or text == "{":
            self.open.append(text)
        elif text == "[":
            self.open.append("x[" if _is_operand(before) else "[")
        elif text in (")", "]", "}"):
            if self.open:
                self.open.pop()
        elif text == "," and self.open and self.open[-1] == "{:":
            self.open[-1] = "{"
        elif text == ":" and self.open and self.open[-1] == "{" and _is_operand(before):
            self.open[-1] = "{:"

    def is_parameter(self, tokens: list[Token], i: int) -> bool:
        """Whether the colon at `i` starts a parameter."""
        after = tokens[i + 1] if i + 1 < len(tokens) else None
        if after is None or after.kind != "word" or after.start != tokens[i].end:
            return False
        before = tokens[i - 1] if i else None
        if self.open and self.open[-1] == "x[" and before is not None and before.text == "[":
            return False  # x[:n] is a slice
        return not _is_operand(before)


def _is_operand(token: Token | None) -> bool:
    if token is None:
        return False
    if token.kind == "word":
        return token.upper not in _BEFORE_EXPRESSION
    if token.kind == "symbol":
        return token.text in (")", "]", "}")
    return True


def _list_context(tokens: list[Token], found: _Reference) -> str:
    """Return how a list is written there: "in" (bare, after IN), "only" or "element" (in IN's parentheses), ""."""
    i = found.first_token - 1
    if i >= 0 and tokens[i].upper == "IN":
        return "in"
    depth = 0
    while i >= 0:
        text = tokens[i].text if tokens[i].kind == "symbol" else ""
        if text in (")", "]", "}"):
            depth += 1
        elif text in ("(", "[", "{"):
            if depth == 0:
                is_in = text == "(" and i > 0 and tokens[i - 1].upper == "IN"
                return _element(tokens, found) if is_in else ""
            depth -= 1
        i -= 1
    return ""


def _element(tokens: list[Token], found: _Reference) -> str:
    before = tokens[found.first_token - 1].text
    after = tokens[found.last_token + 1].text if found.last_token + 1 < len(tokens) else ""
    if (before, after) == ("(", ")"):
        return "only"
    return "element" if before in ("(", ",") and after in (")", ",") else ""


class _Binder:
    def __init__(self, sql: str, parameters: Mapping[str, object], dialect: Dialect) -> None:
        self._sql = sql
        self._dialect = dialect
        self._parameters = parameters
        self._values: dict[str, Any] = {}
        self._markers: dict[str, str] = {}
        self._out: list[tuple[str, str]] = []
        self._pieces: list[tuple[int, int, int, int]] = []
        self._at = 0
        self._length = 0

    def replace(self, found: _Reference, context: str) -> None:
        value = self._value(found)
        if found.form:
            text = self._identifiers(found, value)
            self._emit(found, text, text)
        elif context and values.is_list(value):
            self._emit_list(found, value, context)
        else:
            marker = self._marker(found.name, value)
            self._emit(found, f"${marker}", f":{marker}")

    def finish(self) -> BoundSql:
        tail = self._sql[self._at :]
        text = "".join(piece[0] for piece in self._out) + tail
        analysis = "".join(piece[1] for piece in self._out) + tail
        return BoundSql(self._sql, text, analysis, self._values, tuple(self._pieces))

    def _emit(self, found: _Reference, text: str, analysis: str) -> None:
        between = self._sql[self._at : found.start]
        self._out += [(between, between), (text, analysis)]
        start = self._length + len(between)
        self._pieces.append((start, len(text), found.start, found.end - found.start))
        self._length = start + len(text)
        self._at = found.end

    def _emit_list(self, found: _Reference, elements: list[Any], context: str) -> None:
        if not elements:
            if context == "element":
                raise ParameterError(
                    f":{found.name} is an empty list beside other values of IN",
                    hint="join the lists in Python and write IN :name",
                    sql=self._sql,
                    position=found.start,
                )
            text = f"({_EMPTY_SET})" if context == "in" else _EMPTY_SET
            self._emit(found, text, text)
            return
        markers = [self._marker(f"{found.name}_{i}", value) for i, value in enumerate(elements, 1)]
        text, analysis = (", ".join(prefix + m for m in markers) for prefix in "$:")
        if context == "in":
            text, analysis = f"({text})", f"({analysis})"
        self._emit(found, text, analysis)

    def _marker(self, name: str, value: Any) -> str:
        # DuckDB folds the case of marker names, Python does not.
        marker, n = name, 0
        while marker.lower() in self._markers and self._markers[marker.lower()] != name:
            n += 1
            marker = f"{name}_{n}"
        self._markers[marker.lower()] = name
        self._values[marker] = value
        return marker

    def _value(self, found: _Reference) -> Any:
        try:
            value = self._parameters[found.name]
        except KeyError:
            raise self._missing(found) from None
        try:
            return values.bindable(found.name, value)
        except ParameterError as error:
            raise ParameterError(error.message, hint=error.hint, sql=self._sql, position=found.start) from None

    def _missing(self, found: _Reference) -> ParameterError:
        names = [str(name) for name in self._parameters if not str(name).startswith("_")]
        near = difflib.get_close_matches(found.name, names, n=3, cutoff=0.6)
        if near:
            hint = "did you mean " + " or ".join(f":{name}" for name in near) + "?"
        else:
            hint = f"define a variable {found.name}, or give --param {found.name}=…"
        return ParameterError(
            f"the parameter :{found.name} has no value", hint=hint, sql=self._sql, position=found.start
        )

    def _identifiers(self, found: _Reference, value: Any) -> str:
        names = value if values.is_list(value) else [value]
        if found.form not in ("i", "t") or not names or not all(_is_name(name) for name in names):
            what = (
                f"!{found.form} is not a quoting form"
                if found.form not in ("i", "t")
                else f"{{{{{found.name}!{found.form}}}}} needs a name, or a list of names"
            )
            raise ParameterError(
                what,
                hint="{{name!i}} takes identifiers, {{name!t}} a table such as 'demo.flights'",
                sql=self._sql,
                position=found.start,
            )
        quote = self._dialect.quote_identifier
        if found.form == "i":
            return ", ".join(map(quote, names))
        return ", ".join(".".join(map(quote, name.split(".", 1))) for name in names)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value != "" and "\0" not in value

"""``INSERT INTO namespace.set [(columns)] SELECT …``: told apart from the SELECT, which any engine then runs.

The SELECT keeps its place in the text: what belongs to the INSERT is blanked out, so that the engine's errors point to
where the user wrote what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aerospike_magic.engines.lexer import DUCKDB, Dialect, Token, tokenize
from aerospike_magic.errors import QueryError

_ROWS = ("SELECT", "WITH", "FROM", "VALUES", "TABLE", "PIVOT", "UNPIVOT")
_MAX_PARTS = 2


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT.

    Attributes:
        target: the set as the statement names it, ``namespace.set`` or ``set``.
        columns: names for the columns of the rows, in order; None where the SELECT names them.
        sql: the statement that gives the rows; each character at its place in the text.
        start: where INSERT stands in the text.
        target_start: where the set's name stands.
        reads_target: whether the rows may come from the set that they go to, as far as names tell.
    """

    target: str
    columns: tuple[str, ...] | None
    sql: str
    start: int
    target_start: int
    reads_target: bool


def split_insert(sql: str, dialect: Dialect = DUCKDB) -> Insert | None:
    """Return the INSERT that a statement is, or None if it is another statement.

    Args:
        sql: one statement.
        dialect: of the engine that is to run the SELECT.

    Raises:
        QueryError: an INSERT of a form that is not understood; it has the place.

    Example:
        >>> split_insert("INSERT INTO test.copy (__key, n) SELECT a, b FROM test.old").columns
        ('__key', 'n')
    """
    tokens = tokenize(sql, dialect)
    at = _find(tokens)
    if at is None:
        return None
    return _Reader(sql, tokens, at).read()


def _find(tokens: Sequence[Token]) -> int | None:
    """The place of INSERT: first, or behind a WITH's queries, which then stand before it."""
    if not tokens or tokens[0].upper not in ("INSERT", "WITH"):
        return None
    depth = 0
    for i, token in enumerate(tokens):
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.upper == "INSERT" and (i == 0 or tokens[i - 1].text == ")"):
            return i
    return None


class _Reader:
    """Reads the tokens of an INSERT from left to right."""

    def __init__(self, sql: str, tokens: Sequence[Token], at: int) -> None:
        self._sql = sql
        self._tokens = tokens
        self._start = tokens[at].start
        self._at = at + 1

    def read(self) -> Insert:
        """Return the whole."""
        if self._upper == "OVERWRITE" or self._upper == "OR":
            raise self._error(f"INSERT {self._upper} is not known here", "INSERT INTO with --mode says how to write")
        if self._upper != "INTO":
            raise self._error("INTO is missing behind INSERT", "INSERT INTO namespace.set SELECT …")
        self._at += 1
        if self._upper == "TABLE":
            self._at += 1
        target_start = self._place
        parts = self._name()
        columns = self._columns()
        if self._upper == "BY" and self._upper_at(1) == "NAME":
            self._at += 2
        if self._upper not in _ROWS and self._text != "(":
            raise self._error("a query is missing behind the set's name", "INSERT INTO namespace.set SELECT …")
        rows = self._tokens[self._at :]
        body = self._place
        blank = "".join(char if char.isspace() else " " for char in self._sql[self._start : body])
        before = [token for token in self._tokens if token.end <= self._start]
        named = {token.identifier.lower() for token in (*before, *rows)}
        return Insert(
            ".".join(parts),
            columns,
            self._sql[: self._start] + blank + self._sql[body:],
            self._start,
            target_start,
            parts[-1].lower() in named,
        )

    def _name(self) -> list[str]:
        parts: list[str] = []
        while True:
            token = self._token
            if token is None or not token.identifier:
                raise self._error("the name of a set is missing", "INSERT INTO namespace.set SELECT …")
            parts.append(token.identifier)
            self._at += 1
            if self._text != ".":
                break
            self._at += 1
        if len(parts) > _MAX_PARTS:
            self._at -= 1
            raise self._error(f"{'.'.join(parts)} is not the name of a set", "a set is named namespace.set")
        return parts

    def _columns(self) -> tuple[str, ...] | None:
        if self._text != "(" or self._upper_at(1) in _ROWS or self._text_at(1) == "(":
            return None
        names: list[str] = []
        while self._text in ("(", ","):
            self._at += 1
            token = self._token
            if token is None or not token.identifier:
                raise self._error("the name of a column is missing", "INSERT INTO namespace.set (a, b) SELECT …")
            if token.identifier in names:
                raise self._error(f"column {token.identifier} is named twice", "a record has one bin of a name")
            names.append(token.identifier)
            self._at += 1
        if self._text != ")":
            raise self._error("the list of columns is not closed", "INSERT INTO namespace.set (a, b) SELECT …")
        self._at += 1
        return tuple(names)

    @property
    def _token(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    @property
    def _text(self) -> str:
        return self._text_at(0)

    @property
    def _upper(self) -> str:
        return self._upper_at(0)

    @property
    def _place(self) -> int:
        return len(self._sql) if self._token is None else self._token.start

    def _text_at(self, offset: int) -> str:
        at = self._at + offset
        return self._tokens[at].text if at < len(self._tokens) else ""

    def _upper_at(self, offset: int) -> str:
        at = self._at + offset
        return self._tokens[at].upper if at < len(self._tokens) else ""

    def _error(self, message: str, hint: str) -> QueryError:
        return QueryError(message, hint=hint, sql=self._sql, position=self._place)

"""SQL text as tokens, as an engine's lexer cuts it: enough to find parameters, keywords and names, and to leave
strings, comments and dollar quotes alone.

Every token knows its place in the text, so that what is replaced can be mapped back. An unfinished string or
comment becomes a token that runs to the end: the engine says better than we could what is wrong with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

TokenKind = Literal["word", "quoted", "string", "number", "dollar", "braces", "symbol"]

_SPACE = re.compile(r"\s+")
_LINE_COMMENT = re.compile(r"--[^\n]*")
_BLOCK_EDGE = re.compile(r"/\*|\*/")
_STRING = re.compile(r"'(?:[^']|'')*(?:'|\Z)")
_ESCAPE_STRING = re.compile(r"[eE]'(?:[^'\\]|''|\\.)*(?:'|\Z)", re.DOTALL)
_PREFIX_STRING = re.compile(r"[xXbB]'(?:[^']|'')*(?:'|\Z)")
_QUOTED = re.compile(r'"(?:[^"]|"")*(?:"|\Z)')
_BACKTICKED = re.compile(r"`(?:[^`]|``)*(?:`|\Z)")
_ESCAPED = re.compile(r"""'(?:[^'\\]|\\.)*(?:'|\Z)|"(?:[^"\\]|\\.)*(?:"|\Z)""", re.DOTALL)
_RAW = re.compile(r"""[rR](?:'[^']*(?:'|\Z)|"[^"]*(?:"|\Z))""")
_DOLLAR_QUOTE = re.compile(r"\$(?:[^\W\d]\w*)?\$")
_DOLLAR_NAME = re.compile(r"\$\w+")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F_]+|0[bB][01_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?")
_WORD = re.compile(r"[^\W\d]\w*(?:\$\w*)?")
_BRACES = re.compile(r"\{\{([^{}]*)\}\}")
_SYMBOL = re.compile(r"::|:=|<=|>=|<>|!=|\|\||->>|->|=>|==|\^@|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How an engine writes names and strings.

    Attributes:
        name: sqlglot's name for it.
        quote: the character around a quoted name, doubled inside it.
        escapes: whether a backslash in a string takes the next character, and "…" is a string too.
        exclude: the word between a star and the columns that it leaves out; "" where there is none.
        has_nested_comments: whether a block comment inside another has to end, too.
        has_escape_strings: whether ``E'…'`` is a string with escapes.
    """

    name: str
    quote: str
    escapes: bool = False
    exclude: str = "EXCLUDE"
    has_nested_comments: bool = True
    has_escape_strings: bool = True

    def quote_identifier(self, name: str) -> str:
        """Return `name` as a quoted SQL identifier.

        >>> SPARK.quote_identifier("a`b")
        '`a``b`'
        """
        return self.quote + name.replace(self.quote, 2 * self.quote) + self.quote


DUCKDB = Dialect("duckdb", '"')
SPARK = Dialect("spark", "`", escapes=True, exclude="EXCEPT")
TRINO = Dialect("trino", '"', exclude="", has_nested_comments=False, has_escape_strings=False)
PRESTO = Dialect("presto", '"', exclude="", has_nested_comments=False, has_escape_strings=False)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of SQL text.

    Attributes:
        kind: "word" (name or keyword), "quoted" ("name"), "string", "number", "dollar" ($name), "braces"
            ({{…}}), "symbol".
        text: the text as written.
        start, end: its place, in characters; ``end`` is one past the last.
    """

    kind: TokenKind
    text: str
    start: int
    end: int

    @property
    def upper(self) -> str:
        """The text in capitals if it is a bare word, else "", to compare with a keyword."""
        return self.text.upper() if self.kind == "word" else ""

    @property
    def identifier(self) -> str:
        """The name that a word or quoted name stands for; "" for anything else."""
        if self.kind == "quoted":
            quote = self.text[0]
            return self.text[1:-1].replace(2 * quote, quote)
        return self.text if self.kind == "word" else ""


def tokenize(sql: str, dialect: Dialect = DUCKDB) -> list[Token]:
    """Return the tokens of `sql`, without white space and comments."""
    tokens: list[Token] = []
    at = 0
    while at < len(sql):
        skipped = _skip(sql, at, dialect)
        if skipped > at:
            at = skipped
            continue
        kind, end = _next(sql, at, dialect)
        tokens.append(Token(kind, sql[at:end], at, end))
        at = end
    return tokens


def statement_end(tokens: list[Token]) -> int:
    """Return where the statement ends: before its closing semicolons and comments."""
    rest = list(tokens)
    while rest and rest[-1].text == ";":
        rest.pop()
    return rest[-1].end if rest else 0


def _skip(sql: str, at: int, dialect: Dialect) -> int:
    found = _SPACE.match(sql, at) or _LINE_COMMENT.match(sql, at)
    if found:
        return found.end()
    return _block_end(sql, at, dialect) if sql.startswith("/*", at) else at


def _block_end(sql: str, at: int, dialect: Dialect) -> int:
    if not dialect.has_nested_comments:
        end = sql.find("*/", at + 2)
        return len(sql) if end < 0 else end + 2
    depth = 0
    for edge in _BLOCK_EDGE.finditer(sql, at):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(sql)


def _next(sql: str, at: int, dialect: Dialect) -> tuple[TokenKind, int]:
    char = sql[at]
    if char == dialect.quote:
        return "quoted", _end(_QUOTED if char == '"' else _BACKTICKED, sql, at)
    if char == "'" or (char == '"' and dialect.escapes):
        return "string", _end(_ESCAPED if dialect.escapes else _STRING, sql, at)
    if char == "$" and not dialect.escapes:
        return _dollar(sql, at)
    if char == "{" and (found := _BRACES.match(sql, at)):
        return "braces", found.end()
    if char.isdigit() or (char == "." and sql[at + 1 : at + 2].isdigit()):
        return "number", _end(_NUMBER, sql, at)
    first = _RAW if dialect.escapes else _ESCAPE_STRING if dialect.has_escape_strings else _PREFIX_STRING
    for prefixed in (first, _PREFIX_STRING):
        if found := prefixed.match(sql, at):
            return "string", found.end()
    if found := _WORD.match(sql, at):
        return "word", found.end()
    return "symbol", _end(_SYMBOL, sql, at)


def _dollar(sql: str, at: int) -> tuple[TokenKind, int]:
    if opening := _DOLLAR_QUOTE.match(sql, at):
        closing = sql.find(opening.group(), opening.end())
        return "string", len(sql) if closing < 0 else closing + len(opening.group())
    if name := _DOLLAR_NAME.match(sql, at):
        return "dollar", name.end()
    return "symbol", at + 1


def _end(pattern: re.Pattern[str], sql: str, at: int) -> int:
    found = pattern.match(sql, at)
    return found.end() if found else at + 1

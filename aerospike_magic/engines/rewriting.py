"""A statement's text with parts of it replaced, and the way back to the text as the user wrote it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aerospike_magic.engines.lexer import Token
from aerospike_magic.engines.names import TableName
from aerospike_magic.engines.parameters import BoundSql

Edit = tuple[int, int, str]
"""Start and end in the text, and what to write there."""

_QUALIFIED = 2


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A statement's text with other names for its tables, and the way back."""

    text: str
    _bound: BoundSql
    _back: BoundSql

    def original_position(self, position: int) -> int:
        """Return the place in the text as the user wrote it of a place in `text`."""
        return self._bound.original_position(self._back.original_position(position))


def edited(text: str, bound: BoundSql, edits: Iterable[Edit]) -> Rewritten:
    """Return a text with replacements, none of which overlap.

    Args:
        text: the beginning of the bound text, or all of it.
        bound: where the text comes from.
        edits: what to replace.
    """
    out: list[str] = []
    pieces: list[tuple[int, int, int, int]] = []
    at = length = 0
    for start, end, new in sorted(edits):
        out += [text[at:start], new]
        length += start - at
        pieces.append((length, len(new), start, end - start))
        length += len(new)
        at = end
    rewritten = "".join(out) + text[at:]
    return Rewritten(rewritten, bound, BoundSql(text, rewritten, rewritten, {}, tuple(pieces)))


def dotted_names(tokens: Sequence[Token]) -> list[tuple[int, list[Token]]]:
    """Return names joined by dots, each with the index of its first token."""
    found = []
    i = 0
    while i < len(tokens):
        if not tokens[i].identifier or (i and tokens[i - 1].text == "."):
            i += 1
            continue
        parts, start = [tokens[i]], i
        while i + 2 < len(tokens) and tokens[i + 1].text == "." and tokens[i + 2].identifier:
            parts.append(tokens[i + 2])
            i += 2
        found.append((start, parts))
        i += 1
    return found


def shortened_columns(tokens: Sequence[Token], tables: Sequence[TableName]) -> list[Edit]:
    """Return the edits that take the namespace from ``namespace.set.column``: an alias has none.

    Args:
        tokens: of the statement.
        tables: the sets that it reads, as it names them; those without a namespace do not matter.
    """
    pairs = {tuple(map(str.lower, table.parts)) for table in tables if len(table.parts) == _QUALIFIED}
    starts = {table.start for table in tables}
    found = []
    for i, parts in dotted_names(tokens):
        pair = tuple(token.identifier.lower() for token in parts[:_QUALIFIED])
        after = i + 2 * _QUALIFIED - 1
        is_column = len(parts) > _QUALIFIED or (after < len(tokens) and tokens[after].text == ".")
        if pair in pairs and is_column and parts[0].start not in starts:
            found.append((parts[0].start, parts[1].start, ""))
    return found

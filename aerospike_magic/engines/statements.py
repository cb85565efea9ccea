"""What every engine looks for in a statement before it runs: that it is one, and that it only reads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from aerospike_magic.engines.lexer import Token
from aerospike_magic.errors import QueryError

if TYPE_CHECKING:
    from aerospike_magic.engines.parameters import BoundSql

_WRITES = (("INSERT", "INTO"), ("INSERT", "OVERWRITE"), ("DELETE", "FROM"), ("MERGE", "INTO"))


def check_single(bound: BoundSql, tokens: Sequence[Token]) -> None:
    """Look whether a text is one statement.

    Raises:
        QueryError: there is none, or more than one.
    """
    words = [token for token in tokens if token.text != ";"]
    if not words:
        raise QueryError("there is no statement", hint="write a SELECT", sql=bound.original, position=0)
    for token, after in pairwise(tokens):
        if token.text == ";" and token.kind == "symbol" and after.text != ";":
            raise QueryError(
                "only one statement runs at a time",
                hint="give each its own cell",
                sql=bound.original,
                position=bound.original_position(after.start),
            )


def find_write(tokens: Sequence[Token]) -> Token | None:
    """Return the first word of a part that writes, wherever it is, None for none."""
    return next((t for t, after in pairwise(tokens) if (t.upper, after.upper) in _WRITES), None)

"""Filter expressions (being written)."""

from __future__ import annotations

from aerospike_magic.devserver.store import Record


class ExpressionError(Exception):
    """An expression that the server refuses, with its result code."""

    def __init__(self, message: str, code: int = 4) -> None:
        super().__init__(message)
        self.code = code


class Expression:
    """A parsed expression."""

    def matches(self, record: Record) -> bool:
        """Say whether a record passes."""
        raise NotImplementedError


def parse_expression(data: bytes) -> Expression:
    """Parse a wire expression."""
    raise ExpressionError("filter expressions are not there yet", 16)

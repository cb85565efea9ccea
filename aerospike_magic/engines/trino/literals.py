"""Python values as Trino's and Presto's literals, exact and closed in themselves.

Neither server takes named values beside a statement, and what they take, ``EXECUTE … USING``, is literals again. So a
value is written into the statement, at the place of its marker. Nothing in a value can end its literal: text is quoted
with its quotes doubled, which is all that these servers' lexers look for; everything else is digits, or is refused.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
import uuid
from collections.abc import Mapping
from typing import Any

from aerospike_magic.engines.trino.flavor import Flavor
from aerospike_magic.errors import ParameterError

_INTEGER = 2**31
_BIGINT = 2**63
_DECIMAL_DIGITS = 38


def literal(name: str, value: Any, flavor: Flavor) -> str:
    """Return a bound value as SQL.

    Args:
        name: the parameter's, for errors.
        value: of `engines.values.bindable`.
        flavor: whose SQL.

    Raises:
        ParameterError: the server has no literal that is this value.

    >>> from aerospike_magic.engines.trino.flavor import TRINO
    >>> literal("name", "O'Hara", TRINO)
    "'O''Hara'"
    """
    return _Writer(name, flavor).write(value)[0]


class _Writer:
    """Writes values as SQL, each with its type, which a row's fields need."""

    def __init__(self, name: str, flavor: Flavor) -> None:
        self._name = name
        self._flavor = flavor

    def write(self, value: Any) -> tuple[str, str]:
        """Return a literal and its type; the type of NULL and of an empty list is "unknown"."""
        if value is None:
            return "NULL", "unknown"
        if isinstance(value, bool):
            return ("TRUE" if value else "FALSE"), "boolean"
        if isinstance(value, int):
            return self._integer(value)
        if isinstance(value, float):
            text = repr(value) if math.isfinite(value) else "NaN" if math.isnan(value) else _infinity(value)
            return f"DOUBLE '{text}'", "double"
        if isinstance(value, str):
            return self._text(value), "varchar"
        if isinstance(value, bytes):
            return f"X'{value.hex().upper()}'", "varbinary"
        if isinstance(value, decimal.Decimal):
            return self._decimal(value)
        if isinstance(value, uuid.UUID):
            return f"UUID '{value}'", "uuid"
        if isinstance(value, list):
            return self._list(value)
        if isinstance(value, Mapping):
            return self._row(value)
        return self._moment(value)

    def _integer(self, value: int) -> tuple[str, str]:
        if -_BIGINT < value < _BIGINT:
            # In parentheses, since two minus signs in a row begin a comment.
            kind = "integer" if -_INTEGER < value < _INTEGER else "bigint"
            return (str(value) if value >= 0 else f"({value})"), kind
        if value == -_BIGINT:
            return f"BIGINT '{value}'", "bigint"
        return self._decimal(decimal.Decimal(value))

    def _text(self, value: str) -> str:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise self._error("text that is not Unicode (half a surrogate pair)") from None
        return "'" + value.replace("'", "''") + "'"

    def _decimal(self, value: decimal.Decimal) -> tuple[str, str]:
        if not value.is_finite():
            raise self._error(f"the decimal {value}")
        text = format(value, "f")
        whole, _, fraction = text.lstrip("-").partition(".")
        digits = len(whole.lstrip("0")) + len(fraction)
        if digits > _DECIMAL_DIGITS:
            raise self._error(f"a decimal of {digits} digits", f"{self._flavor.title} has {_DECIMAL_DIGITS}")
        return f"DECIMAL '{text}'", f"decimal({max(1, digits)}, {len(fraction)})"

    def _moment(self, value: Any) -> tuple[str, str]:
        if isinstance(value, dt.datetime):
            zone = ""
            if value.tzinfo is not None:
                value, zone = value.astimezone(dt.UTC).replace(tzinfo=None), " UTC"
            text = f"{value.date().isoformat()} {self._clock(value.time())}{zone}"
            kind = f"timestamp({min(6, self._flavor.digits)})" if self._flavor.digits > 3 else "timestamp"
            return f"TIMESTAMP '{text}'", kind + (" with time zone" if zone else "")
        if isinstance(value, dt.date):
            return f"DATE '{value.isoformat()}'", "date"
        if isinstance(value, dt.time):
            if value.tzinfo is not None:
                raise self._error("a time of day with a zone", "bind a datetime")
            kind = f"time({min(6, self._flavor.digits)})" if self._flavor.digits > 3 else "time"
            return f"TIME '{self._clock(value)}'", kind
        if isinstance(value, dt.timedelta):
            return self._interval(value)
        raise self._error(f"a {type(value).__name__}")

    def _clock(self, value: dt.time) -> str:
        digits = self._flavor.digits
        if digits <= 3 and value.microsecond % 1000:
            raise self._error("a time with microseconds", f"{self._flavor.title} has milliseconds")
        text = value.isoformat("milliseconds" if digits <= 3 else "microseconds")
        return text if value.microsecond else text.partition(".")[0]

    def _interval(self, value: dt.timedelta) -> tuple[str, str]:
        if value.microseconds % 1000:
            raise self._error("an interval with microseconds", f"{self._flavor.title} has milliseconds")
        size = abs(value)
        minutes, seconds = divmod(size.seconds, 60)
        hours, minutes = divmod(minutes, 60)
        text = f"{size.days} {hours:02}:{minutes:02}:{seconds:02}.{size.microseconds // 1000:03}"
        sign = "-" if value < dt.timedelta(0) else ""
        return f"INTERVAL {sign}'{text}' DAY TO SECOND", "interval day to second"

    def _list(self, values: list[Any]) -> tuple[str, str]:
        written = [self.write(value) for value in values]
        kinds = {kind for _, kind in written} - {"unknown"}
        kind = kinds.pop() if len(kinds) == 1 else _wider(kinds)
        return f"ARRAY[{', '.join(text for text, _ in written)}]", f"array({kind})"

    def _row(self, fields: Mapping[str, Any]) -> tuple[str, str]:
        if not fields:
            raise self._error("an empty dict", "a row has fields")
        written = {name: self.write(value) for name, value in fields.items()}
        kinds = ", ".join(f"{_quoted(name)} {_known(kind)}" for name, (_, kind) in written.items())
        kind = f"ROW({kinds})"
        return f"CAST(ROW({', '.join(text for text, _ in written.values())}) AS {kind})", kind

    def _error(self, what: str, hint: str = "") -> ParameterError:
        return ParameterError(f":{self._name} is {what}, which {self._flavor.title} has no value for", hint=hint)


def _infinity(value: float) -> str:
    return "Infinity" if value > 0 else "-Infinity"


def _wider(kinds: set[str]) -> str:
    """The type of a list's elements, as the server would find it."""
    if kinds <= {"integer", "bigint"}:
        return "bigint" if kinds else "unknown"
    return "double" if kinds <= {"integer", "bigint", "double"} else sorted(kinds)[0]


def _known(kind: str) -> str:
    """A type that a field may have: one of NULL has none of its own."""
    return kind.replace("unknown", "varchar")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

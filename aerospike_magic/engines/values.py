"""Python values as values that an engine binds.

Invariant: what is bound has the same value and, where DuckDB has it, the same type; anything else raises instead of
being turned into text.
"""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Mapping
from typing import Any

from aerospike_magic.errors import ParameterError

_PLAIN = (
    bool,
    float,
    str,
    bytes,
    dt.datetime,
    dt.date,
    dt.time,
    dt.timedelta,
    decimal.Decimal,
    uuid.UUID,
)
_HUGEINT_BITS = 127


def bindable(name: str, value: Any) -> Any:
    """Return `value` as engines take it: a plain Python value, or a list or dict of such.

    numpy and pandas scalars become Python's; NaT, NA become None; tuples, sets, arrays, Series and Arrow arrays become
    lists.

    Raises:
        ParameterError: a value of a type that cannot be bound, or an integer beyond 128 bits.
    """
    if value is None or type(value) in _PLAIN:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return _integer(name, int(value))
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, Mapping):
        return _struct(name, value)
    if isinstance(value, list | tuple | set | frozenset | range):
        return [bindable(name, item) for item in value]
    return _foreign(name, value)


def is_list(value: object) -> bool:
    """Whether a bound value is a list, so that ``IN :name`` takes its elements."""
    return isinstance(value, list)


def _integer(name: str, value: int) -> int:
    if value.bit_length() > _HUGEINT_BITS:
        raise ParameterError(f":{name} is an integer of {value.bit_length()} bits, and SQL has 128")
    return value


def _struct(name: str, value: Mapping[Any, Any]) -> dict[str, Any]:
    if not all(isinstance(key, str) for key in value):
        raise ParameterError(f":{name} is a dict whose keys are not all strings, and a struct needs names")
    return {key: bindable(name, item) for key, item in value.items()}


def _foreign(name: str, value: Any) -> Any:
    module = type(value).__module__.partition(".")[0]
    if module == "pandas":
        return _pandas(name, value)
    if module == "numpy":
        return _numpy(name, value)
    if module in ("pyarrow", "polars"):
        for method in ("as_py", "to_pylist", "to_list"):
            if hasattr(value, method):
                return bindable(name, getattr(value, method)())
    if isinstance(value, _PLAIN):
        return value
    raise ParameterError(
        f":{name} is a {type(value).__name__}, which is not a value that can be bound",
        hint="bind numbers, text, bytes, dates, None, or lists and dicts of them; FROM takes DataFrames",
    )


def _pandas(name: str, value: Any) -> Any:
    kind = type(value).__name__
    if kind in ("NAType", "NaTType"):
        return None
    if kind == "Timestamp":
        return value.to_pydatetime(warn=False)
    if kind == "Timedelta":
        return value.to_pytimedelta()
    if hasattr(value, "tolist") and getattr(value, "ndim", 0) == 1:
        return [None if _is_missing(item) else bindable(name, item) for item in value.tolist()]
    raise ParameterError(
        f":{name} is a {kind}, which is not a value that can be bound",
        hint=f"a DataFrame is a table: FROM {name}; a column of it is a list",
    )


def _is_missing(item: Any) -> bool:
    return item is None or type(item).__name__ in ("NAType", "NaTType")


def _numpy(name: str, value: Any) -> Any:
    if getattr(value, "ndim", 0):
        return [bindable(name, item) for item in value]
    kind = value.dtype.kind
    if kind in "mM":
        if str(value) == "NaT":
            return None
        # Nanoseconds have no Python type; microseconds do, and they are SQL's.
        return value.astype("datetime64[us]" if kind == "M" else "timedelta64[us]").item()
    return bindable(name, value.item())

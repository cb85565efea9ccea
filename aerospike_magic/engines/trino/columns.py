"""The values of a page, as its JSON has them, as Arrow arrays: a whole column at a time, nested ones too.

Trino writes a value as JSON's nearest: text for decimals, dates and bytes (base64), an array for a row, an object for
a map, "NaN" and "Infinity" as text. Numbers, booleans and text go to Arrow as they are; the rest is parsed by Arrow's
own kernels. A list is flattened, its elements are converted as one column, and its offsets put on again.

Invariant: a value arrives exactly, or `QueryError` says which type cannot and what to cast it to.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from collections.abc import Callable, Sequence
from itertools import accumulate, chain
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aerospike_magic.engines.trino.types import SqlType
from aerospike_magic.errors import QueryError

Values = Sequence[Any]

_OFFSET = re.compile(r"[+-]\d\d:\d\d$")
_INTERVAL = re.compile(r"(-?)(?:(\d+) )?(\d+):(\d\d):(\d\d)\.(\d{3})$")
_MONTHS = re.compile(r"(-?)(\d+)-(\d+)$")
_FRACTIONS = {"us": 10**6, "ns": 10**9}
_TRUE = {"true": True, "false": False}


def to_arrow(values: Values, kind: SqlType) -> pa.Array:
    """Return a column's values as an Arrow array of the type's own.

    Args:
        values: as they were in the JSON; None for NULL.
        kind: their type.

    Raises:
        QueryError: one that the Arrow type cannot hold.
    """
    try:
        if kind.arrow == pa.binary():
            return _binary(values)
        if kind.arrow == pa.string():
            return _text(values)
        return _CONVERTERS.get(kind.name, _plain)(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, OverflowError, TypeError) as error:
        raise QueryError(
            f"a value of type {kind.name} cannot be held exactly: {str(error).splitlines()[0]}",
            hint="cast the column to varchar, or to a type with fewer digits",
        ) from None


def _plain(values: Values, kind: SqlType) -> pa.Array:
    return pa.array(values, kind.arrow)


def _text(values: Values) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([v if v is None or isinstance(v, str) else json.dumps(v) for v in values], pa.string())


def _float(values: Values, kind: SqlType) -> pa.Array:
    try:
        return pa.array(values, kind.arrow)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if v is None else float(v) for v in values], kind.arrow)


def _decimal(values: Values, kind: SqlType) -> pa.Array:
    return pa.array(values, pa.string()).cast(kind.arrow)


def _moment(values: Values, kind: SqlType) -> pa.Array:
    """Dates, and timestamps without a zone."""
    return _moments(values, kind.arrow)


def _moments(values: Values, arrow: pa.DataType) -> pa.Array:
    texts = pa.array(values, pa.string())
    try:
        return texts.cast(arrow)
    except pa.ArrowInvalid:  # a year before 1 or after 9999
        if pa.types.is_date(arrow):
            days = [None if v is None else _since_epoch(v, "D") for v in values]
            return pa.array(days, pa.int32()).cast(arrow)
        since = [None if v is None else _fractions(v, _FRACTIONS[arrow.unit]) for v in values]
        return pa.array(since, pa.int64()).cast(arrow)


def _fractions(text: str, per_second: int) -> int:
    """Microseconds or nanoseconds since 1970, as an integer of any size: what is too large shows when it is stored."""
    whole, _, fraction = text.partition(".")
    digits = len(str(per_second)) - 1
    return _since_epoch(whole, "s") * per_second + int(fraction.ljust(digits, "0") or 0)


def _since_epoch(text: str, unit: Literal["D", "s"]) -> int:
    return int(np.datetime64(text.lstrip("+").replace(" ", "T"), unit).astype(int))


def _time(values: Values, kind: SqlType) -> pa.Array:
    texts = pc.binary_join_element_wise("1970-01-01", pa.array(values, pa.string()), " ")
    return texts.cast(pa.timestamp(kind.arrow.unit)).cast(kind.arrow)


def _binary(values: Values) -> pa.Array:
    decode = base64.b64decode
    return pa.array([None if v is None else decode(v) for v in values], pa.binary())


def _instant(values: Values, kind: SqlType) -> pa.Array:
    """``2020-01-01 00:00:00.000 Europe/Berlin``: zones may differ from row to row."""
    naive = pa.timestamp(kind.arrow.unit)
    texts, zones = [], []
    for value in values:
        text, zone = (None, None) if value is None else value.rsplit(" ", 1)
        texts.append(text)
        zones.append(zone)
    local = _moments(texts, naive)
    known = {zone for zone in zones if zone is not None}
    if known <= {"UTC", "Z"}:
        return local.cast(kind.arrow)
    column = pa.array(zones, pa.string())
    found = pa.nulls(len(values), kind.arrow)
    for zone in known:
        # An hour that a zone has twice is the first of both: the text does not say which.
        name = zone if _OFFSET.match(zone) or zone != "Z" else "UTC"
        at = pc.assume_timezone(local, name, ambiguous="earliest", nonexistent="latest").cast(kind.arrow)
        found = pc.if_else(pc.equal(column, zone), at, found)
    return found


def _interval(values: Values, kind: SqlType) -> pa.Array:
    return pa.array([None if v is None else _microseconds(v) for v in values], pa.int64()).cast(pa.duration("us"))


def _microseconds(text: str) -> int:
    found = _INTERVAL.match(text)
    if found is None:
        raise ValueError(f"{text!r} is no interval")
    sign, days, hours, minutes, seconds, milliseconds = found.groups()
    whole = dt.timedelta(int(days or 0), int(seconds), 0, int(milliseconds), int(minutes), int(hours))
    return (-1 if sign else 1) * (whole // dt.timedelta(microseconds=1))


def _months(values: Values, kind: SqlType) -> pa.Array:
    found: list[Any] = []
    for value in values:
        match = None if value is None else _MONTHS.match(value)
        if match is None:
            found.append(None)
            continue
        months = 12 * int(match[2]) + int(match[3])
        found.append(pa.MonthDayNano([-months if match[1] else months, 0, 0]))
    return pa.array(found, kind.arrow)


def _read(values: Values) -> Values:
    """Nested values; Presto writes them as JSON text."""
    return [json.loads(v) if isinstance(v, str) else v for v in values]


def _list(values: Values, kind: SqlType) -> pa.Array:
    values = _read(values)
    flat = list(chain.from_iterable(v for v in values if v is not None))
    return pa.ListArray.from_arrays(_offsets(values), to_arrow(flat, kind.children[0]), type=kind.arrow)


def _map(values: Values, kind: SqlType) -> pa.Array:
    values = _read(values)
    maps = [v for v in values if v is not None]
    key, value = kind.children
    keys = to_arrow(_keys(list(chain.from_iterable(maps)), key), key)
    items = to_arrow(list(chain.from_iterable(v.values() for v in maps)), value)
    return pa.MapArray.from_arrays(_offsets(values), keys, items, type=kind.arrow)


def _keys(keys: list[str], kind: SqlType) -> Values:
    """JSON's keys are text, whatever the map's are."""
    if pa.types.is_integer(kind.arrow):
        return [int(key) for key in keys]
    if pa.types.is_floating(kind.arrow):
        return [float(key) for key in keys]
    if kind.name == "boolean":
        return [_TRUE[key] for key in keys]
    if kind.children:
        raise ValueError(f"a map whose keys are of type {kind.name}")
    return keys


def _row(values: Values, kind: SqlType) -> pa.Array:
    values = _read(values)
    width = len(kind.children)
    nothing = (None,) * width
    columns = list(zip(*(nothing if v is None else v for v in values), strict=True)) or [()] * width
    arrays = [to_arrow(column, child) for column, child in zip(columns, kind.children, strict=True)]
    mask = pa.array([v is None for v in values], pa.bool_())
    return pa.StructArray.from_arrays(arrays, fields=list(kind.arrow), mask=mask)


def _offsets(values: Values) -> pa.Array:
    """Where each list begins and the last ends; NULL for one that is NULL."""
    offsets: list[int | None] = [0, *accumulate(0 if v is None else len(v) for v in values)]
    for i, value in enumerate(values):
        if value is None:
            offsets[i] = None
    return pa.array(offsets, pa.int32())


_CONVERTERS: dict[str, Callable[[Values, SqlType], pa.Array]] = {
    "real": _float,
    "double": _float,
    "decimal": _decimal,
    "date": _moment,
    "time": _time,
    "timestamp": _moment,
    "timestamp with time zone": _instant,
    "interval day to second": _interval,
    "interval year to month": _months,
    "array": _list,
    "map": _map,
    "row": _row,
}

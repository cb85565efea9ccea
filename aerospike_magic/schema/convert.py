"""Raw particles to an Arrow array of a column's type: the way of nested and mixed columns.

Plain columns are read by the scan's own kernels. Everything else comes here: each particle is decoded and
fitted to the column's type; what does not fit becomes NULL, and its row is told. Lists, maps, structs and JSON
go through compiled kernels as soon as these are there; what those leave, and all until then, is done one by one.

Nothing is ever squeezed: an integer fits a double only when it is exactly one, a string fits only when it is
UTF-8, a map fits a struct only when the struct has all of its keys, and anything at all fits JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aerospike_magic.errors import WireError
from aerospike_magic.schema.json_column import json_array
from aerospike_magic.schema.json_text import json_text, short_text
from aerospike_magic.schema.nested import NestedDecoder, kernels_ready, nested_decoder
from aerospike_magic.schema.type_text import Kind, kind_of
from aerospike_magic.schema.types import Column
from aerospike_magic.wire.particle import decode_particle
from aerospike_magic.wire.values import GeoJSON, MapPairs, RawString

Fit = Callable[[Any], Any]


class _Misfit(Exception):
    """A value does not fit; never leaves this module."""


def convert_column(
    column: Column, particle_types: npt.NDArray[np.uint8], payloads: pa.Array
) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """Turn the particles of one bin into an Arrow array.

    Args:
        column: what to read them as.
        particle_types: one particle type a row, 0 where the record has no such bin.
        payloads: binary or large_binary, as long: the particles' bytes, null where there is no bin.

    Returns:
        (array of the column's type, one value a row; ascending rows whose particle did not fit and is NULL).
    """
    if column.kind >= Kind.LIST and kernels_ready() and NestedDecoder.can_decode(column.type):
        decoded = nested_decoder(column.type).decode(particle_types, payloads)
        if decoded is not None:
            return _settle(column, particle_types, payloads, *decoded)
    if column.kind is Kind.JSON and kernels_ready():
        decoded = json_array(particle_types, payloads)
        if decoded is not None:
            return _settle(column, particle_types, payloads, *decoded)
    return convert_one_by_one(column, particle_types, payloads)


def convert_one_by_one(
    column: Column, particle_types: npt.NDArray[np.uint8], payloads: pa.Array
) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """Do what `convert_column` does, for any column, in plain Python: the reference for the kernels."""
    fit = fitting(column)
    values: list[Any] = []
    misfits: list[int] = []
    for row, (kind, payload) in enumerate(zip(particle_types.tolist(), payloads.to_pylist(), strict=True)):
        if kind == 0 or payload is None:
            values.append(None)
            continue
        try:
            values.append(fit(decode_particle(kind, payload)))
        except (_Misfit, WireError):
            values.append(None)
            misfits.append(row)
    return pa.array(values, type=column.type), np.array(misfits, dtype=np.int64)


def _settle(
    column: Column,
    particle_types: npt.NDArray[np.uint8],
    payloads: pa.Array,
    array: pa.Array,
    left: npt.NDArray[np.int64],
) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """Decide about the rows that the kernels left, and put those that fit in their place."""
    if not len(left):
        return array, left
    others, misfits = convert_one_by_one(column, particle_types[left], payloads.take(pa.array(left)))
    if len(misfits) == len(left):
        return array, left
    order = np.arange(len(array))
    order[left] = len(array) + np.arange(len(left))
    return pa.concat_arrays([array, others]).take(pa.array(order)), left[misfits]


def fits(column: Column, value: Any) -> bool:
    """Whether a decoded value (not None) is represented by the column as it is."""
    try:
        fitting(column)(value)
    except _Misfit:
        return False
    return True


def fitting(column: Column) -> Fit:
    """Return the function that turns a decoded value into one that `pyarrow.array` takes for the column."""
    if column.kind is Kind.JSON:
        return json_text
    if column.kind is Kind.GEOJSON:
        return _fit_geojson
    return _fitting(column.type)


def describe_particle(particle_type: int, payload: bytes) -> str:
    """Return a value as one short line of text, for reports of mismatches; never raises."""
    try:
        text = short_text(decode_particle(particle_type, payload))
    except WireError as error:
        return f"unreadable particle of type {particle_type} ({error.message})"
    return text


def _fitting(dtype: pa.DataType) -> Fit:
    kind = kind_of(dtype)
    if kind is Kind.LIST:
        return _fitting_list(_nullable(_fitting(dtype.value_type)))
    if kind is Kind.MAP:
        fit_key = _fit_integer if pa.types.is_int64(dtype.key_type) else _fit_string
        return _fitting_map(fit_key, _nullable(_fitting(dtype.item_type)))
    if kind is Kind.STRUCT:
        return _fitting_struct({field.name: _nullable(_fitting(field.type)) for field in dtype})
    return _SCALARS[kind]


def _nullable(fit: Fit) -> Fit:
    return lambda value: None if value is None else fit(value)


def _fitting_list(fit: Fit) -> Fit:
    def fit_list(value: Any) -> Any:
        if not isinstance(value, list):
            raise _Misfit
        return [fit(item) for item in value]

    return fit_list


def _fitting_map(fit_key: Fit, fit: Fit) -> Fit:
    def fit_map(value: Any) -> Any:
        if isinstance(value, dict):
            return [(fit_key(key), fit(item)) for key, item in value.items()]
        if isinstance(value, MapPairs):
            return [(fit_key(key), fit(item)) for key, item in value]
        raise _Misfit

    return fit_map


def _fitting_struct(fields: Mapping[str, Fit]) -> Fit:
    def fit_struct(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _Misfit
        fitted = {}
        for key, item in value.items():
            fit = fields.get(key) if type(key) is str else None
            if fit is None:
                raise _Misfit
            fitted[key] = fit(item)
        return fitted

    return fit_struct


def _fit_integer(value: Any) -> Any:
    if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
        raise _Misfit
    return value


def _fit_double(value: Any) -> Any:
    if type(value) is float:
        return value
    if type(value) is int and int(float(value)) == value:
        return float(value)
    raise _Misfit


def _fit_string(value: Any) -> Any:
    # Not a subclass: a GeoJSON inside a list would come back as a plain string.
    if type(value) is not str:
        raise _Misfit
    return value


def _fit_bool(value: Any) -> Any:
    if type(value) is not bool:
        raise _Misfit
    return value


def _fit_binary(value: Any) -> Any:
    if not isinstance(value, bytes) or isinstance(value, RawString):
        raise _Misfit
    return value


def _fit_geojson(value: Any) -> Any:
    if not isinstance(value, GeoJSON):
        raise _Misfit
    return str(value)


_SCALARS: Mapping[Kind, Fit] = {
    Kind.INT64: _fit_integer,
    Kind.DOUBLE: _fit_double,
    Kind.STRING: _fit_string,
    Kind.BOOL: _fit_bool,
    Kind.BINARY: _fit_binary,
}

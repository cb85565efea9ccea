"""Which columns can be written, and what a record batch's columns are to the kernels.

Integers, doubles, booleans, strings and bytes are read where they stand in Arrow's buffers; narrower or indirect forms
of them are cast first; lists, maps and structs are encoded value by value, and then are bytes like any others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from aerospike_magic.errors import SchemaError, WireError
from aerospike_magic.wire.particle import encode_particle
from aerospike_magic.wire.particle_type import ParticleType
from aerospike_magic.write import kernels
from aerospike_magic.write.options import WriteOptions

_MAX_BIN_NAME = 15
_DIRECT: dict[pa.DataType, tuple[int, int]] = {
    pa.int64(): (kernels.K_INT64, ParticleType.INTEGER),
    pa.float64(): (kernels.K_DOUBLE, ParticleType.DOUBLE),
    pa.bool_(): (kernels.K_BOOL, ParticleType.BOOL),
    pa.string(): (kernels.K_BYTES32, ParticleType.STRING),
    pa.large_string(): (kernels.K_BYTES64, ParticleType.STRING),
    pa.binary(): (kernels.K_BYTES32, ParticleType.BLOB),
    pa.large_binary(): (kernels.K_BYTES64, ParticleType.BLOB),
    pa.null(): (kernels.K_NULL, ParticleType.NULL),
}
_SMALL_INTEGERS = frozenset((pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16(), pa.uint32()))
_FLOATS = frozenset((pa.float16(), pa.float32()))


@dataclass(frozen=True)
class WireColumn:
    """A column as the kernels see it; the array keeps the memory alive.

    Attributes:
        array: of one of the direct types.
        kind: see `kernels`.
        particle: the particle type of its values.
        values, data, validity: addresses of the array's buffers, 0 where there is none.
        shift: index of the array's first row in them.
        misfits: row → why its value cannot be written; it is NULL in `array`.
    """

    array: pa.Array
    kind: int
    particle: int
    values: int
    data: int
    validity: int
    shift: int
    misfits: Mapping[int, str] = field(default_factory=dict)


def check_columns(schema: pa.Schema, options: WriteOptions) -> None:
    """Look whether rows of a schema can be written.

    Raises:
        SchemaError: the key's column is not there or cannot be a key, or a column cannot be a bin; the hint says what
            to do.
    """
    doubled = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if doubled:
        raise SchemaError(f"there are several columns {doubled[0]!r}", hint="a record has one bin of a name")
    _check_key(schema, options)
    for name in (options.ttl_column, options.generation_column):
        if name is not None and name in schema.names and not _is_integer(schema.field(name).type):
            raise SchemaError(f"column {name} is {schema.field(name).type}", hint="it has to be an integer")
    if options.generation_policy != "none" and options.generation_column not in schema.names:
        raise SchemaError(
            f"there is no column {options.generation_column!r} with the generations to expect",
            hint=f"columns: {', '.join(schema.names)}",
        )
    bins = [column for column in schema if column.name not in options.left_out]
    if not bins:
        raise SchemaError("no column is left to become a bin", hint="a record needs at least one bin")
    for column in bins:
        if not 1 <= len(column.name.encode()) <= _MAX_BIN_NAME:
            raise SchemaError(f"{column.name!r} cannot be the name of a bin", hint="bin names have 1 to 15 bytes")
        unfit = _unfit(column.type)
        if unfit is not None:
            raise SchemaError(f"column {column.name} has {unfit}, which no bin can hold", hint="cast it first")


def _check_key(schema: pa.Schema, options: WriteOptions) -> None:
    by = options.by
    if by is None or by not in schema.names:
        raise SchemaError(f"the rows have no column {by!r} to be found by", hint=f"columns: {', '.join(schema.names)}")
    dtype = _plain(schema.field(by).type)
    is_key = _is_integer(dtype) or _is_text(dtype) or _is_bytes(dtype)
    if not is_key or (options.digest is not None and not _is_bytes(dtype)):
        raise SchemaError(f"column {by} is {dtype}", hint="a key is an integer, a string or binary, a digest binary")


def wire_column(array: pa.Array) -> WireColumn:
    """Return a column, of a type that `check_columns` has passed, as the kernels read it."""
    misfits: dict[int, str] = {}
    array, particle = _direct(array, misfits)
    kind, own = _DIRECT[array.type]
    buffers = array.buffers()
    values = buffers[1].address if len(buffers) > 1 and buffers[1] is not None else 0
    data = buffers[2].address if len(buffers) > 2 and buffers[2] is not None else 0
    validity = buffers[0].address if buffers[0] is not None and array.null_count else 0
    particle = own if particle is None else particle
    return WireColumn(array, kind, particle, values, data, validity, array.offset, misfits)


def _direct(array: pa.Array, misfits: dict[int, str]) -> tuple[pa.Array, int | None]:
    """The same values in a type that the kernels read, and their particle type where that does not follow from it."""
    dtype = array.type
    if dtype in _DIRECT:
        return array, None
    if isinstance(array, pa.ExtensionArray):
        return _direct(array.storage, misfits)
    if dtype in _SMALL_INTEGERS:
        return array.cast(pa.int64()), None
    if dtype in _FLOATS:
        return array.cast(pa.float64()), None
    if pa.types.is_dictionary(dtype):
        return _direct(array.dictionary_decode(), misfits)
    if _is_text(dtype):
        return array.cast(pa.string()), None
    if _is_bytes(dtype):
        return array.cast(pa.binary()), None
    if _is_whole(dtype):
        return _whole_numbers(array, misfits), None
    encoded = [_encoded(value, i, misfits) for i, value in enumerate(_values(array))]
    return pa.array(encoded, pa.large_binary()), int(ParticleType.LIST if _is_list(dtype) else ParticleType.MAP)


def _whole_numbers(array: pa.Array, misfits: dict[int, str]) -> pa.Array:
    """A decimal without a fraction, such as DuckDB's sum of integers, is an integer wherever it fits."""
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid:
        numbers = [None if value is None else int(value) for value in array.to_pylist()]
        large = {i for i, number in enumerate(numbers) if number is not None and not -(2**63) <= number < 2**63}
        misfits.update(dict.fromkeys(large, "an integer does not fit in 64 bits"))
        return pa.array([None if i in large else number for i, number in enumerate(numbers)], pa.int64())


def _values(array: pa.Array) -> list[Any]:
    try:
        return array.to_pylist(maps_as_pydicts="strict")
    except (ValueError, KeyError):
        return [_value(scalar) for scalar in array]


def _value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py(maps_as_pydicts="strict")
    except (ValueError, KeyError) as error:
        return error


def _encoded(value: Any, row: int, misfits: dict[int, str]) -> bytes | None:
    if isinstance(value, Exception):
        misfits[row] = "a map has the same key twice, or a NULL key"
        return None
    try:
        return None if value is None else encode_particle(value)[1]
    except WireError as error:
        misfits[row] = error.message
        return None


def without_nulls(array: pa.Array, value: int) -> pa.Array:
    """Return an integer column as int64 without NULLs."""
    return pc.fill_null(array.cast(pa.int64()), value)


def _unfit(dtype: pa.DataType, *, is_nested: bool = False) -> str | None:
    """The part of a type that a bin cannot hold, None for none."""
    dtype = _plain(dtype)
    if _is_list(dtype):
        return _unfit(dtype.value_type, is_nested=True)
    if pa.types.is_map(dtype):
        key = _plain(dtype.key_type)
        if not (_is_integer(key) or _is_text(key) or _is_bytes(key)):
            return f"keys of {key}"
        return _unfit(dtype.item_type, is_nested=True)
    if pa.types.is_struct(dtype):
        return next((unfit for part in dtype if (unfit := _unfit(part.type, is_nested=True)) is not None), None)
    if _is_whole(dtype) and not is_nested:
        return None
    fits = dtype in _DIRECT or dtype in _SMALL_INTEGERS or dtype in _FLOATS or _is_text(dtype) or _is_bytes(dtype)
    return None if fits else str(dtype)


def _plain(dtype: pa.DataType) -> pa.DataType:
    if isinstance(dtype, pa.BaseExtensionType):
        return _plain(dtype.storage_type)
    return _plain(dtype.value_type) if pa.types.is_dictionary(dtype) else dtype


def _is_integer(dtype: pa.DataType) -> bool:
    return dtype == pa.int64() or dtype in _SMALL_INTEGERS


def _is_text(dtype: pa.DataType) -> bool:
    return pa.types.is_string(dtype) or pa.types.is_large_string(dtype) or pa.types.is_string_view(dtype)


def _is_bytes(dtype: pa.DataType) -> bool:
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
    return any(test(dtype) for test in tests) and not pa.types.is_decimal(dtype)


def _is_whole(dtype: pa.DataType) -> bool:
    return pa.types.is_decimal(dtype) and dtype.scale == 0


def _is_list(dtype: pa.DataType) -> bool:
    tests = (
        pa.types.is_list,
        pa.types.is_large_list,
        pa.types.is_fixed_size_list,
        pa.types.is_list_view,
        pa.types.is_large_list_view,
    )
    return any(test(dtype) for test in tests)

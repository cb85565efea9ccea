"""The service's structures, values ↔ bytes; each is read and written side by side.

Source: Trino's ``TrinoThriftService.thrift`` and Presto's ``PrestoThriftService.thrift``, which number fields alike.
What Presto has beyond it (``bucketedBy``, rows to add) is optional, and not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from aerospike_magic.errors import WireError
from aerospike_magic.gateway import thrift
from aerospike_magic.gateway.blocks import TYPES, Parts, decode_block, encode_block
from aerospike_magic.gateway.messages import (
    AllOrNone,
    ColumnMetadata,
    Domain,
    Equatable,
    HostAddress,
    Page,
    Range,
    Ranges,
    ServiceError,
    Split,
    SplitBatch,
    TableMetadata,
    TableName,
    TupleDomain,
)
from aerospike_magic.gateway.thrift import STOP, Field, Reader, Type

_BELOW, _EXACTLY, _ABOVE = 1, 2, 3
_TEXT: Field = (Type.STRING, Reader.text)
_BOOL: Field = (Type.BOOL, Reader.boolean)
_BYTES: Field = (Type.STRING, Reader.binary)
_TEXTS: Field = (Type.LIST, lambda reader: reader.list_of(Type.STRING, Reader.text))


def need(found: Mapping[int, Any], number: int, what: str) -> Any:
    """Return a field that has to be there."""
    try:
        return found[number]
    except KeyError:
        raise WireError(f"{what} without its field {number}") from None


def read_table_name(reader: Reader) -> TableName:
    """Read a ``SchemaTableName``."""
    found = reader.struct({1: _TEXT, 2: _TEXT})
    return TableName(need(found, 1, "a table's name"), need(found, 2, "a table's name"))


def write_table_name(name: TableName) -> bytes:
    """Write a ``SchemaTableName``."""
    return _text_field(1, name.schema) + _text_field(2, name.table) + STOP


def read_texts(reader: Reader) -> list[str]:
    """Read a list of strings."""
    return reader.list_of(Type.STRING, Reader.text)


def write_texts(texts: Iterable[str]) -> bytes:
    """Write a list of strings."""
    return thrift.sequence_of(Type.STRING, map(thrift.string, texts))


def read_nullable_text(reader: Reader) -> str | None:
    """Read a ``NullableSchemaName``."""
    return reader.struct({1: _TEXT}).get(1)


def write_nullable_text(text: str | None) -> bytes:
    """Write a ``NullableSchemaName``."""
    return STOP if text is None else _text_field(1, text) + STOP


def read_id(reader: Reader) -> bytes:
    """Read an ``Id``."""
    return bytes(need(reader.struct({1: _BYTES}), 1, "an id"))


def write_id(id: bytes) -> bytes:
    """Write an ``Id``."""
    return thrift.field(Type.STRING, 1) + thrift.string(id) + STOP


def read_token(reader: Reader) -> bytes | None:
    """Read a ``NullableToken``."""
    return reader.struct({1: (Type.STRUCT, read_id)}).get(1)


def write_token(token: bytes | None) -> bytes:
    """Write a ``NullableToken``."""
    return STOP if token is None else thrift.field(Type.STRUCT, 1) + write_id(token) + STOP


def read_column_set(reader: Reader) -> frozenset[str] | None:
    """Read a ``NullableColumnSet``."""
    found = reader.struct({1: (Type.SET, read_texts)}).get(1)
    return None if found is None else frozenset(found)


def write_column_set(columns: frozenset[str] | None) -> bytes:
    """Write a ``NullableColumnSet``."""
    return STOP if columns is None else thrift.field(Type.SET, 1) + write_texts(sorted(columns)) + STOP


def read_table_metadata(reader: Reader) -> TableMetadata | None:
    """Read a ``NullableTableMetadata``."""
    return reader.struct({1: (Type.STRUCT, _read_known_table)}).get(1)


def write_table_metadata(table: TableMetadata | None) -> bytes:
    """Write a ``NullableTableMetadata``."""
    if table is None:
        return STOP
    written = thrift.field(Type.STRUCT, 1) + thrift.field(Type.STRUCT, 1) + write_table_name(table.name)
    written += thrift.field(Type.LIST, 2) + thrift.sequence_of(Type.STRUCT, map(_write_column, table.columns))
    if table.comment:
        written += _text_field(3, table.comment)
    if table.indexable_keys:
        keys = [write_texts(sorted(key)) for key in table.indexable_keys]
        written += thrift.field(Type.LIST, 4) + thrift.sequence_of(Type.SET, keys)
    return written + STOP + STOP


def read_split_batch(reader: Reader) -> SplitBatch:
    """Read a ``SplitBatch``."""
    found = reader.struct(
        {
            1: (Type.LIST, lambda inner: inner.list_of(Type.STRUCT, _read_split)),
            2: (Type.STRUCT, read_id),
        }
    )
    return SplitBatch(tuple(need(found, 1, "a batch of splits")), found.get(2))


def write_split_batch(batch: SplitBatch) -> bytes:
    """Write a ``SplitBatch``."""
    written = thrift.field(Type.LIST, 1) + thrift.sequence_of(Type.STRUCT, map(_write_split, batch.splits))
    if batch.next_token is not None:
        written += thrift.field(Type.STRUCT, 2) + write_id(batch.next_token)
    return written + STOP


def read_page(reader: Reader) -> Page:
    """Read a ``PageResult``."""
    found = reader.struct(
        {
            1: (Type.LIST, lambda inner: inner.list_of(Type.STRUCT, decode_block)),
            2: (Type.I32, Reader.i32),
            3: (Type.STRUCT, read_id),
        }
    )
    blocks = need(found, 1, "a page")
    n_rows = need(found, 2, "a page")
    if any(len(array) != n_rows for _, array in blocks):
        raise WireError(f"a page of {n_rows:,} rows with a column that has more or fewer")
    return Page(tuple(type for type, _ in blocks), tuple(array for _, array in blocks), n_rows, found.get(3))


def write_page(page: Page) -> Parts:
    """Write a ``PageResult``.

    Raises:
        ValueError: its columns do not fit its types, or each other.
    """
    if any(len(column) != page.n_rows for column in page.columns):
        raise ValueError(f"a page of {page.n_rows:,} rows with a column that has more or fewer")
    parts: Parts = [thrift.field(Type.LIST, 1) + thrift.list_head(Type.STRUCT, len(page.columns))]
    for type, column in zip(page.types, page.columns, strict=True):
        parts += encode_block(type, column)
    tail = thrift.field(Type.I32, 2) + thrift.i32(page.n_rows)
    if page.next_token is not None:
        tail += thrift.field(Type.STRUCT, 3) + write_id(page.next_token)
    return [*parts, tail + STOP]


def read_service_error(reader: Reader) -> ServiceError:
    """Read a ``ServiceException``."""
    found = reader.struct({1: _TEXT, 2: _BOOL})
    return ServiceError(found.get(1, "no message"), retryable=found.get(2, False))


def write_service_error(error: ServiceError) -> bytes:
    """Write a ``ServiceException``."""
    return _text_field(1, error.message) + _bool_field(2, error.retryable) + STOP


def read_constraint(reader: Reader) -> TupleDomain:
    """Read a ``TupleDomain``."""

    def domains(inner: Reader) -> dict[str, Domain]:
        return inner.map_of(Type.STRING, Reader.text, Type.STRUCT, _read_domain)

    return TupleDomain(reader.struct({1: (Type.MAP, domains)}).get(1))


def write_constraint(constraint: TupleDomain, types: Mapping[str, str]) -> bytes:
    """Write a ``TupleDomain``.

    Args:
        constraint: what rows are wanted.
        types: the type of each column in it.
    """
    if constraint.domains is None:
        return STOP
    written = thrift.field(Type.MAP, 1) + thrift.map_head(Type.STRING, Type.STRUCT, len(constraint.domains))
    for name, domain in constraint.domains.items():
        written += thrift.string(name) + _write_domain(domain, types[name])
    return written + STOP


def write_keys(columns: Sequence[Sequence[object]], types: Sequence[str]) -> Parts:
    """Write the keys of an index look-up, as a ``PageResult``."""
    arrays = [_array(values, type) for values, type in zip(columns, types, strict=True)]
    return write_page(Page(tuple(types), tuple(arrays), len(arrays[0]) if arrays else 0))


def read_keys(reader: Reader) -> list[list[object]]:
    """Read the keys of an index look-up."""
    return [column.to_pylist() for column in read_page(reader).columns]


def _text_field(number: int, text: str) -> bytes:
    return thrift.field(Type.STRING, number) + thrift.string(text)


def _bool_field(number: int, value: bool) -> bytes:
    return thrift.field(Type.BOOL, number) + thrift.boolean(value)


def _read_column(reader: Reader) -> ColumnMetadata:
    found = reader.struct({1: _TEXT, 2: _TEXT, 3: _TEXT, 4: _BOOL})
    return ColumnMetadata(need(found, 1, "a column"), need(found, 2, "a column"), found.get(3, ""), found.get(4, False))


def _write_column(column: ColumnMetadata) -> bytes:
    comment = _text_field(3, column.comment) if column.comment else b""
    return _text_field(1, column.name) + _text_field(2, column.type) + comment + _bool_field(4, column.hidden) + STOP


def _read_known_table(reader: Reader) -> TableMetadata:
    found = reader.struct(
        {
            1: (Type.STRUCT, read_table_name),
            2: (Type.LIST, lambda inner: inner.list_of(Type.STRUCT, _read_column)),
            3: _TEXT,
            4: (Type.LIST, lambda inner: inner.list_of(Type.SET, read_texts)),
        }
    )
    name, columns = need(found, 1, "a table"), need(found, 2, "a table")
    return TableMetadata(name, tuple(columns), found.get(3, ""), tuple(map(frozenset, found.get(4, ()))))


def _read_host(reader: Reader) -> HostAddress:
    found = reader.struct({1: _TEXT, 2: (Type.I32, Reader.i32)})
    return HostAddress(need(found, 1, "a host"), need(found, 2, "a host"))


def _write_host(host: HostAddress) -> bytes:
    return _text_field(1, host.host) + thrift.field(Type.I32, 2) + thrift.i32(host.port) + STOP


def _read_split(reader: Reader) -> Split:
    found = reader.struct(
        {1: (Type.STRUCT, read_id), 2: (Type.LIST, lambda inner: inner.list_of(Type.STRUCT, _read_host))}
    )
    return Split(need(found, 1, "a split"), tuple(found.get(2, ())))


def _write_split(split: Split) -> bytes:
    hosts = thrift.sequence_of(Type.STRUCT, map(_write_host, split.hosts))
    return thrift.field(Type.STRUCT, 1) + write_id(split.id) + thrift.field(Type.LIST, 2) + hosts + STOP


def _read_domain(reader: Reader) -> Domain:
    found = reader.struct({1: (Type.STRUCT, _read_value_set), 2: _BOOL})
    return Domain(need(found, 1, "a domain"), need(found, 2, "a domain"))


def _write_domain(domain: Domain, type: str) -> bytes:
    return (
        thrift.field(Type.STRUCT, 1)
        + _write_value_set(domain.values, type)
        + _bool_field(2, domain.null_allowed)
        + STOP
    )


def _read_value_set(reader: Reader) -> AllOrNone | Equatable | Ranges:
    found = reader.struct(
        {
            1: (Type.STRUCT, _read_all_or_none),
            2: (Type.STRUCT, _read_equatable),
            3: (Type.STRUCT, _read_ranges),
        }
    )
    if len(found) != 1:
        raise WireError(f"a set of values said in {len(found)} ways")
    values: AllOrNone | Equatable | Ranges = next(iter(found.values()))
    return values


def _write_value_set(values: AllOrNone | Equatable | Ranges, type: str) -> bytes:
    if isinstance(values, AllOrNone):
        return thrift.field(Type.STRUCT, 1) + _bool_field(1, values.all) + STOP + STOP
    if isinstance(values, Equatable):
        blocks = [_write_value(value, type) for value in values.values]
        listed = thrift.field(Type.LIST, 2) + thrift.sequence_of(Type.STRUCT, blocks)
        return thrift.field(Type.STRUCT, 2) + _bool_field(1, values.inclusive) + listed + STOP + STOP
    ranges = [_write_range(range, type) for range in values.ranges]
    listed = thrift.field(Type.LIST, 1) + thrift.sequence_of(Type.STRUCT, ranges)
    return thrift.field(Type.STRUCT, 3) + listed + STOP + STOP


def _read_all_or_none(reader: Reader) -> AllOrNone:
    return AllOrNone(need(reader.struct({1: _BOOL}), 1, "a set of all values or none"))


def _read_equatable(reader: Reader) -> Equatable:
    found = reader.struct({1: _BOOL, 2: (Type.LIST, lambda inner: inner.list_of(Type.STRUCT, _read_value))})
    return Equatable(need(found, 1, "a set of values"), tuple(need(found, 2, "a set of values")))


def _read_ranges(reader: Reader) -> Ranges:
    found = reader.struct({1: (Type.LIST, lambda inner: inner.list_of(Type.STRUCT, _read_range))})
    return Ranges(tuple(need(found, 1, "a set of ranges")))


def _read_range(reader: Reader) -> Range:
    found = reader.struct({1: (Type.STRUCT, _read_mark), 2: (Type.STRUCT, _read_mark)})
    low, low_bound = need(found, 1, "a range")
    high, high_bound = need(found, 2, "a range")
    if low_bound == _BELOW or high_bound == _ABOVE:
        raise WireError("a range that begins below its lower mark or ends above its upper one")
    return Range(low, low is not None and low_bound == _EXACTLY, high, high is not None and high_bound == _EXACTLY)


def _write_range(range: Range, type: str) -> bytes:
    low = _write_mark(range.low, _EXACTLY if range.low_inclusive else _ABOVE, type)
    high = _write_mark(range.high, _EXACTLY if range.high_inclusive else _BELOW, type)
    return thrift.field(Type.STRUCT, 1) + low + thrift.field(Type.STRUCT, 2) + high + STOP


def _read_mark(reader: Reader) -> tuple[object | None, int]:
    found = reader.struct({1: (Type.STRUCT, _read_value), 2: (Type.I32, Reader.i32)})
    bound = need(found, 2, "a mark")
    if bound not in (_BELOW, _EXACTLY, _ABOVE):
        raise WireError(f"a mark {bound} that is neither below, exactly nor above")
    return found.get(1), bound


def _write_mark(value: object | None, bound: int, type: str) -> bytes:
    written = b"" if value is None else thrift.field(Type.STRUCT, 1) + _write_value(value, type)
    return written + thrift.field(Type.I32, 2) + thrift.i32(bound) + STOP


def _read_value(reader: Reader) -> object:
    """Read a block of one value, which is not NULL."""
    _, array = decode_block(reader)
    if len(array) != 1 or array.null_count:
        raise WireError(f"a block of {len(array):,} values where one is wanted")
    return array[0].as_py()


def _write_value(value: object, type: str) -> bytes:
    return b"".join(encode_block(type, _array([value], type)))


_ARROW: Mapping[str, Callable[[], pa.DataType]] = {
    "integer": pa.int32,
    "bigint": pa.int64,
    "double": pa.float64,
    "varchar": pa.string,
    "boolean": pa.bool_,
    "date": pa.int32,
    "timestamp": pa.int64,
    "json": pa.string,
    "hyperloglog": pa.binary,
    "array(bigint)": lambda: pa.list_(pa.int64()),
}
assert set(_ARROW) == set(TYPES)


def _array(values: Sequence[object], type: str) -> pa.Array:
    return pa.array(values, _ARROW[type]())

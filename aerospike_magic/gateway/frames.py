"""Tables that this process holds, served beside the sets: a notebook's frames, and the gateway's own.

A frame is the table ``aerospike_frames.<name>``. It is turned into what the wire has when it is added:

=======================================  ===================================================
Arrow type                               type
=======================================  ===================================================
integers                                 integer up to 32 bits, bigint; varchar where a value needs all 64 unsigned
float                                    double
string, dictionary                       varchar, or as the dictionary's values
bool                                     boolean
date                                     date
timestamp without zone                   timestamp, where every value is whole milliseconds
list of integers                         array(bigint)
binary                                   varchar: upper-case hexadecimal
decimal, time, duration, timestamps      varchar, as Arrow writes them
anything nested                          json
=======================================  ===================================================

``aerospike_magic.gateway`` is a table of one row, the version; it tells that a catalog is ours.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from aerospike_magic import __version__
from aerospike_magic.errors import SchemaError, WireError
from aerospike_magic.gateway.messages import (
    ColumnMetadata,
    Page,
    Split,
    SplitBatch,
    TableMetadata,
    TableName,
    TupleDomain,
)
from aerospike_magic.gateway.names import spell_all
from aerospike_magic.gateway.options import split_options
from aerospike_magic.gateway.pages import to_hex
from aerospike_magic.gateway.splits import RowsSplit, encode_rows
from aerospike_magic.gateway.tables import FRAMES_SCHEMA, OWN_SCHEMA, OWN_TABLE
from aerospike_magic.schema.json_text import json_text

_ROWS_PER_SPLIT = 100_000
_MOST_SPLITS = 64


@dataclass(frozen=True)
class _Held:
    """A table as it is sent."""

    name: TableName
    version: str
    types: tuple[str, ...]
    rows: pa.Table


class Frames:
    """The tables of this process; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        own = pa.table({"version": [__version__]})
        self._own = _held(TableName(OWN_SCHEMA, OWN_TABLE), own)
        self._held: dict[str, _Held] = {}

    def add(self, name: str, table: pa.Table) -> TableName:
        """Serve a table, instead of an earlier one of that name."""
        found = _held(TableName(FRAMES_SCHEMA, _spelled(name)), table)
        with self._lock:
            self._held[found.name.table] = found
        return found.name

    def remove(self, name: TableName | str) -> None:
        """Serve a table no more, by its name as it was given or as it is spelled."""
        with self._lock:
            self._held.pop(_spelled(name) if isinstance(name, str) else name.table, None)

    def list_tables(self) -> list[TableName]:
        """Return the names of the tables."""
        with self._lock:
            return [self._own.name, *(held.name for held in self._held.values())]

    def metadata(self, name: TableName) -> TableMetadata | None:
        """Describe a table."""
        held = self._find(name)
        if held is None:
            return None
        columns = zip(held.rows.column_names, held.types, strict=True)
        return TableMetadata(name, tuple(ColumnMetadata(column, type_) for column, type_ in columns))

    def splits(self, name: TableName, constraint: TupleDomain, max_count: int, token: bytes | None) -> SplitBatch:
        """Divide a table; the engine filters."""
        held = self._find(name)
        if held is None:
            raise SchemaError(f"there is no table {name.schema}.{name.table}")
        if constraint.domains is None:
            return SplitBatch(())
        n_rows = held.rows.num_rows
        size = max(_ROWS_PER_SPLIT, -(-n_rows // _MOST_SPLITS))
        starts = range(0, n_rows, size)
        at = 0 if token is None else _number(token)
        end = min(len(starts), at + max(1, max_count))
        table = "" if held is self._own else held.name.table
        splits = [RowsSplit(table, held.version, start, min(start + size, n_rows)) for start in starts[at:end]]
        more = None if end >= len(starts) else b"%d" % end
        return SplitBatch(tuple(Split(encode_rows(split)) for split in splits), more)

    def rows(self, split: RowsSplit, columns: Sequence[str], max_bytes: int, token: bytes | None) -> Page:
        """Return a page of a split."""
        with self._lock:
            held = self._held.get(split.table) if split.table else self._own
        if held is None or (split.table and held.version != split.version):
            raise SchemaError(f"the frame {split.table} is not there any more", hint="run the query again")
        start = split.start if token is None else _number(token)
        if not split.start <= start <= split.stop <= held.rows.num_rows:
            raise WireError("this is not a token of a page of this split")
        rows = held.rows.select(list(columns))
        width = max(1.0, rows.nbytes / max(1, rows.num_rows)) + len(columns)
        end = min(split.stop, start + max(1, int(max_bytes / width)))
        page = rows.slice(start, end - start)
        types = tuple(held.types[held.rows.column_names.index(name)] for name in columns)
        arrays = tuple(_one_array(column) for column in page.columns)
        return Page(types, arrays, end - start, None if end == split.stop else b"%d" % end)

    def _find(self, name: TableName) -> _Held | None:
        if name.schema == OWN_SCHEMA:
            return self._own if split_options(name.table, (OWN_TABLE,)) is not None else None
        with self._lock:
            split = split_options(name.table, self._held)
            return None if split is None else self._held[split[0]]


def _spelled(name: str) -> str:
    return spell_all([name])[name]


def _number(token: bytes) -> int:
    if not token.isdigit() or len(token) > 18:
        raise WireError("this is not a token of this table")
    return int(token)


def _held(name: TableName, table: pa.Table) -> _Held:
    spelled = spell_all(dict.fromkeys(table.column_names))
    if len(spelled) != table.num_columns:
        raise SchemaError(f"{name.table} has two columns of one name")
    columns = [_to_wire(_one_array(column)) for column in table.columns]
    rows = pa.table([array for _, array in columns], names=list(spelled.values()))
    if not columns:
        raise SchemaError(f"{name.table} has no columns")
    return _Held(name, uuid.uuid4().hex, tuple(type_ for type_, _ in columns), rows)


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    joined = column.combine_chunks()
    return joined if isinstance(joined, pa.Array) else pa.concat_arrays(joined.chunks)


def _to_wire(array: pa.Array) -> tuple[str, pa.Array]:
    dtype = array.type
    if pa.types.is_dictionary(dtype):
        return _to_wire(array.dictionary_decode())
    if isinstance(dtype, pa.ExtensionType):
        return _to_wire(array.storage)
    if pa.types.is_integer(dtype):
        return _integers(array)
    if pa.types.is_floating(dtype):
        return "double", array.cast(pa.float64())
    if pa.types.is_boolean(dtype):
        return "boolean", array
    if pa.types.is_string(dtype) or pa.types.is_large_string(dtype) or pa.types.is_string_view(dtype):
        return "varchar", array.cast(pa.string())
    if pa.types.is_date(dtype):
        return "date", array.cast(pa.date32()).cast(pa.int32())
    if pa.types.is_timestamp(dtype) and dtype.tz is None:
        return _timestamps(array)
    if pa.types.is_binary(dtype) or pa.types.is_large_binary(dtype) or pa.types.is_fixed_size_binary(dtype):
        return "varchar", to_hex(array.cast(pa.binary()))
    if _is_integer_list(dtype):
        return "array(bigint)", array.cast(pa.list_(pa.int64()))
    if pa.types.is_nested(dtype):
        texts = [None if value is None else json_text(_plain(value)) for value in array.to_pylist()]
        return "json", pa.array(texts, pa.string())
    return "varchar", _as_text(array)


def _integers(array: pa.Array) -> tuple[str, pa.Array]:
    if array.type.bit_width < 32 or array.type == pa.int32():
        return "integer", array.cast(pa.int32())
    try:
        return "bigint", array.cast(pa.int64())
    except pa.ArrowInvalid:
        return "varchar", array.cast(pa.string())


def _timestamps(array: pa.Array) -> tuple[str, pa.Array]:
    try:
        return "timestamp", array.cast(pa.timestamp("ms")).cast(pa.int64())
    except pa.ArrowInvalid:
        return "varchar", array.cast(pa.string())


def _is_integer_list(dtype: pa.DataType) -> bool:
    is_list = pa.types.is_list(dtype) or pa.types.is_large_list(dtype)
    return is_list and pa.types.is_integer(dtype.value_type) and not pa.types.is_uint64(dtype.value_type)


def _as_text(array: pa.Array) -> pa.Array:
    try:
        return array.cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return pc.cast(pa.array([None if v is None else str(v) for v in array.to_pylist()]), pa.string())


def _plain(value: object) -> object:
    """What JSON text has a form for; other scalars are text."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value if value is None or isinstance(value, bool | int | float | str | bytes) else str(value)

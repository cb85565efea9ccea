"""What a split's id says: everything that reading it takes, so that any gateway may be asked, at any time, again.

An id is a version, a checksum, and two parts of JSON text (see `schema.json_text`), packed. The *query* is what all
splits of a table reference share: the set with its columns as they were told to the engine, the filter, the access
path, the options. The other part is the split's own: its share of the partitions, or the keys that it looks up.
Nothing in it is executed, and what does not read as an id is refused.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from aerospike_magic.connection import Connection
from aerospike_magic.errors import AerospikeMagicError, WireError
from aerospike_magic.filters.access import Access, IndexScan, Key, KeyLookup, Nothing, PartitionScan
from aerospike_magic.filters.compile import CompiledFilter, compile_filter
from aerospike_magic.filters.predicate import (
    Always,
    And,
    Compare,
    In,
    IsNull,
    Not,
    Or,
    Predicate,
    StartsWith,
    conjunction,
)
from aerospike_magic.scan.share import Share
from aerospike_magic.scan.teller import ProgressAddress
from aerospike_magic.schema.json_text import json_text, value_of
from aerospike_magic.schema.type_text import parse_type
from aerospike_magic.schema.types import KEY_NAME, Column, Evidence, SetSchema, Source, bin_column, metadata_columns

_VERSION = b"AQ1"
_HEAD = struct.Struct("<3sII")
_MOST_BYTES = 8 << 20

_T = TypeVar("_T")
_OF_SET, _OF_KEYS = "s", "k"


@dataclass(frozen=True, slots=True)
class NamedIndex:
    """A secondary index, as far as an index query has to know it."""

    namespace: str
    set_name: str | None
    name: str
    bin: str
    type: str = ""
    index_type: str = "default"
    ready: bool = True
    entries: int | None = None
    entries_per_value: float | None = None
    context: bool = False


@dataclass(frozen=True)
class Query:
    """What all splits of one table reference share.

    Attributes:
        schema: of the set, as it is scanned.
        predicate: rows wanted; of a look-up, beside its keys. None = all.
        index: the secondary index to use, with the range in it; None for none.
        objects: records in the set.
        rps: records per second and node for each split; 0 = no limit.
        mismatch: what becomes of values that do not fit.
        progress: where to tell.
        scan_id: the scan's name there.
    """

    schema: SetSchema
    predicate: Predicate | None = None
    index: IndexScan | None = None
    objects: int = 0
    rps: int = 0
    mismatch: str = "null"
    progress: ProgressAddress | None = None
    scan_id: str = ""

    def access(self, connection: Connection, keys: tuple[Key, ...] | None) -> Access:
        """Return how the records of a split are found.

        Args:
            connection: encodes the filter.
            keys: what the split looks up; None where it reads a share of the set.
        """
        compiled = compile_filter(self.predicate, self.schema, connection.encode_expression)
        if keys is not None:
            return KeyLookup(keys, compiled) if keys else Nothing()
        return PartitionScan(compiled) if self.index is None else replace(self.index, filter=compiled)


@dataclass(frozen=True)
class SetSplit:
    """A part of a set.

    Attributes:
        query: what it shares with the others.
        query_bytes: the same, packed: equal for the splits of one query.
        share: the partitions; None where keys are looked up.
        keys: None where a share is read.
        number: the split's, 0-based.
    """

    query: Query
    query_bytes: bytes = field(repr=False)
    share: Share | None = None
    keys: tuple[Key, ...] | None = None
    number: int = 0


@dataclass(frozen=True)
class RowsSplit:
    """Some rows of a table that this process holds.

    Attributes:
        table: its name, "" for the gateway's own.
        version: of the table.
        start, stop: the rows.
    """

    table: str
    version: str
    start: int
    stop: int


def encode_query(query: Query) -> bytes:
    """Return the packed form of a query."""
    progress = query.progress
    said = {
        "set": [query.schema.namespace, query.schema.set_name, query.schema.has_keys],
        "columns": [_column_said(c) for c in query.schema.columns if c.is_bin or c.source is Source.KEY],
        "where": None if query.predicate is None else _predicate_said(query.predicate),
        "index": None if query.index is None else _index_said(query.index),
        "objects": query.objects,
        "rps": query.rps,
        "mismatch": query.mismatch,
        "progress": None if progress is None else str(progress),
        "scan": query.scan_id,
    }
    return zlib.compress(json_text(said).encode())


def encode_share(query_bytes: bytes, share: Share, number: int) -> bytes:
    """Return the id of the split that reads a share."""
    return pack(query_bytes, [_OF_SET, number, share.modulus, share.remainder, pack_numbers(share.partitions)])


def encode_keys(query_bytes: bytes, keys: Sequence[Key], number: int) -> bytes:
    """Return the id of a split that looks up keys."""
    return pack(query_bytes, [_OF_KEYS, number, list(keys)])


def encode_rows(split: RowsSplit) -> bytes:
    """Return the id of a split of a table that this process holds."""
    return pack(b"", [split.table, split.version, split.start, split.stop])


@lru_cache(maxsize=128)  # asked for again with each page
def decode_split(split_id: bytes) -> SetSplit | RowsSplit:
    """Read the id of a split.

    Raises:
        WireError: these bytes are not the id of a split, or of another version's.
    """
    return reading_ids(_decode_split, split_id)


def _decode_split(split_id: bytes) -> SetSplit | RowsSplit:
    query_bytes, own = unpack(split_id)
    if not query_bytes:
        table, version, start, stop = own
        return RowsSplit(str(table), str(version), int(start), int(stop))
    query = decode_query(query_bytes)
    if own[0] == _OF_KEYS:
        return SetSplit(query, query_bytes, keys=_checked_keys(own[2]), number=int(own[1]))
    _, number, modulus, remainder, packed = own
    share = Share(unpack_numbers(packed), int(modulus), int(remainder))
    return SetSplit(query, query_bytes, share, number=int(number))


def reading_ids(read: Callable[[bytes], _T], data: bytes) -> _T:
    """Read bytes that came from outside.

    Raises:
        WireError: whatever went wrong.
    """
    try:
        return read(data)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError, struct.error, zlib.error):
        raise _not_ours() from None
    except AerospikeMagicError:
        raise _not_ours() from None


def pack(query_bytes: bytes, own: Any) -> bytes:
    """Return an id, or a token for more splits: a packed query, and any value beside it."""
    body = query_bytes + zlib.compress(json_text(own).encode())
    return _HEAD.pack(_VERSION, zlib.crc32(body), len(query_bytes)) + body


def unpack(data: bytes) -> tuple[bytes, Any]:
    """Read what `pack` returned; raises all sorts of errors for anything else."""
    version, checksum, n_bytes = _HEAD.unpack_from(data)
    body = data[_HEAD.size :]
    if version != _VERSION or checksum != zlib.crc32(body):
        raise ValueError("not an id")
    return body[:n_bytes], value_of(_inflate(body[n_bytes:]))


def pack_numbers(numbers: Sequence[int]) -> bytes:
    """Return numbers of 0 to 65,535 in two bytes each."""
    return np.array(numbers, "<u2").tobytes()


def unpack_numbers(data: bytes) -> tuple[int, ...]:
    """Read what `pack_numbers` returned."""
    return tuple(np.frombuffer(data, "<u2").tolist())


@lru_cache(maxsize=128)
def decode_query(query_bytes: bytes) -> Query:
    """Read what `encode_query` returned; raises all sorts of errors for anything else."""
    said = value_of(_inflate(query_bytes))
    namespace, set_name, has_keys = said["set"]
    columns = [_column(*one) for one in said["columns"]]
    metadata = metadata_columns(next((c for c in columns if c.source is Source.KEY), None))
    bins = (c for c in columns if c.is_bin)
    schema = SetSchema(str(namespace), str(set_name), (metadata[0], *bins, *metadata[1:]), has_keys=bool(has_keys))
    return Query(
        schema,
        None if said["where"] is None else _predicate(said["where"]),
        None if said["index"] is None else _index(schema, *said["index"]),
        int(said["objects"]),
        int(said["rps"]),
        str(said["mismatch"]),
        None if said["progress"] is None else ProgressAddress.parse(said["progress"]),
        str(said["scan"]),
    )


def _not_ours() -> WireError:
    return WireError("this is not the id of a split of this gateway's version", hint="run the query again")


def _inflate(data: bytes) -> str:
    reader = zlib.decompressobj()
    text = reader.decompress(data, _MOST_BYTES)
    if not reader.eof:
        raise ValueError("cut short, or too long")
    return text.decode()


def _checked_keys(keys: list[Any]) -> tuple[Key, ...]:
    if not all(type(key) in (int, str, bytes) for key in keys):
        raise ValueError("not keys")
    return tuple(keys)


def _column_said(column: Column) -> list[Any]:
    is_in_all = column.evidence is not None and column.evidence.coverage >= 1.0
    return [column.name, column.type_text, is_in_all, column.overridden]


def _column(name: str, words: str, is_in_all: bool, overridden: bool) -> Column:
    kind, dtype = parse_type(words)
    if name == KEY_NAME:
        return Column(name, dtype, kind, Source.KEY)
    found = bin_column(name, kind, dtype, Evidence(1.0 if is_in_all else 0.0, 0, {}))
    return replace(found, overridden=bool(overridden))


def _index_said(index: IndexScan) -> list[Any]:
    return [index.index.name, index.index.bin, index.low, index.high, index.value, index.estimated_rows]


def _index(
    schema: SetSchema, name: str, bin: str, low: int | None, high: int | None, value: str | None, rows: int
) -> IndexScan:
    index = NamedIndex(schema.namespace, schema.set_name, str(name), str(bin))
    return IndexScan(index, low, high, value, int(rows), CompiledFilter())


def _predicate_said(p: Predicate) -> list[Any]:
    if isinstance(p, Compare):
        return [p.op, p.column, p.value]
    if isinstance(p, In):
        return ["in", p.column, list(p.values)]
    if isinstance(p, IsNull):
        return ["null", p.column]
    if isinstance(p, StartsWith):
        return ["prefix", p.column, p.prefix]
    if isinstance(p, Not):
        return ["not", _predicate_said(p.child)]
    if isinstance(p, And | Or):
        return ["and" if isinstance(p, And) else "or", *map(_predicate_said, p.children)]
    if isinstance(p, Always):
        return ["always", p.value]
    raise ValueError("a predicate that cannot be told")


_COMPARISONS = frozenset(("=", "<>", "<", "<=", ">", ">="))
_BUILDERS: Mapping[str, Callable[..., Predicate]] = {
    "in": lambda column, values: In(str(column), tuple(values)),
    "null": lambda column: IsNull(str(column)),
    "prefix": lambda column, prefix: StartsWith(str(column), str(prefix)),
    "not": lambda child: Not(_predicate(child)),
    "and": lambda *children: And(*map(_predicate, children)),
    "or": lambda *children: Or(*map(_predicate, children)),
    "always": lambda value: Always(bool(value)),
}


def _predicate(said: list[Any]) -> Predicate:
    if said[0] in _COMPARISONS:
        op, column, value = said
        return Compare(op, str(column), value)
    return _BUILDERS[said[0]](*said[1:])


def rest_of(access: KeyLookup) -> Predicate | None:
    """Return what a look-up checks beside its keys."""
    return conjunction([access.filter.pushed, access.filter.residual])

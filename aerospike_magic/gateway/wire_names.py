"""Names as the Thrift connectors let them through: a lower-case letter, then lower-case letters, digits, underscores.

Trino's and Presto's connectors refuse every other name of a schema, a table or a column, without a word to the
gateway. So a name that is not of that form has another on the wire, from which it can be read back:

=============================  ============================================================
name                           on the wire
=============================  ============================================================
`flights`, `dep_delay`         the same
`__key`, `__digest`, `__null`  `aerospike_key`, `aerospike_digest`, `aerospike_null`, …
`flights?rps=1000&push=0`      `flights__with__rps_is_1000_and_push_is_0`
anything else                  `x__` and the name, ``_xHH_`` for what cannot stand in it
=============================  ============================================================

Source: `NameValidationUtils.checkValidName` of trino-thrift-api 476 and presto-thrift-api 0.287.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from aerospike_magic.gateway.messages import (
    Page,
    Service,
    ServiceError,
    SplitBatch,
    TableMetadata,
    TableName,
    TupleDomain,
)

_VALID = re.compile(r"[a-z][a-z0-9_]*")
_OWN = {name: f"aerospike_{name[2:]}" for name in ("__key", "__digest", "__generation", "__ttl", "__null")}
_OWN_BACK = {wire: name for name, wire in _OWN.items()}
_WITH = "__with__"
_OTHER = "x__"
_WORDS = {"=": "_is_", "&": "_and_"}
_ESCAPE = re.compile(r"_(is|and|x[0-9a-f]+)_")


def to_wire(name: str) -> str:
    """Return how a name is written on the wire.

    >>> to_wire("flights?rps=1000")
    'flights__with__rps_is_1000'
    """
    base, mark, options = name.partition("?")
    if mark:
        return to_wire(base) + _WITH + _escaped(options)
    if name in _OWN:
        return _OWN[name]
    is_plain = _VALID.fullmatch(name) and name not in _OWN_BACK and _WITH not in name and not name.startswith(_OTHER)
    return name if is_plain else _OTHER + _escaped(name)


def from_wire(name: str) -> str:
    """Return the name that is written so.

    >>> from_wire("flights__with__rps_is_1000")
    'flights?rps=1000'

    Raises:
        ValueError: it is no such writing.
    """
    base, mark, options = name.partition(_WITH)
    if mark:
        return f"{from_wire(base)}?{_read(options)}"
    if name in _OWN_BACK:
        return _OWN_BACK[name]
    return _read(name.removeprefix(_OTHER)) if name.startswith(_OTHER) else name


def _escaped(text: str) -> str:
    return "".join(c if c.isascii() and (c.islower() or c.isdigit()) else _mark(c) for c in text)


def _mark(c: str) -> str:
    return _WORDS.get(c) or f"_x{ord(c):x}_"


def _read(text: str) -> str:
    words = {word.strip("_"): c for c, word in _WORDS.items()}
    return _ESCAPE.sub(lambda found: words.get(found[1]) or chr(int(found[1][1:], 16)), text)


class WireNames:
    """A service whose names are those of the wire.

    Args:
        service: that has names of any form.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def list_schemas(self) -> Sequence[str]:
        """Return the names of the schemas."""
        return [to_wire(name) for name in self._service.list_schemas()]

    def list_tables(self, schema: str | None) -> Sequence[TableName]:
        """Return the tables of a schema, or of all."""
        found = self._service.list_tables(None if schema is None else _inside(schema))
        return [TableName(to_wire(name.schema), to_wire(name.table)) for name in found]

    def table_metadata(self, table: TableName) -> TableMetadata | None:
        """Describe a table; None if there is none of that name."""
        found = self._service.table_metadata(_table(table))
        if found is None:
            return None
        columns = tuple(replace(column, name=to_wire(column.name)) for column in found.columns)
        keys = tuple(frozenset(map(to_wire, key)) for key in found.indexable_keys)
        return replace(found, name=table, columns=columns, indexable_keys=keys)

    def splits(
        self,
        table: TableName,
        columns: frozenset[str] | None,
        constraint: TupleDomain,
        max_count: int,
        token: bytes | None,
    ) -> SplitBatch:
        """Divide a table; `columns` None stands for all."""
        wanted = None if columns is None else frozenset(map(_inside, columns))
        return self._service.splits(_table(table), wanted, _domain(constraint), max_count, token)

    def index_splits(
        self,
        table: TableName,
        index_columns: Sequence[str],
        output_columns: Sequence[str],
        keys: Sequence[Sequence[object]],
        constraint: TupleDomain,
        max_count: int,
        token: bytes | None,
    ) -> SplitBatch:
        """Return splits of the rows whose `index_columns` equal one of the keys."""
        by, output = [list(map(_inside, names)) for names in (index_columns, output_columns)]
        return self._service.index_splits(_table(table), by, output, keys, _domain(constraint), max_count, token)

    def rows(self, split_id: bytes, columns: Sequence[str], max_bytes: int, token: bytes | None) -> Page:
        """Return a page of a split of at most about `max_bytes`."""
        return self._service.rows(split_id, list(map(_inside, columns)), max_bytes, token)


def _inside(name: str) -> str:
    try:
        return from_wire(name)
    except (ValueError, OverflowError):
        raise ServiceError(f"{name} is no name") from None


def _table(name: TableName) -> TableName:
    return TableName(_inside(name.schema), _inside(name.table))


def _domain(constraint: TupleDomain) -> TupleDomain:
    if constraint.domains is None:
        return constraint
    return TupleDomain({_inside(name): domain for name, domain in constraint.domains.items()})

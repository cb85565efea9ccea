"""Sets as tables: their names, columns and types, by the inference that all engines share.

A namespace is a schema, a set a table; the records without a set are the table ``null__``. Names are such as the
connectors take, see `gateway.names`. What the block kinds of the Thrift connector cannot hold is text:

=============================  ==============================================================
column                         type, and what a value looks like
=============================  ==============================================================
int64, double, string, bool    bigint, double, varchar, boolean
list, map, struct, json        json: the JSON text of `schema.json_text`, which loses nothing
geojson                        json: the GeoJSON text as it is stored
binary, HyperLogLog            varchar: upper-case hexadecimal, for ``from_hex(…)``
``key__``                      bigint, varchar, or hexadecimal, by the keys that are stored
``digest__``                   varchar: hexadecimal
``generation__``, ``ttl__``    bigint
=============================  ==============================================================

A nested column is read as JSON whatever the sample made of it, so that no value fails to fit. An Aerospike HyperLogLog
is not of Trino's format: its bytes are given as such.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from aerospike_magic.connection import Connection
from aerospike_magic.errors import SchemaError
from aerospike_magic.gateway.messages import ColumnMetadata, TableMetadata, TableName
from aerospike_magic.gateway.names import find, spell_all, spell_special
from aerospike_magic.gateway.options import TableOptions, split_options
from aerospike_magic.schema.types import KEY_NAME, METADATA_NAMES, Column, Kind, SetSchema, Source

NULL_SET = spell_special("__null")
"""How the records without a set are spelled."""

OWN_SCHEMA, OWN_TABLE = "aerospike_magic", "gateway"
FRAMES_SCHEMA = "aerospike_frames"
KEY_SPELLING = spell_special(KEY_NAME)
RESERVED_SCHEMAS = (OWN_SCHEMA, FRAMES_SCHEMA, "information_schema")

_TYPES: Mapping[Kind, str] = {
    Kind.INT64: "bigint",
    Kind.DOUBLE: "double",
    Kind.STRING: "varchar",
    Kind.BOOL: "boolean",
    Kind.BINARY: "varchar",
}
_NESTED = (Kind.LIST, Kind.MAP, Kind.STRUCT)
_KEY_KINDS = (Kind.INT64, Kind.STRING, Kind.BINARY)


@dataclass(frozen=True, slots=True)
class WireColumn:
    """A column as the engine knows it.

    Attributes:
        name: its spelling.
        column: what is scanned.
        type: the engine's.
    """

    name: str
    column: Column
    type: str

    @property
    def is_hex(self) -> bool:
        """Whether its values are bytes, shown in hexadecimal."""
        return self.column.kind is Kind.BINARY

    @property
    def is_json(self) -> bool:
        """Whether its values are JSON text."""
        return self.type == "json"


@dataclass(frozen=True)
class SetTable:
    """A set, as a table.

    Attributes:
        name: as it was asked for, options included.
        schema: how it is scanned: nested columns as JSON.
        comments: of the columns, by the names of `schema`.
        options: behind its name.
    """

    name: TableName
    schema: SetSchema
    comments: Mapping[str, str]
    options: TableOptions

    @cached_property
    def columns(self) -> Mapping[str, WireColumn]:
        """By spelling: those of ``SELECT *``, then the hidden ones."""
        return wire_columns(self.schema)

    @property
    def can_look_up(self) -> bool:
        """Whether its records can be read by key."""
        return self.columns[KEY_SPELLING].column.kind in _KEY_KINDS

    def metadata(self) -> TableMetadata:
        """Describe it."""
        shown = {column.name for column in self.schema.selected}
        described = tuple(
            ColumnMetadata(name, wire.type, self.comments.get(wire.column.name, ""), wire.column.name not in shown)
            for name, wire in self.columns.items()
        )
        what = self.schema.set_name or "no set"
        comment = f"Aerospike: {what} in namespace {self.schema.namespace}, {self.schema.objects:,} records"
        keys = (frozenset((KEY_SPELLING,)),) if self.can_look_up else ()
        return TableMetadata(self.name, described, comment, keys)


class Tables:
    """The sets of a cluster as tables.

    Args:
        connection: to the cluster; schemas that were set with `Connection.set_schema` hold.
        schema_age_s: see `ServiceOptions`.
    """

    def __init__(self, connection: Connection, schema_age_s: float | None = None) -> None:
        self._connection = connection
        self._schema_age_s = schema_age_s
        self._sampled_at: dict[tuple[str, str], float] = {}

    def list_schemas(self) -> list[str]:
        """Return the spellings of the namespaces."""
        return list(spell_all(self._connection.namespaces(), RESERVED_SCHEMAS).values())

    def list_tables(self, schema: str | None) -> list[TableName]:
        """Return the tables of a schema, or of all; none for a schema that there is not."""
        spelled = spell_all(self._connection.namespaces(), RESERVED_SCHEMAS)
        return [
            TableName(spelling, table)
            for namespace, spelling in spelled.items()
            if schema in (None, spelling)
            for table in self._tables_of(namespace)
        ]

    def find(self, name: TableName, *, fresh: bool = False) -> SetTable | None:
        """Return the table of a name, options or not; None if there is none.

        Args:
            name: the table's.
            fresh: whether to sample a set anew whose schema has become old.

        Raises:
            ConfigError: options that make no sense.
        """
        namespace = find(name.schema, self._connection.namespaces(), RESERVED_SCHEMAS)
        if namespace is None:
            return None
        spelled = spell_all(self._set_names(namespace), (NULL_SET,))
        set_names = {spelling: set_name for set_name, spelling in spelled.items()} | {NULL_SET: ""}
        split = split_options(name.table, set_names)
        if split is None:
            return None
        set_name, options = set_names[split[0]], split[1]
        if fresh:
            self._forget_old(namespace, set_name)
        try:
            inferred = self._connection.schema_of(namespace, set_name)
        except SchemaError:
            return None
        comments = {column.name: _comment(column) for column in inferred.columns}
        return SetTable(name, as_scanned(inferred), comments, options)

    def _forget_old(self, namespace: str, set_name: str) -> None:
        now = time.monotonic()
        sampled_at = self._sampled_at.get((namespace, set_name))
        if self._schema_age_s is None or (sampled_at is not None and now - sampled_at < self._schema_age_s):
            return
        self._sampled_at[namespace, set_name] = now
        if sampled_at is not None:
            self._connection.forget_schema(namespace, set_name)

    def _tables_of(self, namespace: str) -> list[str]:
        names = list(spell_all(self._set_names(namespace), (NULL_SET,)).values())
        return [*names, NULL_SET] if self._connection.count_objects(namespace, "") else names

    def _set_names(self, namespace: str) -> list[str]:
        return [found.name for found in self._connection.sets(namespace)]


def as_scanned(schema: SetSchema) -> SetSchema:
    """Return the schema with which rows for the engine are read: nested columns are JSON."""
    return schema.with_types({c.name: "json" for c in schema.bins if c.kind in _NESTED})


def wire_columns(schema: SetSchema) -> dict[str, WireColumn]:
    """Return the columns of a set by their spelling: those of ``SELECT *``, then the others."""
    selected = schema.selected
    ordered = (*selected, *(c for c in schema.columns if c not in selected))
    spelled = spell_all([c.name for c in ordered if c.is_bin], map(spell_special, METADATA_NAMES))
    found = {}
    for column in ordered:
        name = spelled[column.name] if column.is_bin else spell_special(column.name)
        found[name] = WireColumn(name, column, _TYPES.get(column.kind, "json"))
    return found


def _comment(column: Column) -> str:
    if column.source is Source.KEY:
        return f"user key, {column.type_text}"
    if not column.is_bin:
        return {Source.DIGEST: "digest of the record", Source.GENERATION: "generation"}.get(
            column.source, "seconds to live, -1 for never expires"
        )
    evidence = column.evidence
    seen = "" if evidence is None else f", in {evidence.coverage:.0%} of the sampled records"
    return f"{column.type_text}{seen}"

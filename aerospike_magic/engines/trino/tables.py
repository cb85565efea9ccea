"""A set as a table of the gateway, and as the subquery that gives its columns with their exact names and types.

The gateway's tables know lower case and a few types: bytes arrive as hexadecimal text, lists, maps and structs as
JSON (`exact` makes values of it again). Where a statement needs such a column, or a star shows names in capitals, the
set is read through a subquery that converts and renames; filters on plain columns are pushed through it. Everywhere
else it is the table itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from aerospike_magic.engines.lexer import Dialect
from aerospike_magic.engines.trino.exact import json_as
from aerospike_magic.gateway.names import spell_all
from aerospike_magic.gateway.tables import NULL_SET, RESERVED_SCHEMAS, WireColumn, wire_columns
from aerospike_magic.schema.types import METADATA_NAMES, SetSchema


@dataclass(frozen=True, slots=True)
class GatewayNames:
    """A catalog of the gateway's, and how it spells what the cluster has.

    Attributes:
        catalog: its name.
        namespaces: of the cluster.
        dialect: of the engine.
    """

    catalog: str
    namespaces: Sequence[str]
    dialect: Dialect

    def table(self, schema: SetSchema, sets: Sequence[str], options: str = "") -> str:
        """Return the name of a set's table, quoted.

        Args:
            schema: of the set.
            sets: all sets of its namespace.
            options: of the query, as they stand behind a table's name.
        """
        space = spell_all(self.namespaces, RESERVED_SCHEMAS)[schema.namespace]
        name = spell_all(sets, (NULL_SET,))[schema.set_name] if schema.set_name else NULL_SET
        parts = (self.catalog, space, name + options)
        return ".".join(map(self.dialect.quote_identifier, parts))


@dataclass(frozen=True, slots=True)
class Needs:
    """What a statement may want of a set's columns.

    Attributes:
        named: every name in it, in lower case.
        takes_all: whether a star may take all columns.
        is_strict: whether a value that does not fit its column is an error, else it is NULL.
    """

    named: Collection[str]
    takes_all: bool
    is_strict: bool = False


def source_of(table: str, schema: SetSchema, needs: Needs, dialect: Dialect) -> tuple[str, bool]:
    """Return what stands for a set in a FROM, and whether it is a subquery.

    Args:
        table: the gateway's name, quoted.
        schema: of the set.
        needs: of the statement.
        dialect: the engine's.
    """
    shown = set(schema.arrow.names) if needs.takes_all else set()
    columns = wire_columns(schema)
    wanted = {
        name: wire
        for name, wire in columns.items()
        if wire.column.name in shown or wire.column.name.lower() in needs.named
    }
    is_other = any(is_converted(wire) or name != wire.column.name.lower() for name, wire in wanted.items())
    is_other |= needs.takes_all and any(name != wire.column.name for name, wire in wanted.items())
    if not wanted or not is_other:
        return table, False
    listed = ", ".join(_column(name, wire, needs, dialect) for name, wire in wanted.items())
    return f"(SELECT {listed} FROM {table})", True


def is_converted(wire: WireColumn) -> bool:
    """Whether a column's values are of another type than its schema says."""
    return wire.is_hex or pa.types.is_nested(wire.column.type)


def hidden(schema: SetSchema, named: Collection[str]) -> tuple[str, ...]:
    """Return the metadata columns that a statement names and a star does not show."""
    shown = schema.arrow.names
    return tuple(name for name in METADATA_NAMES if name in named and name not in shown)


def real_names(schemas: Collection[SetSchema], written: Collection[str]) -> Mapping[str, str]:
    """Return the bins' own names, by how a statement writes them; without those that could be several.

    Args:
        schemas: of the sets that the statement reads.
        written: names of columns in the statement.
    """
    spelled: dict[str, set[str]] = {}
    for schema in schemas:
        for column in schema.columns:
            spelled.setdefault(column.name.lower(), set()).add(column.name)
    found = {name: spelled.get(name.lower(), set()) for name in written}
    return {name: next(iter(real)) for name, real in found.items() if len(real) == 1}


def _column(spelled: str, wire: WireColumn, needs: Needs, dialect: Dialect) -> str:
    name, given = dialect.quote_identifier(wire.column.name), dialect.quote_identifier(spelled)
    if wire.is_hex:
        return f"from_hex({given}) AS {name}"
    if pa.types.is_nested(wire.column.type):
        made = json_as(given, wire.column.type, dialect)
        return f"{made if needs.is_strict else f'TRY({made})'} AS {name}"
    return name if name == given else f"{given} AS {name}"

"""The names of a statement made into DuckDB views: sets as ``namespace.set``, local frames and clear names bare.

`names` says what a name means. Metadata columns that are not in ``SELECT *`` (`__digest`, `__generation`, `__ttl`, and
`__key` where the sample has no keys) are added at the end of a set's columns when the statement names them; `stars`
keeps them out of ``*``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from aerospike_magic.engines.lexer import DUCKDB
from aerospike_magic.engines.local.catalog import Catalog
from aerospike_magic.engines.local.source import ROW_COLUMN, ScanLog, SetDataset
from aerospike_magic.engines.local.statements import Statement
from aerospike_magic.engines.names import TableName, find_set, is_frame
from aerospike_magic.errors import QueryError, SchemaError
from aerospike_magic.filters.predicate import Predicate
from aerospike_magic.schema.types import METADATA_NAMES, SetSchema

if TYPE_CHECKING:
    import duckdb

# Where bare names live. Namespaces are schemas too, and have at most 31 characters.
LOCAL_SCHEMA = "__aerospike_local_names_of_a_cell__"
# What SHOW TABLES reads.
SETS_SOURCE = "__aerospike_sets"
# Schemas and catalogs of DuckDB that nothing can be created in; a namespace of that name is written as another
# of the same length, so that every position in the text stays true.
_TAKEN_NAMES = frozenset({"temp", "system", "memory", "pg_catalog", "information_schema"})


@dataclass
class Tables:
    """What the names of one statement mean.

    Attributes:
        sets: names as written, in lower case → the schema of the set.
        frames: bare names in lower case → the local object.
    """

    sets: dict[tuple[str, ...], SetSchema] = field(default_factory=dict)
    frames: dict[str, Any] = field(default_factory=dict)

    def resolve(self, parts: tuple[str, ...]) -> SetSchema | None:
        """Return the schema of the set that a name means, None for anything else."""
        return self.sets.get(tuple(part.lower() for part in parts))

    @property
    def schemas(self) -> tuple[SetSchema, ...]:
        """The schemas of all sets, each once."""
        return tuple({schema.name: schema for schema in self.sets.values()}.values())


def find_tables(statement: Statement, catalog: Catalog, frames: Mapping[str, Any]) -> Tables:
    """Look up every table that the statement names; what is not found is left for DuckDB to refuse.

    Raises:
        QueryError: two sets that differ only in case.
        AerospikeMagicError: the cluster cannot be asked.
    """
    tables = Tables()
    known: Sequence[tuple[str, str]] | None = None
    for name in statement.tables:
        bare = len(name.parts) == 1
        if bare and _take_frame(name, frames, tables):
            continue
        if known is None:
            known = catalog.sets()
        found = find_set(name.parts, known)
        if found is not None:
            _add_set(name, found, catalog, tables)
    return tables


def _take_frame(name: TableName, frames: Mapping[str, Any], tables: Tables) -> bool:
    text = name.parts[0]
    if text.lower() in tables.frames:
        return True
    if text in frames and is_frame(frames[text]):
        tables.frames[text.lower()] = frames[text]
        return True
    return False


def _add_set(name: TableName, found: tuple[str, str], catalog: Catalog, tables: Tables) -> None:
    key = tuple(part.lower() for part in name.parts)
    have = tables.sets.get(key)
    if have is not None:
        if (have.namespace, have.set_name) != found:
            raise QueryError(
                f"{have.name} and {found[0]}.{found[1]} differ only in case, and SQL cannot tell them apart",
                hint="read them in two statements",
            )
        return
    try:
        tables.sets[key] = catalog.schema(*found)
    except SchemaError as error:
        raise QueryError(error.message, hint=error.hint, position=name.start) from error


def register_tables(
    con: duckdb.DuckDBPyConnection,
    statement: Statement,
    tables: Tables,
    catalog: Catalog,
    filters: Mapping[str, Predicate],
    log: ScanLog,
) -> None:
    """Create the views that the statement reads."""
    con.execute(f"CREATE SCHEMA {DUCKDB.quote_identifier(LOCAL_SCHEMA)}")
    con.execute(f"SET search_path = '{LOCAL_SCHEMA}'")
    if statement.is_list_of_sets:
        con.register(SETS_SOURCE, _list_of_sets(catalog))
    metadata = metadata_named(statement)
    sources: dict[str, str] = {}
    for key, schema in tables.sets.items():
        if schema.name not in sources:
            sources[schema.name] = f"__aerospike_set_{len(sources)}"
            dataset = SetDataset(catalog, schema, metadata, filters.get(schema.name), log)
            con.register(sources[schema.name], dataset)
        view = key if len(key) > 1 else (LOCAL_SCHEMA, *key)
        _create_view(con, view, sources[schema.name], f"* EXCLUDE ({DUCKDB.quote_identifier(ROW_COLUMN)})")
    for number, (text, frame) in enumerate(tables.frames.items()):
        source = f"__aerospike_frame_{number}"
        con.register(source, frame)
        _create_view(con, (LOCAL_SCHEMA, text), source, "*")


def metadata_named(statement: Statement) -> tuple[str, ...]:
    """Return the metadata columns that the statement names."""
    named = statement.identifiers
    return tuple(name for name in METADATA_NAMES if name in named)


def _create_view(con: duckdb.DuckDBPyConnection, parts: tuple[str, ...], source: str, columns: str) -> None:
    schema = schema_name(parts[0]) if parts[0] != LOCAL_SCHEMA else LOCAL_SCHEMA
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {DUCKDB.quote_identifier(schema)}")
    view = f"{DUCKDB.quote_identifier(schema)}.{DUCKDB.quote_identifier(parts[1])}"
    con.execute(f"CREATE VIEW {view} AS SELECT {columns} FROM {DUCKDB.quote_identifier(source)}")


def _list_of_sets(catalog: Catalog) -> pa.Table:
    found = sorted(catalog.sets())
    namespaces, names = zip(*found, strict=True) if found else ((), ())
    return pa.table({"namespace": pa.array(namespaces, pa.string()), "set": pa.array(names, pa.string())})


def schema_name(namespace: str) -> str:
    """Return the DuckDB schema of a namespace: the same name, or one of the same length where DuckDB has taken it."""
    return namespace[:-1] + "_" if namespace.lower() in _TAKEN_NAMES else namespace


def runnable_text(statement: Statement, tables: Tables) -> str:
    """Return the statement's text with the schema names that DuckDB has, as long as it was."""
    if statement.is_list_of_sets:
        of = statement.tokens[-1].identifier.replace("'", "''")
        return f"FROM {SETS_SOURCE}" + (f" WHERE namespace = '{of}'" if of.upper() != "TABLES" else "")
    taken = {key[0] for key in tables.sets if len(key) > 1 and key[0] in _TAKEN_NAMES}
    if not taken:
        return statement.text
    text = statement.text
    for token, after in pairwise(statement.tokens):
        if after.text == "." and token.identifier.lower() in taken:
            renamed = token.text[:-2] + '_"' if token.kind == "quoted" else token.text[:-1] + "_"
            text = text[: token.start] + renamed + text[token.end :]
    return text

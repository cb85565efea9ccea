"""A statement made ready for the server: its tables found and named, its values written, and the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aerospike_magic.engines.base import QueryOptions
from aerospike_magic.engines.names import SetName, find_set, is_frame, unknown_bare, unknown_qualified
from aerospike_magic.engines.parameters import bind_parameters
from aerospike_magic.engines.progress import QueryProgress
from aerospike_magic.engines.rewriting import Rewritten, edited
from aerospike_magic.engines.trino.diagnose import Context, query_error
from aerospike_magic.engines.trino.frames import LocalFrames
from aerospike_magic.engines.trino.literals import literal
from aerospike_magic.engines.trino.statements import Reference, Statement, read_statement, rewrite
from aerospike_magic.engines.trino.tables import GatewayNames, Needs, hidden, real_names, source_of
from aerospike_magic.errors import QueryError, UnknownNameError
from aerospike_magic.gateway.options import TableOptions
from aerospike_magic.scan.teller import ProgressAddress
from aerospike_magic.schema.types import SetSchema

if TYPE_CHECKING:
    from aerospike_magic.engines.trino.engine import TrinoEngine

# Schemas that every catalog has, or ours, and that are no namespaces.
_NOT_NAMESPACES = frozenset({"information_schema", "aerospike_magic"})


class Prepared:
    """A statement as it is sent, with what it holds until it has ended.

    Args:
        engine: that runs it.
        sql: as written.
        parameters: values by name.
        options: how it runs.
        frames: local tables by name.

    Attributes:
        rewritten: the text to send.
        options: how it runs.
        tables: the sets it reads, each with ``schema:table`` as it is named on the wire.
        sets: the schema of each set that it reads, by where it is named.
        progress: of its scans, None where nothing is told.

    Raises:
        QueryError: it cannot run.
    """

    def __init__(
        self,
        engine: TrinoEngine,
        sql: str,
        parameters: Mapping[str, object] | None,
        options: QueryOptions,
        frames: Mapping[str, Any],
    ) -> None:
        self._engine = engine
        self.options = options
        self._dialect = engine.dialect
        self.progress: QueryProgress | None = None
        self.tables: list[tuple[str, SetSchema]] = []
        self._frames = LocalFrames(engine)
        bound = bind_parameters(sql, parameters, self._dialect)
        self.statement: Statement = read_statement(bound, self._dialect)
        values = {name: literal(name, value, engine.server.flavor) for name, value in bound.values.items()}
        self._named = self.statement.identifiers
        self.sets, local = self._find_tables(frames)
        self._is_ours = bool(self.sets or local) and engine.catalog_is_ours()
        try:
            if self._is_ours:
                namespaces = sorted({schema.namespace for schema in self.sets.values()})
                self.progress = engine.open_progress(namespaces, options)
            tables, stars = self._sources()
            tables |= {reference: self._frames.table(name, frame) for reference, (name, frame) in local.items()}
            self.rewritten = self._rewrite(tables, stars, values)
        except BaseException:
            self.drop()
            raise
        self._real = real_names(self.sets.values(), self.statement.plain_outputs)

    @property
    def is_ours(self) -> bool:
        """Whether sets are read through our gateway."""
        return self._is_ours

    def translate(self, error: BaseException) -> BaseException:
        """Return what the server said as one of our errors; an interrupt stays one."""
        if not isinstance(error, Exception):
            return error
        schemas = tuple({schema.name: schema for schema in self.sets.values()}.values())
        engine = self._engine
        return query_error(error, Context(engine.server, engine.catalog, self.statement, self.rewritten, schemas))

    def real_name(self, name: str) -> str:
        """Return what a column of the result is called: a bin's own name where it is just that bin."""
        return self._real.get(name, name)

    def readable(self, plan: str) -> str:
        """Return a plan with the sets' own names, without what travels in their tables' names."""
        for table, schema in self.tables:
            plan = plan.replace(table, schema.name).replace(table.partition(":")[2], schema.set_name)
        return plan

    def drop(self) -> None:
        """Give back what the statement holds."""
        if self.progress is not None:
            self._engine.forget_progress(self.progress)
        self._frames.drop()

    def _find_tables(
        self, frames: Mapping[str, Any]
    ) -> tuple[dict[Reference, SetSchema], dict[Reference, tuple[str, Any]]]:
        sets: dict[Reference, SetSchema] = {}
        local: dict[Reference, tuple[str, Any]] = {}
        known: Sequence[SetName] | None = None
        for reference in self.statement.references:
            parts = reference.name.parts
            if len(parts) == 1 and parts[0] in frames and is_frame(frames[parts[0]]):
                local[reference] = (parts[0], frames[parts[0]])
                continue
            if self._engine.server.catalog is None:
                continue
            known = self._engine.catalog.sets() if known is None else known
            found = find_set(self._in_catalog(parts), known)
            if found is not None:
                sets[reference] = self._engine.catalog.schema(*found)
            elif self._is_unknown(reference):
                raise self._unknown(reference, known)
        return sets, local

    def _in_catalog(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        """The name without the catalog of the sets."""
        is_there = len(parts) == 3 and parts[0].lower() == (self._engine.server.catalog or "").lower()
        return parts[1:] if is_there else parts

    def _is_unknown(self, reference: Reference) -> bool:
        """Whether a name that is no set can be nothing else either; else the server decides."""
        parts, server = reference.name.parts, self._engine.server
        if self.statement.tree is None and not reference.alone:
            return False
        if len(parts) == 1:
            return server.schema is None
        return len(parts) == 2 and parts[0].lower() not in _NOT_NAMESPACES

    def _unknown(self, reference: Reference, known: Sequence[SetName]) -> QueryError:
        parts, bound = reference.name.parts, self.statement.bound
        if len(parts) == 1:
            message, hint = unknown_bare(parts[0], known)
        else:
            message, hint = unknown_qualified(parts[0], parts[1], self._engine.catalog)
        position = bound.original_position(reference.name.start)
        return UnknownNameError(message, hint=hint, sql=bound.original, position=position)

    def _sources(self) -> tuple[dict[Reference, str], dict[int, str]]:
        """What stands for each set, and for stars that would show too much."""
        if not self.sets:
            return {}, {}
        needs = Needs(self._named, self.statement.takes_all_columns, self.options.on_mismatch == "error")
        catalog = self._engine.server.catalog
        assert catalog is not None
        gateway = GatewayNames(catalog, self._engine.catalog.namespaces(), self._dialect)
        known = self._engine.catalog.sets()
        tables: dict[Reference, str] = {}
        shows_hidden = False
        for number, (reference, schema) in enumerate(self.sets.items()):
            sets = [name for namespace, name in known if namespace == schema.namespace]
            is_described = reference.alone and reference.query_at is None
            name = gateway.table(schema, sets, "" if is_described else self._query_text(number))
            self.tables.append((":".join(part.strip('"') for part in name.split('"."')[1:]), schema))
            if is_described or not self._is_ours:
                tables[reference] = name
                continue
            tables[reference], is_subquery = source_of(name, schema, needs, self._dialect)
            shows_hidden |= is_subquery and bool(hidden(schema, self._named))
        return tables, self._stars() if shows_hidden and needs.takes_all else {}

    def _query_text(self, number: int) -> str:
        if not self._is_ours:
            return ""
        options, progress = self.options, self.progress
        return TableOptions(
            rps=options.records_per_second,
            mismatch=options.on_mismatch,
            push=options.push_down,
            progress=None if progress is None else ProgressAddress.parse(progress.address(number)),
        ).suffix()

    def _stars(self) -> dict[int, str]:
        if self.statement.tree is None:
            return {}
        from aerospike_magic.engines.trino.stars import listed_stars

        by_name = {tuple(map(str.lower, reference.name.parts)): schema for reference, schema in self.sets.items()}
        return listed_stars(
            self.statement.text,
            self.statement.tree,
            lambda parts: by_name.get(tuple(map(str.lower, parts))),
            self._dialect,
        )

    def _rewrite(
        self, tables: Mapping[Reference, str], stars: Mapping[int, str], values: Mapping[str, str]
    ) -> Rewritten:
        if self.statement.is_list_of_sets:
            text = self._list_of_sets()
            return edited(self.statement.text, self.statement.bound, [(0, len(self.statement.text), text)])
        return rewrite(self.statement, tables, stars, values)

    def _list_of_sets(self) -> str:
        flavor = self._engine.server.flavor
        found = sorted(self._engine.catalog.sets())
        rows = ", ".join(f"({literal('', space, flavor)}, {literal('', name, flavor)})" for space, name in found)
        table = f'(VALUES {rows or "(NULL, NULL)"}) AS t (namespace, "set")'
        where = "" if rows else " WHERE FALSE"
        return f'SELECT CAST(namespace AS varchar) AS namespace, CAST("set" AS varchar) AS "set" FROM {table}{where}'

"""DuckDB over Aerospike sets, inside this process.

A query is: parameters bound → one statement that only reads → its tables found → filters derived → a fresh in-memory
DuckDB, locked down, with one view a set → the statement as the user wrote it. Nothing is shared between two queries,
so cells that run at the same time do not disturb one another. DuckDB may read no file, load no extension and see no
Python variable that was not given to it.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from aerospike_magic.engines.base import Explanation, QueryOptions, ScanExplanation
from aerospike_magic.engines.local.catalog import Catalog, ClusterCatalog
from aerospike_magic.engines.local.diagnose import Context, query_error
from aerospike_magic.engines.local.estimate import estimate_bytes
from aerospike_magic.engines.local.result import Execution, LocalResult
from aerospike_magic.engines.local.source import ScanLog
from aerospike_magic.engines.local.statements import Statement, read_statement
from aerospike_magic.engines.local.tables import (
    Tables,
    find_tables,
    metadata_named,
    register_tables,
    runnable_text,
)
from aerospike_magic.engines.parameters import BoundSql, bind_parameters
from aerospike_magic.errors import AerospikeMagicError, QueryError
from aerospike_magic.filters.predicate import Predicate

if TYPE_CHECKING:
    import duckdb

    from aerospike_magic.connection import Connection
    from aerospike_magic.engines.local.filters import UnsettledCondition

_DEFAULT_OPTIONS = QueryOptions()
_CONFIG = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}


class LocalEngine:
    """SQL by DuckDB over the sets of one cluster.

    Args:
        connection: to the cluster, from `aerospike_magic.connect`.
        catalog: another place to find sets, in place of the connection; for tests.

    Example::

        engine = LocalEngine(connection)
        with engine.query("SELECT origin, count(*) FROM demo.flights GROUP BY 1") as result:
            frame = result.to_pandas()
    """

    name = "local"

    def __init__(self, connection: Connection | None = None, *, catalog: Catalog | None = None) -> None:
        if catalog is None:
            if connection is None:
                raise QueryError("the local engine needs a connection", hint="LocalEngine(connect(…))")
            catalog = ClusterCatalog(connection)
        self._catalog = catalog
        self._running: weakref.WeakSet[Execution] = weakref.WeakSet()
        self._spill_directory: str | None = None

    def query(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        options: QueryOptions = _DEFAULT_OPTIONS,
        *,
        frames: Mapping[str, Any] | None = None,
    ) -> LocalResult:
        """Start a statement; see `Engine.query`.

        Names, types and rights are checked before this returns; the rows come later. A ``FROM name`` without a
        namespace reads the local frame of that name in `frames` if there is one, else the only set so called.
        """
        log = ScanLog(options)
        prepared = self._prepare(sql, parameters, options, frames or {}, log)
        execution = prepared.execute(log, options)
        self._running.add(execution)
        estimate = _estimator(prepared.statement, prepared.tables, log)
        return LocalResult(execution, options, estimate, prepared.json_notes())

    def explain(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        options: QueryOptions = _DEFAULT_OPTIONS,
        *,
        frames: Mapping[str, Any] | None = None,
    ) -> Explanation:
        """Run the statement over sets that give no rows, and say what DuckDB asked of each; see `Engine.explain`."""
        from aerospike_magic.engines.local.checked import with_engine_filters

        log = ScanLog(options, only_explain=True)
        prepared = self._prepare(sql, parameters, options, frames or {}, log)
        plan, plan_json = prepared.plan(), prepared.plan("FORMAT json")
        execution = prepared.execute(log, options)
        self._running.add(execution)
        try:
            execution.wait_ready()
            while execution.next_batch() is not None:
                pass
        except QueryError:
            # Some statements need rows to make sense of, PIVOT for one; what they read is known by then.
            if not log.explanations:
                raise
        finally:
            execution.join()
        scans = with_engine_filters(log.explanations, prepared.unsettled(), plan_json or None)
        return Explanation(sql, scans, plan, (*prepared.notes(scans), *prepared.json_notes()))

    def close(self) -> None:
        """Stop every running query."""
        for execution in list(self._running):
            execution.stop()

    def _spill_to(self) -> str:
        """Return a directory only this user reads; DuckDB puts there what a large sort or join cannot hold."""
        if self._spill_directory is None:
            self._spill_directory = tempfile.mkdtemp(prefix="aerospike_magic_")
            weakref.finalize(self, shutil.rmtree, self._spill_directory, ignore_errors=True)
        return self._spill_directory

    def _prepare(
        self,
        sql: str,
        parameters: Mapping[str, object] | None,
        options: QueryOptions,
        frames: Mapping[str, Any],
        log: ScanLog,
    ) -> _Prepared:
        bound = bind_parameters(sql, parameters)
        con = _connect(options, self._spill_to())
        context = Context(bound, self._catalog)
        try:
            statement = read_statement(bound, con)
            context = Context(bound, self._catalog, statement)
            tables = find_tables(statement, self._catalog, frames)
            context = Context(bound, self._catalog, statement, tables)
            filters = _filters(statement, tables, bound, options)
            register_tables(con, statement, tables, self._catalog, filters, log)
            # DuckDB draws a bar of its own in notebooks; the scans have a better one.
            con.execute("SET enable_progress_bar = false")
            con.execute("SET lock_configuration = true")
            prepared = _Prepared(con, bound, statement, tables, filters, context)
            prepared.check()
        except BaseException as error:
            con.close()
            if isinstance(error, QueryError) and error.position is not None and not error.sql:
                error.sql, error.position = sql, bound.original_position(error.position)
            if isinstance(error, AerospikeMagicError) or not isinstance(error, Exception):
                raise
            raise query_error(error, context) from None
        return prepared


class _Prepared:
    """A statement that is ready to run, on its own connection."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        bound: BoundSql,
        statement: Statement,
        tables: Tables,
        filters: Mapping[str, Predicate],
        context: Context,
    ) -> None:
        self.statement = statement
        self.tables = tables
        self._con = con
        self._values = bound.values or None
        self._text = runnable_text(statement, tables)
        self._filters = filters
        self._context = context
        self._is_many = False
        self._relation: Any = None

    def check(self) -> None:
        """Bind names and types now; a PIVOT, which reads to do that, is left for later."""
        self._is_many = len(self._con.extract_statements(self._text)) != 1 or any(
            statement.type.name != "SELECT" for statement in self._con.extract_statements(self._text)
        )
        if self._is_many:
            return
        # As the user wrote it first, so that a place in an error is a place in that text.
        self._relation = self._con.sql(self._text, params=self._values)
        narrowed = self._without_hidden_columns()
        if narrowed != self._text:
            self._text = narrowed
            self._relation = self._con.sql(self._text, params=self._values)

    def _without_hidden_columns(self) -> str:
        metadata = metadata_named(self.statement)
        if not metadata or self.statement.tree is None:
            return self._text
        from aerospike_magic.engines.stars import hide_metadata

        return hide_metadata(self._text, self.statement.tree, self.tables.resolve, metadata)

    def plan(self, form: str = "FORMAT text") -> str:
        """Return DuckDB's plan, "" where it has none to show."""
        import duckdb

        if self._is_many:
            return ""
        try:
            rows = self._con.execute(f"EXPLAIN ({form}) {self._text}", self._values).fetchall()
        except duckdb.Error:
            return ""
        return "\n".join(str(row[-1]) for row in rows)

    def execute(self, log: ScanLog, options: QueryOptions) -> Execution:
        """Start it in a thread."""
        context = self._context

        def start() -> pa.RecordBatchReader:
            relation = self._relation
            if relation is None:
                relation = self._con.sql(self._text, params=self._values)
            elif options.limit is not None and _are_distinct(relation.columns):
                # DuckDB turns ORDER BY with a limit into a search for the top rows; but a name that comes twice
                # would be changed, and then the reader alone counts.
                relation = relation.limit(options.limit)
            return relation.to_arrow_reader(options.batch_rows)

        return Execution(self._con, start, log, lambda error: query_error(error, context))

    def notes(self, scans: Sequence[ScanExplanation]) -> tuple[str, ...]:
        """Say what was derived from the statement's text and is not in `scans`."""
        if self.statement.tree is None and self.tables.sets:
            return ("The statement's text was not understood in full, so only DuckDB's own filters are pushed.",)
        from aerospike_magic.engines.local.checked import unshown_filters

        return unshown_filters(self._filters, scans)

    def json_notes(self) -> tuple[str, ...]:
        """Name comparisons of JSON columns with plain strings."""
        if self.statement.tree is None or not self.tables.sets:
            return ()
        from aerospike_magic.engines.local.json_notes import json_notes

        return json_notes(self.statement.tree, self.tables.resolve, self._values or {})

    def unsettled(self) -> Mapping[str, Sequence[UnsettledCondition]]:
        """Return the conditions that no derived filter stands for, by set."""
        if self.statement.tree is None or not self.tables.sets:
            return {}
        from aerospike_magic.engines.local.filters import unsettled_conditions

        return unsettled_conditions(self.statement.tree, self.tables.resolve, self._values or {}, self._filters)


def _connect(options: QueryOptions, spill_directory: str) -> duckdb.DuckDBPyConnection:
    import duckdb

    con = duckdb.connect(":memory:", config=_CONFIG | {"temp_directory": f"{spill_directory}/{uuid.uuid4().hex}"})
    # DuckDB reads this far ahead before it gives its first rows; by default, that is half of a small set.
    con.execute("SET streaming_buffer_size = '64KB'")
    if not options.push_down:
        con.execute("SET disabled_optimizers = 'filter_pushdown'")
    return con


def _are_distinct(names: Sequence[str]) -> bool:
    return len({name.lower() for name in names}) == len(names)


def _filters(statement: Statement, tables: Tables, bound: BoundSql, options: QueryOptions) -> dict[str, Predicate]:
    if statement.tree is None or not tables.sets or not options.push_down:
        return {}
    from aerospike_magic.engines.local.filters import derive_filters

    return derive_filters(statement.tree, tables.resolve, bound.values)


def _estimator(statement: Statement, tables: Tables, log: ScanLog) -> Callable[[pa.Schema], int | None]:
    return lambda schema: estimate_bytes(statement, tables, log, schema)

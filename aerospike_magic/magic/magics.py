"""`%aerospike` and `%%aerosql`: parse the line, run the command, show the result."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from getpass import getpass
from typing import TYPE_CHECKING, Any

from IPython.core.magic import (
    Magics,
    line_cell_magic,
    line_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
)
from IPython.display import publish_display_data
from traitlets import Enum, Integer

from aerospike_magic.display.grid import Grid
from aerospike_magic.display.progress import mismatch_lines, summary_html, summary_line
from aerospike_magic.display.style import page
from aerospike_magic.display.text import clean, escape, plural, size
from aerospike_magic.errors import ConfigError
from aerospike_magic.magic.command import (
    AerospikeCommand,
    QueryCommand,
    engine_names,
    parse_aerospike,
    parse_query,
)
from aerospike_magic.magic.failure import shown_briefly
from aerospike_magic.magic.insert import InsertRun, find_insert, written_words
from aerospike_magic.magic.passwords import with_password
from aerospike_magic.magic.run import Finished, QueryRun, apart, watch
from aerospike_magic.magic.session import Session
from aerospike_magic.magic.status import status_bundle
from aerospike_magic.magic.variables import StatementVariables, statement_variables
from aerospike_magic.magic.views import open_view

if TYPE_CHECKING:
    from aerospike_magic.engines.base import Engine, QueryOptions, QueryResult
    from aerospike_magic.engines.insert import Insert


@magics_class
class AerospikeMagics(Magics):
    """The magics, and the session that they share.

    Attributes:
        rows: how many rows a cell without -o shows; set by `%config AerospikeMagics.rows = 100`.
        engine: what runs cells without --engine.
    """

    rows = Integer(50, min=1, help="How many rows a cell without -o shows.").tag(config=True)

    engine = Enum(engine_names(), "local", help="What runs a cell without --engine.").tag(config=True)

    def __init__(self, shell: Any, session: Session | None = None) -> None:
        super().__init__(shell)
        self.session = session or Session()

    @line_magic
    def aerospike(self, line: str) -> None:
        """Connect to Aerospike and look around.

        ::

            %aerospike connect HOST:PORT[,HOST:PORT]     or the name of a profile, or nothing (environment)
                       [--user NAME] [--auth internal|external|pki|none] [--namespace NAME]
                       [--tls] [--tls-name NAME] [--tls-cafile PEM] [--tls-certfile PEM] [--tls-keyfile PEM]
                       [--services-alternate] [--timeout SECONDS]
            %aerospike tables [NAMESPACE]                the sets, their records, size and storage
            %aerospike schema NAMESPACE.SET              a set's columns, with the evidence for their types
                       [--save FILE]                     write them to a TOML file, to be edited: type = "json", …
                       [--load FILE]                     use that file's columns and types from now on
            %aerospike indexes [NAMESPACE]               the secondary indexes
            %aerospike profiles                          the connections in the profile file
            %aerospike trino [HOST:PORT]                 run cells of --engine trino on that Trino; presto: the same
                       [--user NAME] [--catalog NAME] [--schema NAME] [--password | --jwt | --oauth]
                       [--http-scheme http|https] [--tls-cafile PEM] [--tls-certfile PEM] [--tls-keyfile PEM]
                       [--no-verify]
            %aerospike trino start|stop                  one on this machine, downloaded once; presto: the same
            %aerospike trino-catalog [--gateway HOST:PORT] [--presto] [--tls-cafile PEM]
                                                         the catalog file for a Trino or Presto of yours
            %aerospike trace                             what an engine said in full of the last error
            %aerospike disconnect
            %aerospike                                   where things stand

        A password is never given on the line: it comes from the keyring, from the environment, or from a
        prompt.
        """
        with shown_briefly(self.session, colour=self._has_colour):
            command = parse_aerospike(line)
            getattr(self, f"_{command.name.replace('-', '_')}")(command)

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def aerosql(self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None) -> None:
        """Run SQL on Aerospike sets, in place.

        ::

            %%aerosql [-o NAME] [-t pandas|polars|arrow|duckdb|spark] [--engine local|spark|trino|presto]
                      [--limit N] [--explain] [--param NAME=VALUE] [--quiet] [--rps N] [--dialect NAME]
            SELECT origin, count(*) FROM demo.flights WHERE dep_delay > :delay GROUP BY origin

            %%aerosql
            df << SELECT * FROM demo.flights WHERE origin = 'JFK'

            %aerosql SELECT count(*) FROM demo.flights

            %%aerosql --write --key flight
            INSERT INTO test.late SELECT flight, dep_delay FROM demo.flights WHERE dep_delay > 60

        Without -o the first rows are shown and the scan stops there; with -o NAME (or NAME << SELECT …) the
        whole result lands in that variable. Tables are named namespace.set; DataFrames of the notebook can
        be joined by their name. `:name` and `{{name}}` take the value of a Python variable, bound and never
        pasted.

        -o NAME            put the whole result into NAME
        -t TYPE            its type: pandas (default), polars, arrow, duckdb; with Spark also spark, a lazy DataFrame
        --engine NAME      what runs it: local (DuckDB in this process), spark (the notebook's `spark`, or Spark on
                           this machine), trino or presto (that of `%aerospike trino`, or one on this machine);
                           `%config AerospikeMagics.engine = "spark"` for all cells
        --limit N          at most N rows
        --explain          say how it would run: access path, what is pushed to the server, what not
        --param NAME=VALUE a value for :name, before any variable of that name
        --quiet            show no progress and no summary
        --rps N            at most N records a second from each node
        --dialect NAME     the statement is in this SQL (duckdb, spark, trino, postgres, mysql, …): translate it first
        --write            let INSERT INTO namespace.set [(columns)] SELECT … write, a record a row; without it, cells
                           only read
        --key COLUMN       with --write: the column that is the records' key; else the column `__key`
        --mode MODE        with --write: update (default) merges bins, replace makes the row the whole record,
                           create_only, update_only, replace_only
        """
        with shown_briefly(self.session, colour=self._has_colour):
            command = self._translated(parse_query(line, cell))
            if command.kind == "spark" and self._engine_name(command) != "spark":
                raise ConfigError("-t spark is for a query that Spark runs", hint="add --engine spark")
            self.session.opened()
            names = {**self.shell.user_ns, **(local_ns or {})}
            variables = statement_variables(command.sql, names, command.parameters)
            insert = find_insert(command, self._engine_name(command))
            try:
                if insert is not None and not command.explain:
                    self._insert(command, insert, variables)
                elif command.explain:
                    self._explain(command if insert is None else replace(command, sql=insert.sql), variables)
                elif command.output:
                    self._store(command, variables)
                else:
                    self._show(command, variables)
            finally:
                if self._engine_name(command) == "spark":
                    self._share_spark()

    @property
    def _has_colour(self) -> bool:
        return str(self.shell.colors).lower() != "nocolor"

    def _options(self, command: QueryCommand) -> QueryOptions:
        from aerospike_magic.engines.base import QueryOptions

        return QueryOptions(limit=command.limit, records_per_second=command.records_per_second)

    def _explain(self, command: QueryCommand, variables: StatementVariables) -> None:
        from aerospike_magic.display.explain import explain_bundle

        options, open_engine = self._options(command), self._opener(command)
        explanation = apart(
            lambda: open_engine().explain(command.sql, variables.parameters, options, frames=variables.frames)
        )
        publish_display_data(explain_bundle(explanation, _cells()))

    def _show(self, command: QueryCommand, variables: StatementVariables) -> None:
        from aerospike_magic.display.table import result_grid

        # One row more than is shown tells whether there are more.
        view = open_view(self.shell, quiet=command.quiet)
        ended = self._run(command, variables, view, lambda result: result.head(self.rows + 1))
        more = ended.value.num_rows > self.rows
        grid = result_grid(ended.value.slice(0, self.rows), more=more, hint="-o NAME for all")
        view.finish(summary_line(ended.scans, ended.elapsed_s), summary_html(ended.scans, ended.elapsed_s))
        self._warn(ended, command)
        publish_display_data(grid.bundle(_cells()))

    def _store(self, command: QueryCommand, variables: StatementVariables) -> None:
        view = open_view(self.shell, quiet=command.quiet)
        ended = self._run(command, variables, view, lambda result: getattr(result, f"to_{command.kind}")())
        self.shell.user_ns[command.output] = ended.value
        tail = f"{command.output}: {describe_value(ended.value, command.kind)}"
        if command.kind == "spark":
            view.finish(tail, f'<div class="aero-line" role="status">{escape(tail)}</div>')
            return
        view.finish(
            summary_line(ended.scans, ended.elapsed_s, tail=tail),
            summary_html(ended.scans, ended.elapsed_s, tail=tail),
        )
        self._warn(ended, command)

    def _insert(self, command: QueryCommand, insert: Insert, variables: StatementVariables) -> None:
        starting = self.session.starting(self._engine_name(command))
        options, connection = self._options(command), self.session.opened()
        run = InsertRun(self._opener(command), insert, command, variables, options, connection, starting)
        view = open_view(self.shell, quiet=command.quiet)
        try:
            ended = watch(run, view)
        finally:
            if self.session.catalog is not None:
                self.session.catalog.forget(*run.target)
                self.session.catalog.refresh()
        tail = written_words(ended.value, run.table)
        view.finish(
            summary_line(ended.scans, ended.elapsed_s, tail=tail),
            summary_html(ended.scans, ended.elapsed_s, tail=tail),
        )
        self._warn(ended, command)

    def _run(
        self,
        command: QueryCommand,
        variables: StatementVariables,
        view: Any,
        consume: Callable[[QueryResult], Any],
    ) -> Finished[Any]:
        starting = self.session.starting(self._engine_name(command))
        run = QueryRun(self._opener(command), command.sql, variables, self._options(command), consume, starting)
        return watch(run, view)

    def _translated(self, command: QueryCommand) -> QueryCommand:
        """The command with its statement in the SQL of the engine that runs it."""
        if not command.dialect:
            return command
        from aerospike_magic.engines.dialects import translate

        return replace(command, sql=translate(command.sql, command.dialect, self._engine_name(command)))

    def _engine_name(self, command: QueryCommand) -> str:
        return command.engine or str(self.engine)

    def _opener(self, command: QueryCommand) -> Callable[[], Engine]:
        """What opens the engine of a cell, on another thread: to start Spark takes seconds."""
        name = self._engine_name(command)
        names = self.shell.user_ns

        def open_engine() -> Engine:
            if name != "spark":
                return self.session.engine(name)
            from aerospike_magic.engines.spark.session import find_session, is_session, is_usable

            named = names.get("spark")
            spark = named if is_session(named) and is_usable(named) else find_session()
            engine = self.session.engine(name, spark)
            if named is None or is_session(named):
                names["spark"] = engine.spark  # type: ignore[attr-defined]  # a SparkEngine
            return engine

        return open_engine

    def _share_spark(self) -> None:
        """Let the notebook's own cells use the session that a query's thread has started or handed the jar."""
        from aerospike_magic.engines.spark.session import is_session, is_usable, use_session_here

        spark = self.shell.user_ns.get("spark")
        if is_session(spark) and is_usable(spark):
            use_session_here(spark)

    def _warn(self, ended: Finished[Any], command: QueryCommand) -> None:
        lines = [*mismatch_lines(ended.scans), *map(clean, ended.notes)]
        if lines and not command.quiet:
            body = "".join(f'<div class="aero-note">{escape(line)}</div>' for line in lines)
            publish_display_data({"text/plain": "\n".join(lines), "text/html": page(body)})

    def _status(self, command: AerospikeCommand) -> None:
        publish_display_data(status_bundle(self.session.connection))

    def _connect(self, command: AerospikeCommand) -> None:
        target = command.arguments[0] if command.arguments else None
        options = with_password(target, command.options, getpass)
        publish_display_data(status_bundle(self.session.connect(target, **options), with_help=False))

    def _disconnect(self, command: AerospikeCommand) -> None:
        print("disconnected" if self.session.disconnect() else "there was no connection")

    def _tables(self, command: AerospikeCommand) -> None:
        from aerospike_magic.display.schema import sets_grid

        connection = self.session.opened()
        self._publish(sets_grid(connection.sets(*command.arguments)))

    def _schema(self, command: AerospikeCommand) -> None:
        from aerospike_magic.display.schema import schema_grid

        schema = self.session.schema(command.arguments[0], load=command.options.get("load"))
        if "save" in command.options:
            print(f"written to {schema.save(command.options['save'])}")
        self._publish(schema_grid(schema))

    def _indexes(self, command: AerospikeCommand) -> None:
        from aerospike_magic.display.schema import indexes_grid

        connection = self.session.opened()
        self._publish(indexes_grid(connection.indexes(*command.arguments)))

    def _profiles(self, command: AerospikeCommand) -> None:
        from aerospike_magic.connection.profiles import load_profiles, profiles_path
        from aerospike_magic.display.schema import profiles_grid

        self._publish(profiles_grid(load_profiles(), str(profiles_path())))

    def _trino(self, command: AerospikeCommand) -> None:
        from aerospike_magic.magic.trino_commands import run_trino

        run_trino(self.session, command, getpass)

    _presto = _trino

    def _trino_catalog(self, command: AerospikeCommand) -> None:
        from aerospike_magic.magic.trino_commands import catalog_of

        print(catalog_of(command), end="")

    def _trace(self, command: AerospikeCommand) -> None:
        error = self.session.last_error
        print(
            "\n".join(map(clean, (error.details or str(error)).splitlines()))
            if error is not None
            else "no cell has failed"
        )

    def _publish(self, grid: Grid) -> None:
        publish_display_data(grid.bundle(_cells()))


def describe_value(value: Any, kind: str) -> str:
    """Return a result's shape in words: `111,279 rows × 19 columns, pandas, 23.1 MB`."""
    if kind == "spark":
        return f"a Spark DataFrame of {plural(len(value.columns), 'column')}, which runs when it is used"
    if kind == "duckdb":
        return f"a DuckDB relation of {plural(len(value.columns), 'column')}"
    n_rows, n_columns = value.shape
    shape = f"{plural(n_rows, 'row')} × {plural(n_columns, 'column')}"
    return f"{shape}, {kind}, {size(_n_bytes(value, kind))}"


def _n_bytes(value: Any, kind: str) -> int:
    if kind == "pandas":
        return int(value.memory_usage(index=False).sum())
    return int(value.estimated_size() if kind == "polars" else value.nbytes)


def _cells() -> int:
    return shutil.get_terminal_size((120, 24)).columns

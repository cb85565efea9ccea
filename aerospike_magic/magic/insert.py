"""`%%aerosql --write`: INSERT INTO a set what a SELECT gives, batch by batch, and say what became of the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from aerospike_magic.display.text import count, plural, rate
from aerospike_magic.engines.insert import Insert, split_insert
from aerospike_magic.engines.lexer import DUCKDB, PRESTO, SPARK, TRINO
from aerospike_magic.errors import (
    AerospikeMagicError,
    ConfigError,
    QueryError,
    ReadOnlyError,
    SchemaError,
    UnknownNameError,
    WriteError,
)
from aerospike_magic.magic.run import QueryRun

if TYPE_CHECKING:
    import pyarrow as pa

    from aerospike_magic.connection import Connection
    from aerospike_magic.engines.base import Engine, QueryOptions, QueryResult
    from aerospike_magic.magic.command import QueryCommand
    from aerospike_magic.magic.variables import StatementVariables
    from aerospike_magic.write import Writer, WriteReport


_DIALECTS = {dialect.name: dialect for dialect in (SPARK, TRINO, PRESTO)}


def find_insert(command: QueryCommand, engine: str) -> Insert | None:
    """Return the INSERT that a cell is, None for a cell that only reads.

    Raises:
        ReadOnlyError: it is one, and was not told to write.
        ConfigError: it was told to write and is none, or has an option that makes no sense with one.
    """
    insert = split_insert(command.sql, _DIALECTS.get(engine, DUCKDB))
    if insert is None:
        if command.write or command.key or command.mode:
            raise ConfigError("--write is for a cell that inserts", hint="INSERT INTO namespace.set SELECT …")
        return None
    if command.explain:
        return insert
    if not command.write:
        raise ReadOnlyError(
            "INSERT writes, and a cell only reads unless it is told to write",
            hint="add --write: %%aerosql --write",
            sql=command.sql,
            position=insert.start,
        )
    if command.output:
        raise ConfigError("an INSERT has no result for -o", hint="leave out -o")
    return insert


class InsertRun(QueryRun["WriteReport"]):
    """One INSERT on a worker thread: the engine reads, our writer writes.

    Args:
        open_engine: returns the engine that runs the SELECT.
        insert: the INSERT.
        command: the cell's options.
        variables: values to bind and tables to read.
        options: limits and throttle of the SELECT.
        connection: where the rows go.
        starting: what to say while the engine is opened.

    Attributes:
        target: namespace and set that are written.

    Raises:
        UnknownNameError: there is no such namespace.
    """

    def __init__(
        self,
        open_engine: Callable[[], Engine],
        insert: Insert,
        command: QueryCommand,
        variables: StatementVariables,
        options: QueryOptions,
        connection: Connection,
        starting: str = "",
    ) -> None:
        super().__init__(open_engine, insert.sql, variables, options, self._write, starting)
        self._insert = insert
        self._command = command
        self._connection = connection
        self._writer: Writer | None = None
        self._is_engines = False
        self.target = find_target(connection, insert, command.sql)

    @property
    def table(self) -> str:
        """The set that is written, as ``namespace.set``."""
        return ".".join(self.target)

    @property
    def activity(self) -> str:
        """How many rows have been written, before where the engine is."""
        written = "" if self._writer is None else f"{count(self._writer.report.written)} written"
        return " · ".join(word for word in (written, super().activity) if word)

    @property
    def kept(self) -> str:
        """What stays of a run that was stopped."""
        if self._is_engines:
            return f"what the engine's tasks had written to {self.table} stays"
        report = None if self._writer is None else self._writer.report
        if report is None or not (report.written or report.uncertain):
            return "nothing was written"
        maybe = f", of {plural(report.uncertain, 'more row')} that is not known" if report.uncertain else ""
        return f"{plural(report.written, 'row')} had been written to {self.table} and stay{maybe}"

    def cancel(self) -> None:
        """Stop reading and writing; both end within a second."""
        if self._writer is not None:
            self._writer.cancel()
        super().cancel()

    def _write(self, result: QueryResult) -> WriteReport:
        from aerospike_magic.engines.base import SaveOrder
        from aerospike_magic.write import Writer, check_columns, choose_options, failed_rows

        schema = self._named(result.schema)
        how = choose_options(schema.names, self._asked(schema.names))
        check_columns(schema, how)
        order = SaveOrder(
            self.table, tuple(schema.names), how, self._command.records_per_second, self._insert.reads_target
        )
        self._is_engines = True
        try:
            report = result.save(order)
        finally:
            self._connection.forget_schema(*self.target)
        if report is not None:
            return report
        self._is_engines = False
        self._writer = writer = Writer(
            self._connection, *self.target, how, records_per_second=self._command.records_per_second
        )
        try:
            report = writer.write(self._rows(result, schema))
        except AerospikeMagicError as error:
            written = writer.report.written
            if isinstance(error, WriteError) or not written:
                raise
            message = f"{error.message}; {plural(written, 'row')} had been written to {self.table}"
            raise WriteError(message, hint=error.hint, node=error.node, report=writer.report) from error
        finally:
            self._connection.forget_schema(*self.target)
        if report.failures:
            raise failed_rows(report, self.table)
        return report

    def _asked(self, names: list[str]) -> Any:
        from aerospike_magic.schema.types import KEY_NAME
        from aerospike_magic.write import WriteOptions

        key = self._command.key or None
        if key is None and KEY_NAME not in names:
            raise QueryError(
                "nothing says which column is the records' key",
                hint=f"--key COLUMN, or SELECT … AS {KEY_NAME} (columns: {', '.join(names[:12])})",
            )
        if key is not None and key not in names:
            raise QueryError(f"the rows have no column {key} to be the key", hint=f"columns: {', '.join(names[:12])}")
        return WriteOptions(key=key, mode=self._command.mode or "update")

    def _named(self, schema: pa.Schema) -> pa.Schema:
        """The rows' schema with the names that the INSERT lists."""
        import pyarrow as pa

        names = self._insert.columns
        if names is None:
            return schema
        if len(names) != len(schema):
            raise QueryError(
                f"INSERT names {plural(len(names), 'column')}, and the rows have {len(schema):,}",
                hint=f"the rows have {', '.join(schema.names[:12])}",
                sql=self._command.sql,
                position=self._insert.target_start,
            )
        return pa.schema([field.with_name(name) for field, name in zip(schema, names, strict=True)])

    def _rows(self, result: QueryResult, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        # A scan would meet the records that the rows before have become: all is read before anything is written.
        batches = result.to_arrow().to_batches() if self._insert.reads_target else result.batches()
        for batch in batches:
            yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)


def find_target(connection: Connection, insert: Insert, sql: str) -> tuple[str, str]:
    """Return namespace and set that an INSERT writes to; the set need not exist.

    Raises:
        UnknownNameError: there is no such namespace.
    """
    try:
        return connection.split_name(insert.target)
    except SchemaError as error:
        raise UnknownNameError(error.message, hint=error.hint, sql=sql, position=insert.target_start) from None


def written_words(report: WriteReport, table: str) -> str:
    """Say what was written: `111,279 rows written to test.copy (222,000 rows/s)`."""
    return f"{plural(report.written, 'row')} written to {table} ({rate(report.rows_per_s)})"

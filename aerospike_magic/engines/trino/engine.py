"""SQL by Trino or Presto over Aerospike sets, through our gateway's catalog or another that the cluster has for them.

A query is: parameters bound → one statement that only reads → its tables found → each set named by its table in the
gateway's catalog, in a subquery where types or names need it, values written as literals → sent to the server, whose
pages become Arrow here. How a set is to be read (throttle, progress) travels in its table's name, behind a ``?``.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aerospike_magic.engines.base import Explanation, QueryOptions
from aerospike_magic.engines.catalog import ClusterSets
from aerospike_magic.engines.lexer import PRESTO, TRINO, Dialect
from aerospike_magic.engines.progress import ProgressReceiver, QueryProgress
from aerospike_magic.engines.telling import Telling
from aerospike_magic.engines.trino.client import RunningStatement, StatementFailed, ask
from aerospike_magic.engines.trino.endpoint import TrinoServer
from aerospike_magic.engines.trino.prepare import Prepared
from aerospike_magic.engines.trino.result import TrinoResult, TrinoRun
from aerospike_magic.errors import ConnectError, QueryError

if TYPE_CHECKING:
    from aerospike_magic.connection import Connection
    from aerospike_magic.gateway.service import AerospikeService

_DEFAULT_OPTIONS = QueryOptions()
_NOT_OURS = frozenset({"TABLE_NOT_FOUND", "SCHEMA_NOT_FOUND", "MISSING_TABLE", "MISSING_SCHEMA", "PERMISSION_DENIED"})


class TrinoEngine:
    """SQL by Trino or Presto over the sets of one cluster.

    Args:
        connection: to the Aerospike cluster, from `aerospike_magic.connect`.
        server: the Trino or Presto, and its catalog in which the sets are.
        service: what the catalog's gateway serves, where that gateway runs in this process: then scans tell their
            progress here, and local frames can be read. None for a gateway elsewhere.

    Example::

        engine = TrinoEngine(connection, TrinoServer("trino.example.com", user="ada", password=…))
        delays = engine.query("SELECT origin, avg(dep_delay) FROM demo.flights GROUP BY 1").to_pandas()
    """

    def __init__(self, connection: Connection, server: TrinoServer, service: AerospikeService | None = None) -> None:
        self.connection = connection
        self.server = server
        self.service = service
        self.catalog = ClusterSets(connection)
        # A gateway tells its progress to this machine only, if it runs there itself.
        self._receiver = ProgressReceiver() if service is not None or server.is_local else None
        self._running: weakref.WeakSet[TrinoRun] = weakref.WeakSet()
        self._is_ours: bool | None = None if service is None else True
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The engine's name, "trino" or "presto"."""
        return self.server.flavor.name

    @property
    def dialect(self) -> Dialect:
        """Whose SQL it takes."""
        return PRESTO if self.name == "presto" else TRINO

    def query(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        options: QueryOptions = _DEFAULT_OPTIONS,
        *,
        frames: Mapping[str, Any] | None = None,
    ) -> TrinoResult:
        """Start a statement; see `Engine.query`. The server runs it from now on."""
        prepared = Prepared(self, sql, parameters, options, frames or {})
        try:
            statement = RunningStatement(self.server, prepared.rewritten.text)
        except BaseException:
            prepared.drop()
            raise
        telling = Telling(self._receiver, prepared.progress)
        run = TrinoRun(statement, telling, options, prepared.translate, prepared.drop)
        self._running.add(run)
        return TrinoResult(run, options, prepared.real_name)

    def explain(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        options: QueryOptions = _DEFAULT_OPTIONS,
        *,
        frames: Mapping[str, Any] | None = None,
    ) -> Explanation:
        """Let the server plan the statement, and say how each set would be read; see `Engine.explain`."""
        from aerospike_magic.engines.trino.explain import explain

        prepared = Prepared(self, sql, parameters, options, frames or {})
        try:
            return explain(self, prepared)
        finally:
            prepared.drop()

    def close(self) -> None:
        """Stop every running query."""
        for run in list(self._running):
            with suppress(Exception):
                run.cancel()
        if self._receiver is not None:
            self._receiver.close()

    def open_progress(self, namespaces: list[str], options: QueryOptions) -> QueryProgress | None:
        """Expect the progress of a query that reads from these namespaces; None where nothing can be told."""
        if self._receiver is None or not namespaces:
            return None
        maps = {namespace: self.connection.partition_map(namespace) for namespace in namespaces}
        return self._receiver.open(maps, options.on_progress)

    def forget_progress(self, progress: QueryProgress) -> None:
        """Expect nothing more of a query that was not started."""
        if self._receiver is not None:
            self._receiver.forget(progress)

    def catalog_is_ours(self) -> bool:
        """Return whether the server's catalog is a gateway of ours; asked once.

        Raises:
            QueryError: the server has no such catalog.
            ConnectError: the server cannot be asked.
        """
        with self._lock:
            if self._is_ours is None:
                self._is_ours = self._ask_whose()
            return self._is_ours

    def ask(self, sql: str) -> list[Any]:
        """Return the rows of a short statement of ours; raises as `client.ask` does."""
        return ask(self.server, sql)

    def _ask_whose(self) -> bool:
        catalog, title = self.server.catalog, self.server.flavor.title
        if catalog is None:
            raise QueryError("no catalog is known in which sets are", hint=f"%aerospike {self.name} … --catalog NAME")
        quoted = self.dialect.quote_identifier(catalog)
        try:
            self.ask(f"SELECT version FROM {quoted}.aerospike_magic.gateway")
        except StatementFailed as error:
            if error.name in _NOT_OURS or "does not exist" in str(error):
                if error.name.startswith(("CATALOG", "MISSING_CATALOG")) or "Catalog" in str(error):
                    raise self._no_catalog(catalog, title) from None
                return False
            if error.name == "CATALOG_NOT_FOUND":
                raise self._no_catalog(catalog, title) from None
            raise ConnectError(
                f"catalog {catalog} of {title} at {self.server.address} does not answer: {error}",
                hint="is its gateway running?",
            ) from None
        return True

    def _no_catalog(self, catalog: str, title: str) -> QueryError:
        return QueryError(
            f"{title} at {self.server.address} has no catalog {catalog}",
            hint=f"--catalog NAME names another; %aerospike {self.name}-catalog prints one to put there"
            if self.name == "trino"
            else "--catalog NAME names another; %aerospike trino-catalog --presto prints one to put there",
        )

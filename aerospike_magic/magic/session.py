"""The state behind the magics: one connection, its engines, its catalogue for completion."""

from __future__ import annotations

import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any

from aerospike_magic.errors import AerospikeMagicError, ConnectError, SchemaError
from aerospike_magic.magic.catalog import Catalog
from aerospike_magic.magic.trino import NAMES, TrinoServers

if TYPE_CHECKING:
    from aerospike_magic.connection import Connection
    from aerospike_magic.engines.base import Engine
    from aerospike_magic.schema.types import SetSchema


class Session:
    """One notebook's connection; at most one is open at a time.

    Attributes:
        connection: the open connection, or None.
        catalog: what completion knows of it, or None.
        last_error: what the last cell failed with, or None.
    """

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.last_error: AerospikeMagicError | None = None
        self._engines: dict[str, Engine] = {}
        self._own_spark: Any = None
        self.catalog: Catalog | None = None
        self.trino = TrinoServers()

    def connect(self, target: str | None = None, **options: Any) -> Connection:
        """Open a connection in place of the present one.

        Args:
            target: "host:port[,host:port]", a profile's name, or None for the environment and the default
            profile. options: as for `aerospike_magic.connect`.

        Raises:
            ConnectError: nothing answers, or the login is refused; the present connection stays open then.
            ConfigError: an option or a profile is wrong.
        """
        from aerospike_magic.connection import connect

        connection = connect(target, **options)
        self.disconnect()
        self.connection = connection
        self.catalog = Catalog(connection)
        self.catalog.refresh()
        # The first query should not wait for imports; a thread has the time until the user has typed it.
        threading.Thread(target=_import_ahead, name="aerospike-magic-import", daemon=True).start()
        return connection

    def disconnect(self) -> bool:
        """Close the connection; return whether there was one."""
        connection, engines = self.connection, [*self._engines.values()]
        self.connection = self.catalog = None
        self._engines.clear()
        for engine in engines:
            engine.close()
        self.trino.close()
        if connection is not None:
            connection.close()
        return connection is not None

    def schema(self, name: str, *, load: str | None = None) -> SetSchema:
        """Return a set's schema.

        Args:
            name: ``namespace.set``.
            load: a file of `SetSchema.save` to take it from, from now on; None for what the connection has.

        Raises:
            ConnectError: there is no connection.
            SchemaError: there is no such set, or the file cannot be read or is another set's.
        """
        connection = self.opened()
        if load is None:
            return connection.schema(name)
        from aerospike_magic.schema.types import SetSchema

        schema = SetSchema.load(load)
        if schema.name != name:
            raise SchemaError(f"{load} is the schema of {schema.name}, not of {name}", hint="name the set as the file")
        connection.set_schema(schema)
        if self.catalog is not None:
            self.catalog.forget(schema.namespace, schema.set_name)
        return schema

    def opened(self) -> Connection:
        """Return the open connection.

        Raises:
            ConnectError: there is none.
        """
        if self.connection is None:
            raise ConnectError("not connected", hint="%aerospike connect HOST:PORT")
        return self.connection

    def engine(self, name: str, spark: Any | None = None) -> Engine:
        """Return an engine on the open connection, made at its first use.

        Args:
            name: "local", "spark", "trino" or "presto".
            spark: the notebook's `SparkSession`, if it has one; else one is started here, and lasts as long as this
                process, for DataFrames may still come from it.

        Raises:
            ConnectError: there is no connection.
            ConfigError: the engine cannot be started here.
            EngineServerError: there is no Trino or Presto to run it.
        """
        connection = self.opened()
        if name in NAMES:
            return self.trino.engine(connection, name)
        known = self._engines.get(name)
        if name == "local":
            from aerospike_magic.engines.local.engine import LocalEngine

            return self._engines.setdefault(name, known or LocalEngine(connection))
        from aerospike_magic.engines.spark.engine import SparkEngine
        from aerospike_magic.engines.spark.session import is_usable, start_session

        if spark is None:
            if self._own_spark is None or not is_usable(self._own_spark):
                self._own_spark = start_session()
            spark = self._own_spark
        if isinstance(known, SparkEngine):
            if known.spark is spark and is_usable(spark):
                return known
            known.close()
        self._engines[name] = engine = SparkEngine(connection, spark)
        return engine

    def starting(self, name: str) -> str:
        """What to say while a cell waits for its engine; "" for one that is there at once."""
        if name in NAMES:
            return self.trino.starting(name)
        return "starting Spark" if name == "spark" else ""


def _import_ahead() -> None:
    for name in ("duckdb", "aerospike_magic.engines.local.filters", "pandas", "aerospike_magic.widgets.progress"):
        try:
            import_module(name)
        except ImportError:
            return

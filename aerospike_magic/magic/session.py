"""The state behind the magics: one connection, its engine, its catalogue for completion."""

from __future__ import annotations

import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any

from aerospike_magic.errors import ConnectError, SchemaError
from aerospike_magic.magic.catalog import Catalog

if TYPE_CHECKING:
    from aerospike_magic.connection import Connection
    from aerospike_magic.engines.base import Engine
    from aerospike_magic.schema.types import SetSchema


class Session:
    """One notebook's connection; at most one is open at a time.

    Attributes:
        connection: the open connection, or None.
        engine: the engine on it, or None.
        catalog: what completion knows of it, or None.
    """

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.engine: Engine | None = None
        self.catalog: Catalog | None = None

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
        from aerospike_magic.engines.local.engine import LocalEngine

        self.engine = LocalEngine(connection)
        return connection

    def disconnect(self) -> bool:
        """Close the connection; return whether there was one."""
        connection, engine = self.connection, self.engine
        self.connection = self.engine = self.catalog = None
        if engine is not None:
            engine.close()
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
        connection, _ = self.opened()
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

    def opened(self) -> tuple[Connection, Engine]:
        """Return the open connection and its engine.

        Raises:
            ConnectError: there is none.
        """
        if self.connection is None or self.engine is None:
            raise ConnectError("not connected", hint="%aerospike connect HOST:PORT")
        return self.connection, self.engine


def _import_ahead() -> None:
    for name in ("duckdb", "aerospike_magic.engines.local.filters", "pandas", "aerospike_magic.widgets.progress"):
        try:
            import_module(name)
        except ImportError:
            return

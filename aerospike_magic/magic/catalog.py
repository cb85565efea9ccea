"""What completion knows: namespaces, sets and columns, fetched in the background, never waited for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from aerospike_magic.errors import AerospikeMagicError

if TYPE_CHECKING:
    from aerospike_magic.connection import Connection

WAIT_S = 0.15
KEEP_S = 60.0


class Catalog:
    """Cached names of one connection.

    Completion calls `tables` and `columns`: each returns what is cached, starts a fetch when that is missing
    or old, and waits at most `WAIT_S` for a first answer. A fetch that fails is tried again at the next call.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._tables: tuple[tuple[str, str], ...] | None = None
        self._tables_read_at = 0.0
        self._columns: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
        self._fetching: dict[object, threading.Event] = {}

    def refresh(self) -> threading.Event:
        """Start to fetch the names of the sets; return an event that is set when that ended."""
        return self._fetch("tables", self._read_tables)

    def tables(self) -> tuple[tuple[str, str], ...]:
        """Return (namespace, set) pairs; a namespace without sets has the set ""."""
        if self._tables is None:
            self.refresh().wait(WAIT_S)
        elif time.monotonic() - self._tables_read_at > KEEP_S:
            self.refresh()
        return self._tables or ()

    def columns(self, namespace: str, set_name: str) -> tuple[tuple[str, str], ...]:
        """Return (column, type) pairs of a set; empty while they are not known."""
        key = (namespace, set_name)
        if key not in self._columns:
            self._fetch(key, lambda: self._read_columns(namespace, set_name)).wait(WAIT_S)
        return self._columns.get(key, ())

    def forget(self, namespace: str, set_name: str) -> None:
        """Drop what is cached of a set's columns, because they have changed."""
        self._columns.pop((namespace, set_name), None)

    def _fetch(self, key: object, read: Callable[[], None]) -> threading.Event:
        with self._lock:
            running = self._fetching.get(key)
            if running is not None:
                return running
            done = self._fetching[key] = threading.Event()

        def work() -> None:
            # On failure completion has nothing to offer; the query itself will say what is wrong.
            with suppress(AerospikeMagicError):
                read()
            with self._lock:
                self._fetching.pop(key, None)
            done.set()

        threading.Thread(target=work, name="aerospike-magic-catalog", daemon=True).start()
        return done

    def _read_tables(self) -> None:
        namespaces = self._connection.namespaces()
        pairs = [(each.namespace, each.name) for each in self._connection.sets()]
        empty = [(name, "") for name in namespaces if name not in {namespace for namespace, _ in pairs}]
        self._tables = tuple(sorted(pairs + empty))
        self._tables_read_at = time.monotonic()

    def _read_columns(self, namespace: str, set_name: str) -> None:
        schema = self._connection.schema(f"{namespace}.{set_name}")
        self._columns[namespace, set_name] = tuple((each.name, each.type_text) for each in schema.columns)

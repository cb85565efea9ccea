"""Trino and Presto of a notebook: one of the user's by name, or one of our own beside the notebook.

Each flavor has at most one of both. A server of the user's comes first; one of our own is started when a cell wants
it, if it is on this machine already, and ends with the connection whose sets its gateway serves.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from aerospike_magic.errors import ConfigError

if TYPE_CHECKING:
    from aerospike_magic.connection import Connection
    from aerospike_magic.engines.trino.endpoint import TrinoServer
    from aerospike_magic.engines.trino.engine import TrinoEngine
    from aerospike_magic.engines.trino.flavor import Flavor
    from aerospike_magic.engines.trino.local import LocalTrino
    from aerospike_magic.engines.trino.server import ServerProgress

NAMES = ("trino", "presto")
_TELL_EVERY_S = 0.5


class TrinoServers:
    """The servers of one notebook."""

    def __init__(self) -> None:
        self._named: dict[str, TrinoServer] = {}
        self._local: dict[str, LocalTrino] = {}
        self._engines: dict[str, TrinoEngine] = {}

    def use(self, server: TrinoServer) -> None:
        """Have cells run on a server of the user's from now on."""
        self._named[server.flavor.name] = server
        self._forget_engine(server.flavor.name)

    def start(
        self, connection: Connection, name: str, on_progress: Callable[[ServerProgress], None] | None = None
    ) -> LocalTrino:
        """Start a server beside the notebook, or return the one that runs; cells run on it from now on.

        Raises:
            EngineServerError: it cannot be fetched, or does not start.
        """
        from aerospike_magic.engines.trino.local import LocalTrino

        self._named.pop(name, None)
        running = self._local.get(name)
        if running is not None and running.is_running:
            return running
        self.stop(name)
        self._local[name] = started = LocalTrino.start(connection, flavor_of(name), on_progress)
        return started

    def stop(self, name: str) -> bool:
        """Stop the server beside the notebook and forget the user's; return whether there was either."""
        self._forget_engine(name)
        local, named = self._local.pop(name, None), self._named.pop(name, None)
        if local is not None:
            local.close()
        return local is not None or named is not None

    def close(self) -> None:
        """Stop what runs beside the notebook: its gateways' connection ends. The user's servers stay known."""
        for name in list(self._engines):
            self._forget_engine(name)
        for name in list(self._local):
            self._local.pop(name).close()

    def engine(self, connection: Connection, name: str) -> TrinoEngine:
        """Return the engine of a flavor.

        Raises:
            EngineServerError: no server is named, and none is on this machine, or it does not start.
            ConfigError: the environment's settings make no sense.
        """
        from aerospike_magic.engines.trino.engine import TrinoEngine
        from aerospike_magic.engines.trino.local import is_fetched, not_here

        known, local = self._engines.get(name), self._local.get(name)
        is_gone = local is not None and not local.is_running
        if known is not None and not is_gone:
            return known
        server = self.named(name)
        if server is not None:
            made = TrinoEngine(connection, server)
        else:
            if local is None and not is_fetched(flavor_of(name)):
                raise not_here(flavor_of(name))
            local = self.start(connection, name)
            made = TrinoEngine(connection, local.server, local.service)
        self._engines[name] = made
        return made

    def named(self, name: str) -> TrinoServer | None:
        """Return the user's server, by a command or by the environment; None if there is none, or ours runs."""
        from aerospike_magic.engines.trino.settings import is_named, resolve_server

        if name in self._named or name in self._local:
            return self._named.get(name)
        flavor = flavor_of(name)
        return resolve_server(None, {}, flavor) if is_named(flavor) else None

    def starting(self, name: str) -> str:
        """What to say while a cell waits for its server; "" where nothing is started."""
        local = self._local.get(name)
        is_there = name in self._named or name in self._engines or (local is not None and local.is_running)
        return "" if is_there else f"starting {flavor_of(name).title}"

    def words(self, name: str) -> str:
        """Say in a line which server runs cells."""
        flavor, local = flavor_of(name), self._local.get(name)
        if local is not None and local.is_running:
            return f"{flavor.title} on this machine at {local.server.address}"
        server = self.named(name)
        if server is not None:
            return server_words(server)
        return f"no {flavor.title}: %aerospike {name} start, or %aerospike {name} HOST:PORT"

    def _forget_engine(self, name: str) -> None:
        engine = self._engines.pop(name, None)
        if engine is not None:
            engine.close()


def flavor_of(name: str) -> Flavor:
    """Return the flavor of that name."""
    from aerospike_magic.engines.trino.flavor import FLAVORS

    return FLAVORS[name]


def named_server(name: str, address: str, options: Mapping[str, Any], ask: Callable[[str], str]) -> TrinoServer:
    """Return the server that a line names, with the secrets that it asks for.

    Args:
        name: "trino" or "presto".
        address: "host" or "host:port".
        options: as the line gives them.
        ask: prompts for a secret with a text, without echo.

    Raises:
        ConfigError: a setting makes no sense.
    """
    from aerospike_magic.engines.trino.settings import browser_login, resolve_server

    flavor, given = flavor_of(name), dict(options)
    if given.pop("no_verify", False):
        if "cafile" in given:
            raise ConfigError("--no-verify and --tls-cafile contradict each other", hint="leave one out")
        given["verify"] = False
    if given.pop("oauth", False):
        given["auth"] = browser_login()
    wanted = {key: given.pop(key) for key in ("password", "token") if key in given}
    if len(wanted) + ("auth" in given) > 1:
        raise ConfigError("one way to log in at a time", hint="--password, --jwt or --oauth")
    for key in wanted:
        given[key] = "any"
    server = resolve_server(address, given, flavor)
    for key in wanted:
        given[key] = _secret(key, server, ask)
    return resolve_server(address, given, flavor)


def server_words(server: TrinoServer) -> str:
    """Say in a line which server it is; never a secret."""
    catalog = f"catalog {server.catalog}" if server.catalog else "no catalog of sets"
    return f"{server.flavor.title} at {server.url} as {server.user}, {catalog}"


class ServerLine:
    """Says on one line how far a server is, over and over.

    Args:
        write: of the stream that it is said on.
    """

    def __init__(self, write: Callable[[str], object] | None = None) -> None:
        self._write = write or sys.stdout.write
        self._said_at = 0.0
        self._last = ("", "")

    def tell(self, progress: ServerProgress) -> None:
        """Say it, at most twice a second a stage."""
        stage = (progress.stage, progress.title)
        now = time.monotonic()
        is_new = stage != self._last
        if not is_new and progress.done < progress.total and now - self._said_at < _TELL_EVERY_S:
            return
        if is_new and self._last[0] not in ("", progress.stage):
            self._write("\n")
        self._last, self._said_at = stage, now
        self._write(f"\r{_words(progress)}")

    def end(self) -> None:
        """End the line."""
        if self._last[0]:
            self._write("\n")


def _words(progress: ServerProgress) -> str:
    done = f" {progress.done / 1e6:,.0f} of {progress.total / 1e6:,.0f} MB" if progress.total else ""
    verb = {
        "wait": "waiting for another process that fetches",
        "download": "downloading",
        "unpack": "unpacking",
        "start": "starting",
        "ready": "ready:",
    }[progress.stage]
    return f"{verb} {progress.title}{done}"


def _secret(key: str, server: TrinoServer, ask: Callable[[str], str]) -> str:
    """A password or token: from the environment, the keyring, or a prompt."""
    from aerospike_magic.connection.profiles import resolve_secret

    flavor = server.flavor
    variable = flavor.environment + ("PASSWORD" if key == "password" else "JWT")
    if os.environ.get(variable):
        return os.environ[variable]
    what = "Password" if key == "password" else "Token"
    try:
        return resolve_secret(f"keyring:{flavor.name}:{server.host}/{server.user}", key, None, server.user, os.environ)
    except ConfigError:
        return ask(f"{what} of {server.user} at {server.address}: ")

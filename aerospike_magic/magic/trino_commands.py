"""`%aerospike trino …`, `%aerospike presto …` and `%aerospike trino-catalog`."""

from __future__ import annotations

from collections.abc import Callable

from aerospike_magic.display.text import clean
from aerospike_magic.errors import ConfigError
from aerospike_magic.magic.command import AerospikeCommand
from aerospike_magic.magic.session import Session
from aerospike_magic.magic.trino import ServerLine, flavor_of, named_server, server_words

_DEFAULT_GATEWAY = "127.0.0.1:9779"


def run_trino(session: Session, command: AerospikeCommand, ask: Callable[[str], str]) -> None:
    """Start, stop or name a server, or say which there is.

    Args:
        session: of the notebook.
        command: the line.
        ask: prompts for a secret with a text, without echo.

    Raises:
        ConnectError: the server does not answer, or there is no connection whose sets one could read.
        EngineServerError: one on this machine does not start.
        ConfigError: a setting makes no sense.
    """
    name = command.name
    what = command.arguments[0] if command.arguments else ""
    if what in ("", "start", "stop") and command.options:
        raise ConfigError(f"options are for a {flavor_of(name).title} of yours", hint=f"%aerospike {name} HOST:PORT …")
    if what == "start":
        line = ServerLine()
        try:
            started = session.trino.start(session.opened(), name, line.tell)
        finally:
            line.end()
        print(f"{session.trino.words(name)}, catalog {started.server.catalog}")
    elif what == "stop":
        print("stopped" if session.trino.stop(name) else "there was none")
    elif what:
        server = named_server(name, what, command.options, ask)
        version = _version(server)
        session.trino.use(server)
        print(clean(f"{server_words(server)}{version}"))
    else:
        print(clean(session.trino.words(name)))


def catalog_of(command: AerospikeCommand) -> str:
    """Return the text of a catalog file, with where it goes.

    Raises:
        ConfigError: an option makes no sense.
    """
    from aerospike_magic.gateway.catalog_file import CatalogTls, catalog_text

    kind = "presto" if command.options.get("presto") else "trino"
    addresses = [each.strip() for each in str(command.options.get("gateway", _DEFAULT_GATEWAY)).split(",")]
    cafile = command.options.get("cafile")
    text = catalog_text(kind, addresses, tls=None if cafile is None else CatalogTls(cafile))
    where = (
        ""
        if "gateway" in command.options
        else "\n# of a gateway started without --listen; --gateway HOST:PORT names yours"
    )
    return f"# etc/catalog/aerospike.properties on each node{where}\n{text}"


def _version(server: object) -> str:
    """Ask the server who it is, so that what is wrong shows now and not in the first cell."""
    from aerospike_magic.engines.trino.client import StatementFailed, ask
    from aerospike_magic.engines.trino.endpoint import TrinoServer

    assert isinstance(server, TrinoServer)
    try:
        rows = ask(server, "SELECT node_version FROM system.runtime.nodes WHERE coordinator")
    except StatementFailed:
        return ""  # it answers, and does not let this user look at its nodes
    return f", version {rows[0][0]}" if rows else ""

"""`python -m aerospike_magic.devserver`: run the server until it is told to stop."""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aerospike_magic.devserver import control
from aerospike_magic.devserver.accounts import PASSWORD_VARIABLE, Account, load_users
from aerospike_magic.devserver.cluster import Cluster, Protection
from aerospike_magic.devserver.datadir import DataDirectory
from aerospike_magic.devserver.files import Source, load_file
from aerospike_magic.devserver.flights import load_flights
from aerospike_magic.devserver.memory import release_unused
from aerospike_magic.devserver.record_size import DEFAULT_RECORD_SIZE, MAX_RECORD_SIZE, MIN_RECORD_SIZE
from aerospike_magic.devserver.security import DEFAULT_SESSION_TTL_S
from aerospike_magic.devserver.settings import read_size
from aerospike_magic.devserver.stopping import StopOrder, Stopped
from aerospike_magic.devserver.store import Namespace
from aerospike_magic.devserver.synthetic import load_synthetic
from aerospike_magic.devserver.tls import load_tls
from aerospike_magic.devserver.warm import start_warming
from aerospike_magic.errors import AerospikeMagicError, DevServerError

log = logging.getLogger("aerospike_magic.devserver")

READY = "ready"
"""First word of the line on standard output that says that clients may come: `ready HOST PORT …`, a port a node."""

MAX_NODES = 16


def _number(most: int) -> Callable[[str], int]:
    """Make an argparse type: a number from 0 to `most`."""

    def number(text: str) -> int:
        if not text.isdigit() or int(text) > most:
            raise argparse.ArgumentTypeError(f"{text} is no number from 0 to {most}")
        return int(text)

    return number


def _namespace(text: str) -> str:
    """A name that clients and SQL can write: up to 31 letters, digits, - and _, as a real server allows."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,31}", text):
        raise argparse.ArgumentTypeError(f"{text!r} cannot be a namespace: up to 31 letters, digits, - or _")
    return text


def _record_size(text: str) -> int:
    """A size that a namespace can be told, K and M understood."""
    size = read_size(text)
    if size is None or not MIN_RECORD_SIZE <= size <= MAX_RECORD_SIZE:
        raise argparse.ArgumentTypeError(f"{text} is no size from 64 to 8M")
    return size


def build_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="aerospike-magic server",
        description="An Aerospike-compatible server for development and tests: in memory, not a database.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=_number(65_535), default=3000, help="port, 0 for a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--namespace",
        action="append",
        dest="namespaces",
        type=_namespace,
        metavar="NAME",
        help="a namespace; may be repeated (default: test and demo)",
    )
    parser.add_argument("--demo", action="store_true", help="load the New York flights of 2013 into demo")
    parser.add_argument(
        "--synthetic",
        type=_number(1 << 31),
        default=0,
        metavar="N",
        help="put N made-up records of 7 bins into test.bench",
    )
    parser.add_argument(
        "--nodes", type=int, default=1, metavar="N", help="nodes of a cluster, on ports from --port (default: 1)"
    )
    parser.add_argument(
        "--load",
        action="append",
        default=[],
        metavar="FILE:NS.SET[:KEY]",
        help="load a Parquet, CSV or JSON lines file into a set, column KEY as the user key; may be repeated",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep the data in this directory, over restarts")
    parser.add_argument(
        "--max-record-size",
        type=_record_size,
        default=DEFAULT_RECORD_SIZE,
        metavar="SIZE",
        help="the largest record, 64 to 8M bytes (default: 1M)",
    )
    _add_security(parser)
    parser.add_argument("--node-name", default="BB9DE5E4FE00A01", help=argparse.SUPPRESS)
    parser.add_argument("--watch-stdin", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--control", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--quiet", action="store_true", help="log warnings only")
    return parser


def _add_security(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--user",
        action="append",
        default=[],
        dest="users",
        metavar="NAME[:ROLE,…]",
        help=f"demand logins and let this user in; may be repeated. The password comes from {PASSWORD_VARIABLE}_NAME, "
        f"{PASSWORD_VARIABLE}, or a prompt; without roles, the user may do everything",
    )
    parser.add_argument(
        "--session-ttl",
        type=_number(10 * DEFAULT_SESSION_TTL_S),
        default=DEFAULT_SESSION_TTL_S,
        metavar="SECONDS",
        help="how long a login's token lives (default: %(default)s)",
    )
    parser.add_argument("--tls-certfile", metavar="PEM", help="speak TLS only, with this certificate")
    parser.add_argument("--tls-keyfile", metavar="PEM", help="its key (default: in the same file)")
    parser.add_argument(
        "--tls-cafile", metavar="PEM", help="demand certificates of clients, signed by these authorities"
    )
    parser.add_argument("--tls-name", metavar="NAME", help="the name told to clients (default: the certificate's)")


def _protection(options: argparse.Namespace) -> Protection:
    accounts = [Account.parse(text) for text in options.users]
    tls = None
    if options.tls_certfile:
        keyfile = options.tls_keyfile or options.tls_certfile
        tls = load_tls(options.tls_certfile, keyfile, options.tls_cafile, options.tls_name)
    elif options.tls_keyfile or options.tls_cafile or options.tls_name:
        raise DevServerError("TLS needs a certificate", hint="give --tls-certfile")
    if options.control and (accounts or tls):
        raise DevServerError(
            "--control cannot be had together with users or TLS", hint="from Python, DevServer.control can"
        )
    return Protection(load_users(accounts, os.environ) if accounts else None, options.session_ttl, tls)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server.

    Args:
        argv: the command line; None for the process's own.

    Returns:
        the exit code: 0 when told to stop, 1 when it could not start.
    """
    given = sys.argv[1:] if argv is None else argv
    if given[:1] == ["control"]:
        return control.main(given[1:])
    parser = build_parser()
    options = parser.parse_args(given)
    if not 1 <= options.nodes <= MAX_NODES:
        parser.error(f"--nodes must be 1 to {MAX_NODES}")
    logging.basicConfig(
        level=logging.WARNING if options.quiet else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    try:
        return run(options)
    except AerospikeMagicError as error:
        print(f"aerospike-magic server: {error}", file=sys.stderr)
        return 1


def run(options: argparse.Namespace) -> int:
    """Start, load, serve, and stop when told to."""
    wanted = [*(options.namespaces or ("test", "demo"))]
    sources = [Source.parse(text) for text in options.load]
    wanted += [source.namespace for source in sources]
    wanted += ["demo"] * options.demo + ["test"] * bool(options.synthetic)
    data = DataDirectory(options.data) if options.data is not None else None
    try:
        return _serve(options, data, list(dict.fromkeys([*wanted, *(data.names() if data else ())])), sources)
    except Stopped:
        log.info("stopped while loading")
        return 0
    finally:
        if data is not None:
            data.close()


def _serve(
    options: argparse.Namespace, data: DataDirectory | None, namespaces: Sequence[str], sources: Sequence[Source]
) -> int:
    protection = _protection(options)
    cluster = Cluster(options.host, options.port, namespaces, options.nodes, options.node_name, protection, data)
    for namespace in cluster.storage.namespaces.values():
        namespace.max_record_size = options.max_record_size
    orders = control.Control(cluster)
    if options.control:
        for member in cluster.members:
            member.node.control = orders.run
    stop = StopOrder()
    if threading.current_thread() is threading.main_thread():
        stop.give_on_signals()
    if options.watch_stdin:
        threading.Thread(target=_watch_stdin, args=(orders, stop, data), name="watch-stdin", daemon=True).start()
    warming = start_warming()
    _load(options, cluster.storage.namespaces, sources)
    release_unused()
    where = f"data in {data.path}" if data is not None else "in memory"
    log.info("development server, not a database; %s; namespaces %s", where, ", ".join(namespaces))
    secured = f" with TLS, TLS name {protection.tls.name}" if protection.tls else ""
    log.info("listening on %s%s", ", ".join(cluster.membership.addresses), secured)
    # A client gives up after a second; the kernels it needs take longer the first time on a machine.
    while warming.is_alive():
        warming.join(0.1)
    stop.is_waited_for = True
    cluster.start()
    print(f"{READY} {options.host} {' '.join(map(str, cluster.ports))}", flush=True)
    stop.wait()
    cluster.stop()
    log.info("stopped")
    return 0


def _load(options: argparse.Namespace, namespaces: Mapping[str, Namespace], sources: Sequence[Source]) -> None:
    if options.demo:
        log.info("loaded %s", load_flights(namespaces["demo"]))
    if options.synthetic:
        log.info("loaded %d made-up records", load_synthetic(namespaces["test"], options.synthetic))
    for source in sources:
        n_records = load_file(source, namespaces[source.namespace])
        log.info("loaded %d records of %s into %s.%s", n_records, source.path, source.namespace, source.set_name)


def _watch_stdin(orders: control.Control, stop: StopOrder, kept: DataDirectory | None) -> None:
    """Carry out what the parent orders; stop when standard input ends: that is how a killed parent is noticed."""
    pending = b""
    while data := os.read(0, 65536):
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            print(orders.run(line.decode(errors="replace")), flush=True)
    stop.give()
    if kept is not None:
        kept.close()
    # Whatever is still busy has no one left to answer.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())

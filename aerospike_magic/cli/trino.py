"""`aerospike-magic trino`: a Trino or Presto of your own over the sets; `trino-catalog` is for a cluster."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import IO

from aerospike_magic.devserver.stopping import StopOrder, Stopped
from aerospike_magic.engines.trino.server import LocalServer, ServerProgress, fetch_server
from aerospike_magic.engines.trino.server.catalogs import read_properties
from aerospike_magic.engines.trino.server.fetch import cache_folder
from aerospike_magic.engines.trino.server.releases import find_release
from aerospike_magic.errors import AerospikeMagicError

CATALOG = "aerospike"
_LOOK_S = 1.0
_REACH_S = 5.0


def run_trino(arguments: Sequence[str]) -> int:
    """Fetch a server, or start one and serve until told to stop.

    Args:
        arguments: the command line after `trino`.

    Returns:
        The exit code: 0 when told to stop, 1 when something is wrong.
    """
    options = _parser().parse_args(arguments)
    stop = StopOrder()
    stop.give_on_signals()
    kind = "presto" if options.presto else "trino"
    try:
        if options.action == "fetch":
            print(f"{find_release(kind).title} is in {fetch_server(kind, ProgressLine(sys.stderr))}")
            return 0
        return _serve(kind, options, stop)
    except Stopped:
        return 0
    except AerospikeMagicError as error:
        print(f"aerospike-magic trino: {error}", file=sys.stderr)
        return 1


def run_catalog(arguments: Sequence[str]) -> int:
    """Print the catalog file for a cluster that reads through gateways.

    Args:
        arguments: the command line after `trino-catalog`.

    Returns:
        The exit code: 0, or 1 when something is wrong.
    """
    from aerospike_magic.gateway.catalog_file import catalog_text

    parser = argparse.ArgumentParser(
        prog="aerospike-magic trino-catalog",
        description="Print the catalog file by which a Trino or Presto cluster reads through gateways.",
    )
    parser.add_argument("gateways", nargs="+", metavar="HOST:PORT", help="where `aerospike-magic gateway` listens")
    parser.add_argument("--presto", action="store_true", help="for Presto")
    options = parser.parse_args(arguments)
    try:
        text = catalog_text("presto" if options.presto else "trino", options.gateways)
    except AerospikeMagicError as error:
        print(f"aerospike-magic trino-catalog: {error}", file=sys.stderr)
        return 1
    print(f"# etc/catalog/{CATALOG}.properties, on each node")
    print(text.rstrip())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="aerospike-magic trino",
        description="Run a Trino or Presto of your own on this machine, over the sets of a cluster, until Ctrl-C. "
        "It is downloaded the first time, needs no Java of yours, and nobody but this machine reaches it.",
    )
    parser.add_argument("action", choices=("start", "fetch"), help="start it, or only download it")
    parser.add_argument("--presto", action="store_true", help="Presto instead of Trino")
    parser.add_argument("--port", type=int, default=8080, metavar="N", help="port, 0 for a free one (%(default)s)")
    parser.add_argument("--connect", metavar="HOST:PORT", help="the cluster, or a profile (default: as in a notebook)")
    parser.add_argument("--gateway", metavar="HOST:PORT", help="read through this gateway, instead of one made here")
    parser.add_argument(
        "--memory", type=int, metavar="MB", help="heap (default: a quarter of the memory, 2048 at most)"
    )
    return parser


def _serve(kind: str, options: argparse.Namespace, stop: StopOrder) -> int:
    from aerospike_magic.gateway.catalog_file import catalog_text

    with ExitStack() as stack:
        gateway = _checked_gateway(options.gateway) if options.gateway else _start_gateway(options.connect, stack)
        server = LocalServer.start(
            kind,
            {CATALOG: read_properties(catalog_text(kind, [gateway]))},
            port=options.port,
            memory=None if options.memory is None else options.memory << 20,
            on_progress=ProgressLine(sys.stderr),
        )
        stack.enter_context(server)
        print(_how_to_use(server), flush=True)
        stop.is_waited_for = True
        while not stop.wait(_LOOK_S):
            if not server.is_running:
                print(f"aerospike-magic trino: the server has ended\n{server.log_tail[-2000:]}", file=sys.stderr)
                return 1
    return 0


def _checked_gateway(address: str) -> str:
    """Return the address of a gateway, if something listens there."""
    from aerospike_magic.cli.gateway import parse_listen
    from aerospike_magic.gateway.client import GatewayClient

    GatewayClient(*parse_listen(address), timeout_s=_REACH_S).close()
    return address


def _start_gateway(target: str | None, stack: ExitStack) -> str:
    """Serve a cluster's sets on loopback, from this process; return where."""
    from aerospike_magic.connection import connect
    from aerospike_magic.gateway.server import Gateway
    from aerospike_magic.gateway.service import AerospikeService

    connection = stack.enter_context(connect(target))
    service = stack.enter_context(AerospikeService(connection))
    return str(stack.enter_context(Gateway(service)).address)


def _how_to_use(server: LocalServer) -> str:
    lines = [
        f"{server!r} is ready, with {server.heap / 2**30:.1f} GiB of heap; Ctrl-C stops it",
        f"catalogs: {', '.join(sorted(server.catalogs))}; its own page: {server.url}/ui/",
        f"in a notebook: %aerospike {server.kind} {server.host}:{server.port}",
    ]
    if server.kind == "trino":
        python = f'trino.dbapi.connect(host="{server.host}", port={server.port}, user="me", catalog="{CATALOG}")'
        lines.append(f"in Python: {python}")
    return "\n".join([*lines, f"then: SHOW SCHEMAS FROM {CATALOG}"])


class ProgressLine:
    """Shows how far a server is: one line that changes in a terminal, a line every tenth elsewhere.

    Args:
        out: where to.
    """

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._is_terminal = out.isatty()
        self._stage = ""
        self._tenth = -1
        self._began = self._shown = 0.0
        self._had = 0

    def __call__(self, progress: ServerProgress) -> None:
        """Show it."""
        now = time.monotonic()
        if progress.stage != self._stage:
            if self._stage in ("download", "unpack") and self._is_terminal:
                self._out.write("\n")
            self._stage, self._tenth, self._began, self._shown = progress.stage, -1, now, 0.0
            self._had = 0
            self._say_stage(progress)
        if not progress.total:
            return
        tenth = progress.done * 10 // progress.total
        if (now - self._shown > 0.2 or progress.done == progress.total) if self._is_terminal else tenth > self._tenth:
            self._shown, self._tenth = now, tenth
            self._write(self._line(progress, now))

    def _say_stage(self, progress: ServerProgress) -> None:
        said = {
            "wait": f"another process is fetching {progress.title}; waiting for it",
            "download": f"{progress.title} is not on this machine: {progress.total / 1e6:,.0f} MB to download, "
            f"once, into {cache_folder()}",
            "unpack": "checked; unpacking",
            "start": f"starting {progress.title}",
        }.get(progress.stage)
        if said:
            self._out.write(f"{said}\n")
            self._out.flush()

    def _line(self, progress: ServerProgress, now: float) -> str:
        percent = f"  {progress.stage} {progress.done * 100 // progress.total:3} %"
        if progress.stage != "download":
            return percent
        # What an earlier try has brought does not count for the speed.
        self._had = self._had or progress.done
        speed = (progress.done - self._had) / max(now - self._began, 0.001)
        return f"{percent}, {progress.done / 1e6:,.0f} of {progress.total / 1e6:,.0f} MB, {speed / 1e6:,.1f} MB/s"

    def _write(self, line: str) -> None:
        self._out.write(f"\r{line:<60}" if self._is_terminal else f"{line}\n")
        self._out.flush()

"""`aerospike-magic gateway`: serve sets to a Trino or Presto cluster, until told to stop."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from aerospike_magic.devserver.stopping import StopOrder, Stopped
from aerospike_magic.errors import AerospikeMagicError, ConfigError

DEFAULT_LISTEN = "127.0.0.1:9779"


def run_gateway(arguments: Sequence[str], *, factory: str | None = None) -> int:
    """Run a gateway.

    Args:
        arguments: the command line after `gateway`.
        factory: what opens the service, for tests.

    Returns:
        The exit code: 0 when told to stop, 1 when it could not start.
    """
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    stop = StopOrder()
    stop.give_on_signals()
    try:
        return _serve(options, stop, factory)
    except Stopped:
        return 0
    except AerospikeMagicError as error:
        print(f"aerospike-magic gateway: {error}", file=sys.stderr)
        return 1


def build_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="aerospike-magic gateway",
        description="Serve Aerospike sets to Trino or Presto through their own Thrift connector. The password, and "
        "whatever else the connection needs, comes from the profile or the environment (aerospike-magic doctor "
        "--settings lists it).",
    )
    parser.add_argument("target", nargs="?", help="HOST:PORT of a node, or a profile")
    parser.add_argument("--profile", help="a profile, for what the target leaves open")
    parser.add_argument("--user", help="who reads; its password is in AEROSPIKE_PASSWORD or the profile")
    parser.add_argument(
        "--listen", default=DEFAULT_LISTEN, metavar="HOST:PORT", help="address, port 0 for a free one (%(default)s)"
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that serve (%(default)s)")
    parser.add_argument("--advertise", metavar="HOST", help="this machine's name for the engine's nodes")
    parser.add_argument(
        "--engine", choices=("trino", "presto"), default="trino", help="whose catalog file is shown (%(default)s)"
    )
    parser.add_argument("--tls-certfile", metavar="PEM", help="speak TLS only, with this certificate")
    parser.add_argument("--tls-keyfile", metavar="PEM", help="its key (default: in the same file)")
    parser.add_argument(
        "--tls-client-cafile", metavar="PEM", help="demand certificates of clients, signed by these authorities"
    )
    parser.add_argument("--insecure", action="store_true", help="listen beyond this machine in clear")
    parser.add_argument("--max-frame-bytes", type=int, metavar="N", help="the largest request (default: 16 MiB)")
    return parser


def parse_listen(text: str) -> tuple[str, int]:
    """Read `host:port`, where the port may be 0.

    Raises:
        ConfigError: it is none.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise ConfigError(f"not an address to listen on: {text!r}", hint=f"write host:port, such as {DEFAULT_LISTEN}")
    return host, int(port)


def _serve(options: argparse.Namespace, stop: StopOrder, factory: str | None) -> int:
    from aerospike_magic.connection.settings import resolve_settings
    from aerospike_magic.gateway.bounds import GatewayOptions
    from aerospike_magic.gateway.opening import AEROSPIKE, as_settings
    from aerospike_magic.gateway.processes import GatewayProcesses

    settings = resolve_settings(options.target, profile=options.profile, user=options.user)
    bounds = {} if options.max_frame_bytes is None else {"max_frame_bytes": options.max_frame_bytes}
    gateway = GatewayProcesses(
        as_settings(settings),
        parse_listen(options.listen),
        options.workers,
        GatewayOptions(
            tls_certfile=options.tls_certfile,
            tls_keyfile=options.tls_keyfile,
            tls_client_cafile=options.tls_client_cafile,
            insecure=options.insecure,
            **bounds,
        ),
        advertise=options.advertise,
        factory=factory or AEROSPIKE,
    )
    with gateway:
        processes = f", {options.workers} processes" if options.workers > 1 else ""
        print(f"listening on {gateway.address}{processes}, serves {settings.address} {gateway.protection}")
        print(_catalog(options, gateway.port, gateway.address), flush=True)
        stop.is_waited_for = True
        stop.wait()
    return 0


def _catalog(options: argparse.Namespace, port: int, address: str) -> str:
    """Return the catalog file, with a line of comment that says where it goes."""
    from aerospike_magic.connection.hosts import format_address
    from aerospike_magic.gateway.catalog_file import CatalogTls, catalog_text

    lines = [f"# copy to etc/catalog/aerospike.properties on each node of {options.engine.capitalize()}"]
    tls = None
    if options.tls_certfile:
        wants_key = options.tls_client_cafile is not None
        tls = CatalogTls("/etc/aerospike-gateway/ca.pem", "/etc/aerospike-gateway/client.pem" if wants_key else None)
        lines.append(
            f"# ca.pem is the authority of {options.tls_certfile}, as a file on each of these nodes; the name in"
        )
        lines.append(
            "# a certificate is not checked, so let it be an authority of gateways only, or the certificate itself"
        )
        if wants_key:
            lines.append(f"# client.pem holds a certificate of {options.tls_client_cafile} and its key, likewise")
    if options.advertise:
        address = format_address(options.advertise, port)
    return "\n".join([*lines, catalog_text(options.engine, [address], tls=tls).rstrip()])

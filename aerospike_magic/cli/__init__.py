"""The command line, `aerospike-magic server`, `gateway` and so on. All is imported when its command runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: arguments after the program's name; `sys.argv` by default.

    Returns:
        The exit code: 0 when all went well, 1 when something is wrong, 2 for a wrong command line.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _run(arguments: list[str]) -> int:
    if arguments[:1] in (["trino"], ["trino-catalog"]):
        from aerospike_magic.cli.trino import run_catalog, run_trino

        return run_trino(arguments[1:]) if arguments[0] == "trino" else run_catalog(arguments[1:])
    if arguments[:1] == ["server"]:
        # The server has options of its own, and a --help of its own.
        from aerospike_magic.devserver.__main__ import main as serve

        return serve(arguments[1:])
    if arguments[:1] == ["gateway"]:
        from aerospike_magic.cli.gateway import run_gateway

        return run_gateway(arguments[1:])
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "demo":
        from aerospike_magic.cli.demo import run_demo

        return run_demo(options.address)
    if options.command == "doctor":
        from aerospike_magic.cli.doctor import run_doctor, run_settings

        return run_settings() if options.settings else run_doctor(options.target)
    parser.print_help()
    return 2


def _parser() -> argparse.ArgumentParser:
    from aerospike_magic import __version__

    parser = argparse.ArgumentParser(prog="aerospike-magic", description="SQL on Aerospike from a notebook, in place.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="demo | server | gateway | trino | trino-catalog | doctor")
    demo = commands.add_parser("demo", help="query 336,776 flights in this terminal, on an embedded server")
    demo.add_argument("--address", metavar="HOST:PORT", help="a server that has the demo data already")
    commands.add_parser("server", help="run the embedded development server", add_help=False)
    commands.add_parser("gateway", help="serve sets to a Trino or Presto cluster", add_help=False)
    doctor = commands.add_parser("doctor", help="check this installation, and a connection")
    doctor.add_argument("target", nargs="?", help="HOST:PORT or a profile to try")
    commands.add_parser("trino", help="run a Trino or Presto of your own over the sets", add_help=False)
    commands.add_parser("trino-catalog", help="print the catalog file for a Trino or Presto cluster", add_help=False)
    doctor.add_argument("--settings", action="store_true", help="list the environment variables and their meaning")
    return parser

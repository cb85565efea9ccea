"""Catalogs of a server, as the property files that it reads.

A catalog is a mapping of properties, of which `connector.name` says which plugin serves it. `tpch`, made-up data of the
benchmark's shape, and `memory`, tables that last as long as the server, cost nothing and are always there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from aerospike_magic.engines.trino.server.releases import Release
from aerospike_magic.errors import EngineServerError

Catalogs = Mapping[str, Mapping[str, str]]

CONNECTOR = "connector.name"
ALWAYS: Catalogs = {"tpch": {CONNECTOR: "tpch"}, "memory": {CONNECTOR: "memory"}}


def all_catalogs(catalogs: Catalogs | None, release: Release) -> dict[str, dict[str, str]]:
    """Return the catalogs that a server has: those given and, under names that are left, `tpch` and `memory`.

    Raises:
        EngineServerError: a name or a property cannot be, or no plugin is here that serves the catalog.
    """
    found = {name: dict(properties) for name, properties in {**ALWAYS, **(catalogs or {})}.items()}
    for name, properties in found.items():
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise EngineServerError(f"{name!r} cannot be a catalog", hint="small letters, digits and _")
        connector = properties.get(CONNECTOR, "")
        if connector not in release.plugins:
            raise EngineServerError(
                f"catalog {name} asks for the connector {connector!r}, which the {release.title} here does not have",
                hint=f"it has {', '.join(sorted(release.plugins))}",
            )
    return found


def write_properties(path: Path, properties: Mapping[str, object]) -> None:
    """Write a file of Java properties, readable by its owner only."""
    path.touch(mode=0o600)
    path.write_text("".join(f"{_key(name)}={_value(str(value))}\n" for name, value in properties.items()), "ascii")


def _key(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        raise EngineServerError(f"{name!r} cannot be the name of a property")
    return name


def _value(text: str) -> str:
    r"""Write a value so that Java reads it as it is: the file is Latin-1, `\` escapes, a first space is dropped."""
    escaped: list[str] = []
    for unit in _units(text):
        character = chr(unit)
        if character == "\\" or unit < 0x20 or unit > 0x7E or (character == " " and not escaped):
            escaped.append(f"\\u{unit:04x}")
        else:
            escaped.append(character)
    return "".join(escaped)


def _units(text: str) -> list[int]:
    """Return the UTF-16 code units of a text: what `\\u` in a file of properties writes."""
    raw = text.encode("utf-16-be")
    return [int.from_bytes(raw[start : start + 2], "big") for start in range(0, len(raw), 2)]


def read_properties(text: str) -> dict[str, str]:
    """Return the properties that the text of a catalog file says; comments and empty lines say nothing."""
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}

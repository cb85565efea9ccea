"""The small part of TOML that schema files use: writing it (the standard library only reads)."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from aerospike_magic.errors import SchemaError


def dumps(table: Mapping[str, Any]) -> str:
    """Return a table as TOML text: scalars first, then each list of tables as ``[[name]]``."""
    lines: list[str] = []
    nested: list[tuple[str, list[Any]]] = []
    for key, value in table.items():
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            nested.append((key, value))
        else:
            lines.append(f"{_key(key)} = {_value(value)}")
    for key, rows in nested:
        for row in rows:
            lines += ["", f"[[{_key(key)}]]", *(f"{_key(k)} = {_value(v)}" for k, v in row.items())]
    return "\n".join(lines) + "\n"


def loads(text: str) -> dict[str, Any]:
    """Read TOML text.

    Raises:
        SchemaError: it is not TOML; the message has the line.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SchemaError(f"not a TOML file: {error}") from error


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _string(key)


def _string(text: str) -> str:
    # JSON's escapes are TOML's too, but TOML has no surrogate pairs, and forbids a bare DEL.
    quoted = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    return re.sub("[\ud800-\udfff]", "\ufffd", quoted)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _string(value)
        case Mapping():
            return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }" if value else "{}"
        case list() | tuple():
            return "[" + ", ".join(_value(v) for v in value) + "]"
        case _:
            raise SchemaError(f"a schema file cannot hold {type(value).__name__}")

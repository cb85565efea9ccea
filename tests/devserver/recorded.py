"""Reads the recorded vectors."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import aerospike

VECTORS = Path(__file__).parent.parent / "vectors"


def decode_value(value: Any) -> Any:
    """Turn the vectors' notation into what the official client takes."""
    if isinstance(value, list):
        return [decode_value(item) for item in value]
    if isinstance(value, dict):
        [(kind, inner)] = value.items()
        if kind == "$bytes":
            return bytearray(base64.b64decode(inner))
        if kind == "$float":
            return float(inner)
        if kind == "$geojson":
            return aerospike.GeoJSON(inner)
        return {decode_value(k): decode_value(v) for k, v in inner}
    return value


def load_lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (VECTORS / name).read_text().splitlines()]

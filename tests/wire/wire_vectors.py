"""Reads tests/vectors: what a real server answered, and the notation of its values."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from aerospike_magic.wire import Frame, FrameDecoder, GeoJSON, Message, ProtoType, iter_messages

VECTORS = Path(__file__).parent.parent / "vectors"


@dataclass(frozen=True)
class Exchange:
    """One operation of the official client; requests and responses are whole protos, end to end."""

    label: str
    call: str
    result: Any
    pairs: tuple[tuple[bytes, bytes], ...]


@cache
def exchanges() -> dict[str, Exchange]:
    lines = (VECTORS / "exchanges.jsonl").read_text().splitlines()
    found = {}
    for row in map(json.loads, lines):
        pairs = tuple((base64.b64decode(q), base64.b64decode(r)) for q, r in row["exchanges"])
        found[row["label"]] = Exchange(row["label"], row["call"], row["result"], pairs)
    return found


def all_bytes() -> list[bytes]:
    """Every recorded request and response, the long partition maps once."""
    return sorted({data for e in exchanges().values() for pair in e.pairs for data in pair})


def frames(data: bytes) -> list[Frame]:
    decoder = FrameDecoder()
    decoder.feed(data)
    found = list(decoder.frames())
    assert decoder.n_buffered == 0
    return found


def messages(data: bytes) -> list[Message]:
    return [m for f in frames(data) if f.type is ProtoType.MESSAGE for m in iter_messages(f.body)]


def value(notation: Any) -> Any:
    """Turns the vectors' notation into values."""
    if isinstance(notation, list):
        return [value(item) for item in notation]
    if not isinstance(notation, dict):
        return notation
    ((kind, content),) = notation.items()
    if kind == "$map":
        return {value(k): value(v) for k, v in content}
    if kind == "$bytes":
        return base64.b64decode(content)
    if kind == "$float":
        return float(content)
    if kind == "$geojson":
        return GeoJSON(content)
    raise AssertionError(kind)


def canonical(any_value: Any) -> str:
    """A text that is equal for values that are the same in type, sign, NaN, and content; maps in any order."""
    if isinstance(any_value, dict):
        return "{" + ",".join(sorted(f"{canonical(k)}:{canonical(v)}" for k, v in any_value.items())) + "}"
    if isinstance(any_value, list | tuple):
        return "[" + ",".join(map(canonical, any_value)) + "]"
    return repr(any_value)

"""The JSON text of any value, which loses nothing.

Plain JSON where JSON is exact: null, true, false, integers of any size with all digits, finite doubles in the
shortest form that reads back as the same double (always with a ``.`` or an exponent, so ``1.0`` stays a
double), strings as they are (not escaped to ASCII), lists, and maps whose keys are strings that do not
start with ``$``. Everything else is an object with one key that starts with ``$``:

=================================  ====================================
value                              text
=================================  ====================================
NaN, infinities                    ``{"$float": "nan"|"inf"|"-inf"}``
bytes                              ``{"$bytes": "<base64>"}``
HyperLogLog                        ``{"$hll": "<base64>"}``
bytes of another blob type         ``{"$blob": [<particle type>, "<base64>"]}``
GeoJSON                            ``{"$geojson": "<its text>"}``
a string that is not UTF-8         ``{"$string": "<base64>"}``
a msgpack extension                ``{"$extension": [<type>, "<base64>"]}``
any other map                      ``{"$map": [[key, value], …]}``
=================================  ====================================

So a map with a key ``"$bytes"`` is written in the ``$map`` form and cannot be mistaken. `value_of` reads
the text back. What is not kept is how the server stores the value, not what it is: whether a list or map is
ordered.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable, Mapping
from json.encoder import encode_basestring as _quote
from typing import Any

from aerospike_magic.errors import SchemaError
from aerospike_magic.wire.values import HLL, Extension, GeoJSON, MapPairs, OpaqueBlob, RawString

_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def json_text(value: Any) -> str:
    """Return the JSON text of a value from a record, of either decoder (ours or the official client's).

    Raises:
        SchemaError: a Python type that no particle decodes to.
    """
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return int.__repr__(value)
        case float():
            return _float_text(value)
        case GeoJSON():
            return '{"$geojson": ' + _string_text(str(value)) + "}"
        case str():
            return _string_text(value)
        case bytes() | bytearray() | memoryview():
            return _bytes_text(value)
        case MapPairs():
            return _pairs_text(value)
        case list() | tuple():
            return "[" + ", ".join([json_text(item) for item in value]) + "]"
        case Mapping():
            return _map_text(value)
        case Extension():
            return f'{{"$extension": [{value.type}, "{_base64(value.data)}"]}}'
    if hasattr(value, "geo_data"):
        return '{"$geojson": ' + _string_text(value.dumps()) + "}"
    raise SchemaError(f"a value of Python type {type(value).__name__} has no JSON text")


def short_text(value: Any, length: int = 60) -> str:
    """Return a value as one line of at most `length` characters, for people: not to be read back."""
    if isinstance(value, GeoJSON):
        text = str(value)
    elif hasattr(value, "geo_data"):
        text = value.dumps()
    elif isinstance(value, bytes | bytearray):
        text = f"x'{bytes(value[:length]).hex()}'"
    else:
        text = json_text(value)
    line = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text[: length + 1])
    return line if len(line) <= length else line[: length - 1] + "…"


def value_of(text: str) -> Any:
    """Return the value whose `json_text` this is.

    Raises:
        SchemaError: it is not such a text.
    """
    try:
        return _untag(json.loads(text))
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise SchemaError(f"not the JSON text of a value: {text[:60]!r}") from error


def is_hll(value: Any) -> bool:
    """Whether bytes are a HyperLogLog, of our decoder or the official client's."""
    return isinstance(value, HLL) or type(value).__name__ == "HyperLogLog"


def _base64(value: bytes | bytearray | memoryview) -> str:
    return base64.b64encode(value).decode()


def _bytes_text(value: bytes | bytearray | memoryview) -> str:
    if isinstance(value, RawString):
        return f'{{"$string": "{_base64(value)}"}}'
    if isinstance(value, OpaqueBlob):
        return f'{{"$blob": [{value.particle_type}, "{_base64(value)}"]}}'
    return f'{{"{"$hll" if is_hll(value) else "$bytes"}": "{_base64(value)}"}}'


def _float_text(value: float) -> str:
    if math.isfinite(value):
        return float.__repr__(value)
    return '{"$float": "nan"}' if math.isnan(value) else f'{{"$float": "{"inf" if value > 0 else "-inf"}"}}'


def _string_text(value: str) -> str:
    return str(_quote(value))


def _map_text(value: Mapping[Any, Any]) -> str:
    if all(isinstance(k, str) and k[:1] != "$" and not isinstance(k, GeoJSON) for k in value):
        return "{" + ", ".join([f"{_quote(k)}: {json_text(v)}" for k, v in value.items()]) + "}"
    return _pairs_text(value.items())


def _pairs_text(pairs: Iterable[tuple[Any, Any]]) -> str:
    return '{"$map": [' + ", ".join([f"[{json_text(k)}, {json_text(v)}]" for k, v in pairs]) + "]}"


def _untag(value: Any) -> Any:
    if isinstance(value, list):
        return [_untag(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((tag, inner),) = value.items()
        if tag in _UNTAG:
            return _UNTAG[tag](inner)
    return {k: _untag(v) for k, v in value.items()}


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _untag_map(pairs: list[list[Any]]) -> Any:
    items = [(_untag(k), _untag(v)) for k, v in pairs]
    try:
        plain = dict(items)
    except TypeError:
        return MapPairs(items)
    return plain if len(plain) == len(items) else MapPairs(items)


_UNTAG: Mapping[str, Callable[[Any], Any]] = {
    "$float": _FLOATS.__getitem__,
    "$bytes": _decoded,
    "$hll": lambda text: HLL(_decoded(text)),
    "$blob": lambda pair: OpaqueBlob(_decoded(pair[1]), pair[0]),
    "$string": lambda text: RawString(_decoded(text)),
    "$geojson": GeoJSON,
    "$extension": lambda pair: Extension(pair[0], _decoded(pair[1])),
    "$map": _untag_map,
}

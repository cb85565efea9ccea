"""JSON text that loses nothing."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aerospike_magic.errors import SchemaError
from aerospike_magic.schema.json_text import json_text, short_text, value_of
from aerospike_magic.wire.values import HLL, Extension, GeoJSON, MapPairs, OpaqueBlob, RawString

INTS = st.integers(-(1 << 63), (1 << 64) - 1)
SCALARS = st.one_of(
    st.none(), st.booleans(), INTS, st.floats(), st.text(max_size=8), st.binary(max_size=8),
    st.text(max_size=5).map(GeoJSON), st.binary(max_size=5).map(HLL), st.just(RawString(b"\xff\xfe")),
    st.builds(OpaqueBlob, st.binary(max_size=3), st.sampled_from([7, 8, 9, 16])),
)  # fmt: skip
KEYS = st.one_of(INTS, st.text(max_size=4), st.sampled_from(["$bytes", "$map", "$"]), st.binary(max_size=3))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


def same(a, b):
    """Equal, of the same types, with NaN equal to NaN and -0.0 unlike 0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return repr(a) == repr(b)
    if isinstance(a, dict):
        return len(a) == len(b) and all(
            same(x, y) and same(v, w) for (x, v), (y, w) in zip(a.items(), b.items(), strict=True)
        )
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, OpaqueBlob):
        return bytes(a) == bytes(b) and a.particle_type == b.particle_type
    return a == b


@settings(max_examples=300)
@given(VALUES)
def test_every_value_reads_back_the_same(value):
    text = json_text(value)
    assert same(value_of(text), value)
    json.loads(text, parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2**63, "9223372036854775808"),
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (math.nan, '{"$float": "nan"}'),
        (-math.inf, '{"$float": "-inf"}'),
        ("ü\n", '"ü\\n"'),
        (b"\0\xff", '{"$bytes": "AP8="}'),
        (GeoJSON('{"type": "Point"}'), '{"$geojson": "{\\"type\\": \\"Point\\"}"}'),
        (HLL(b"a"), '{"$hll": "YQ=="}'),
        (RawString(b"\xff"), '{"$string": "/w=="}'),
        (OpaqueBlob(b"a", 9), '{"$blob": [9, "YQ=="]}'),
        (Extension(255, b"\1"), '{"$extension": [255, "AQ=="]}'),
        ({"a": [1, None, True]}, '{"a": [1, null, true]}'),
        ({1: "x"}, '{"$map": [[1, "x"]]}'),
        ({"$bytes": 1}, '{"$map": [["$bytes", 1]]}'),
        (MapPairs([(1, 2), (True, 3)]), '{"$map": [[1, 2], [true, 3]]}'),
        (MapPairs([([1], 2)]), '{"$map": [[[1], 2]]}'),
    ],
)
def test_the_documented_forms(value, text):
    assert json_text(value) == text
    assert same(value_of(text), value)


@pytest.mark.parametrize("text", ["", "{", '{"$bytes": "?"}', '{"$float": "big"}', '{"$map": 3}', '{"$blob": []}'])
def test_other_texts_are_refused(text):
    with pytest.raises(SchemaError):
        value_of(text)


def test_a_python_object_is_no_value():
    with pytest.raises(SchemaError, match="complex"):
        json_text(1j)


@settings(max_examples=100)
@given(VALUES, st.integers(4, 40))
def test_a_short_text_is_one_printable_line(value, length):
    text = short_text(value, length)
    assert len(text) <= length
    assert text.isprintable()

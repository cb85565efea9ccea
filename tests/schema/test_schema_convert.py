"""Particles to Arrow arrays: what fits, what does not, and that nothing is squeezed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aerospike_magic.schema.convert import convert_column, describe_particle
from aerospike_magic.schema.type_text import parse_type
from aerospike_magic.schema.types import bin_column
from aerospike_magic.wire.particle import encode_particle
from aerospike_magic.wire.values import HLL, GeoJSON, MapPairs, OpaqueBlob, RawString


def convert(words, *values, large=False):
    kind, dtype = parse_type(words)
    particles = [(0, None) if value is ... else encode_particle(value) for value in values]
    kinds = np.array([int(kind) for kind, _ in particles], dtype=np.uint8)
    payloads = pa.array([data for _, data in particles], pa.large_binary() if large else pa.binary())
    array, misfits = convert_column(bin_column("b", kind, dtype), kinds, payloads)
    array.validate(full=True)
    assert array.type == dtype
    return array.to_pylist(), misfits.tolist()


@pytest.mark.parametrize("large", [False, True])
def test_a_missing_bin_is_null_and_no_mismatch(large):
    assert convert("list<int64>", [1], ..., [], large=large) == ([[1], None, []], [])


@pytest.mark.parametrize(
    ("words", "value", "result"),
    [
        ("int64", 5, 5),
        ("double", 5, 5.0),
        ("double", 2**60, 2.0**60),
        ("string", "ü", "ü"),
        ("bool", True, True),
        ("binary", HLL(b"h"), b"h"),
        ("binary", OpaqueBlob(b"j", 7), b"j"),
        ("geojson", GeoJSON('{"a": 1}'), '{"a": 1}'),
        ("json", {"a": [1, 2.5]}, '{"a": [1, 2.5]}'),
        ("json", "x", '"x"'),
        ("json", RawString(b"\xff"), '{"$string": "/w=="}'),
        ("list<double>", [1, 2.5, None], [1.0, 2.5, None]),
        ("list<binary>", [b"a", HLL(b"b")], [b"a", b"b"]),
        ("map<string, int64>", {"a": 1, "b": None}, [("a", 1), ("b", None)]),
        ("map<int64, bool>", {-1: True}, [(-1, True)]),
        ("struct<a: int64, b: list<string>>", {"b": ["x"]}, {"a": None, "b": ["x"]}),
        ("struct<a: int64>", {}, {"a": None}),
        ("list<struct<a: map<int64, string>>>", [{"a": {1: "x"}}, None], [{"a": [(1, "x")]}, None]),
    ],
)
def test_what_fits(words, value, result):
    assert convert(words, value) == ([result], [])


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("int64", 5.0),
        ("int64", True),
        ("double", 2**53 + 1),
        ("double", "1"),
        ("string", RawString(b"\xff")),
        ("string", b"a"),
        ("string", GeoJSON("{}")),
        ("bool", 1),
        ("binary", "a"),
        ("binary", RawString(b"\xff")),
        ("geojson", "{}"),
        ("list<int64>", [1, "a"]),
        ("list<int64>", [2**63]),
        ("list<int64>", {1: 2}),
        ("list<string>", [GeoJSON("{}")]),
        ("list<string>", [RawString(b"\xff")]),
        ("list<int64>", 1),
        ("map<string, int64>", {1: 1}),
        ("map<int64, int64>", {"a": 1}),
        ("map<int64, int64>", {2**63: 1}),
        ("map<int64, int64>", MapPairs([(1, 2), (True, 3)])),
        ("map<string, int64>", [1]),
        ("struct<a: int64>", {"a": 1, "b": 2}),
        ("struct<a: int64>", {"a": "x"}),
        ("struct<a: int64>", {1: 1}),
    ],
)
def test_what_does_not_fit_is_null_and_told(words, value):
    assert convert(words, ..., value, ...) == ([None, None, None], [1])


def test_bytes_that_are_no_value_do_not_fit():
    column = bin_column("b", *parse_type("json"))
    payloads = pa.array([b"\x93\x01", b"\x01"], pa.binary())
    array, misfits = convert_column(column, np.array([20, 99], dtype=np.uint8), payloads)
    assert array.to_pylist() == [None, None]
    assert misfits.tolist() == [0, 1]


def test_no_rows_are_an_empty_array():
    assert convert("map<string, list<int64>>") == ([], [])


@settings(max_examples=200)
@given(st.integers(0, 255), st.binary(max_size=80))
def test_any_particle_has_a_description(kind, payload):
    assert len(describe_particle(kind, payload)) < 120


@pytest.mark.parametrize(
    ("value", "text"),
    [(5, "5"), ("a\nb", '"a\\nb"'), (b"\x01\x02", "x'0102'"), ({"a": 1}, '{"a": 1}'), (GeoJSON('{"x":1}'), '{"x":1}')],
)
def test_descriptions_are_short_text(value, text):
    assert describe_particle(*encode_particle(value)) == text

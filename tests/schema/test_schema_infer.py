"""From a sample to a schema: the rules, and that the columns represent what was sampled."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aerospike_magic.schema.convert import convert_column, fits
from aerospike_magic.schema.infer import SampleRecord, infer_schema
from aerospike_magic.schema.types import Kind
from aerospike_magic.wire.particle import decode_particle, encode_particle
from aerospike_magic.wire.values import HLL, GeoJSON, MapPairs, OpaqueBlob, OrderedMap, RawString

VECTORS = Path(__file__).parents[1] / "vectors"


def infer(*values):
    records = [SampleRecord(None, bytes(20), 1, -1, {"b": value}) for value in values]
    return infer_schema("test", "s", records, len(records)).column("b")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1, 2], "int64"),
        ([1.5], "double"),
        ([1, 2.5], "double"),
        ([2**53, 2.5], "double"),
        ([2**53 + 1, 2.5], "json"),
        ([2**53 + 1, 2], "int64"),
        (["a", "b"], "string"),
        (["a", RawString(b"\xff")], "string"),
        ([True, False], "bool"),
        ([True, 1], "json"),
        ([b"a"], "binary"),
        ([b"a", HLL(b"x"), OpaqueBlob(b"y", 7)], "binary"),
        ([GeoJSON("{}")], "geojson"),
        ([GeoJSON("{}"), "x"], "json"),
        (["a", 1], "json"),
        ([[1, 2], []], "list<int64>"),
        ([[1, 2.5]], "list<double>"),
        ([[1, None]], "list<int64>"),
        ([[1, "a"]], "json"),
        ([[1], ["a"]], "json"),
        ([[]], "json"),
        ([[None]], "json"),
        ([[[1]], [[2.5]]], "list<list<double>>"),
        ([[2**63]], "json"),
        ([[1], 1], "json"),
        ([{"a": 1}], "map<string, int64>"),
        ([{}], "json"),
        ([{}, {"a": 1}], "map<string, int64>"),
        ([{1: 2.5}, {2: 1}], "map<int64, double>"),
        ([{1: 1}, {"a": 1}], "json"),
        ([{b"k": 1}], "json"),
        ([{2**63: 1}], "json"),
        ([{"a": 1, "b": "x"}], "json"),
        ([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], "struct<a: int64, b: string>"),
        ([{"a": 1, "b": "x"}, {"b": "y"}], "struct<a: int64, b: string>"),
        ([{"a": 1, "b": 2}, {"a": 2, "b": 3}], "struct<a: int64, b: int64>"),
        ([{"a": 1}, {"b": 2}, {"c": 3}], "map<string, int64>"),
        ([{"a": 1}, {"b": "x"}, {"c": 3}], "json"),
        ([{"a": [1], "b": {"c": "x"}}, {"a": [2.5], "b": {"c": "y"}}], "struct<a: list<double>, b: struct<c: string>>"),
        ([{f"k{i}": i for i in range(33)}] * 3, "map<string, int64>"),
        ([{f"k{i}": i if i % 2 else "x" for i in range(33)}] * 3, "json"),
        ([[{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]], "list<struct<a: int64, b: string>>"),
        ([MapPairs([(1, 2), (True, 3)])], "json"),
        ([OrderedMap({"a": 1})], "map<string, int64>"),
        ([[GeoJSON("{}")]], "json"),
    ],
)  # fmt: skip
def test_the_rules(values, words):
    column = infer(*values)
    assert column.type_text == words
    assert all(fits(column, value) for value in values if not isinstance(value, RawString))


def test_evidence_is_kept():
    records = [
        SampleRecord(None, bytes(20), 1, -1, {"a": value} if value is not None else {"z": 0})
        for value in (1, 2.5, 3, None)
    ]
    evidence = infer_schema("test", "s", records, 1000).column("a").evidence
    assert evidence.coverage == 0.75
    assert evidence.records == 3
    assert evidence.type_counts == {"integer": 2, "double": 1}
    assert evidence.examples == ("1", "2.5", "3")


def test_a_rare_type_has_its_example():
    column = infer(*range(100), "odd one")
    assert column.evidence.examples[:2] == ("0", '"odd one"')


def test_bins_come_in_the_order_of_the_widest_record():
    rows = [{"x": 1, "b": 2}, {"c": 1, "b": 2, "a": 3}, {"y": 1}, {"y": 1}]
    schema = infer_schema("test", "s", [SampleRecord(None, b"", 1, -1, row) for row in rows], 4)
    assert schema.arrow.names == ["c", "b", "a", "y", "x"]


@pytest.mark.parametrize(
    ("keys", "kind"),
    [([1, 2], Kind.INT64), (["a"], Kind.STRING), ([b"a"], Kind.BINARY), ([1, "a"], Kind.JSON), ([1.5], Kind.JSON)],
)
def test_keys_have_the_type_of_the_sample(keys, kind):
    schema = infer_schema("test", "s", [SampleRecord(key, b"", 1, -1, {"a": 1}) for key in keys], 1)
    assert schema.column("__key").kind is kind
    assert schema.arrow.names == ["__key", "a"]


def test_an_empty_set_has_no_bins():
    schema = infer_schema("test", "s", [], 0)
    assert schema.arrow.names == []
    assert schema.full_arrow.names == ["__key", "__digest", "__generation", "__ttl"]


def test_a_bin_named_like_metadata_is_left_out():
    schema = infer_schema("test", "s", [SampleRecord(None, b"", 1, -1, {"__ttl": "x", "a": 1})], 1)
    assert schema.arrow.names == ["a"]


def recorded_value(value):
    match value:
        case {"$bytes": _} | {"$float": _} | {"$geojson": _}:
            from aerospike_magic.schema.json_text import value_of

            return value_of(json.dumps(value))
        case {"$map": pairs}:
            return {recorded_value(k): recorded_value(v) for k, v in pairs}
        case list():
            return [recorded_value(item) for item in value]
    return value


def test_the_recorded_data_set():
    rows = [recorded_value(row) for row in json.loads((VECTORS / "dataset.json").read_text())]
    schema = infer_schema("test", "vecx", [SampleRecord(None, b"", 1, -1, row) for row in rows], len(rows))
    words = {column.name: column.type_text for column in schema.bins}
    assert words["id"] == words["n"] == "int64"
    assert words["f"] == "double"
    assert words["mix"] == "json"
    assert words["l"] == "list<int64>"
    assert words["m"] == "struct<k: int64, c: string>"
    assert words["by"] == "binary"


SCALARS = st.one_of(
    st.integers(-(1 << 63), (1 << 63) - 1), st.sampled_from([2**53, 2**53 + 1, 0, -1]), st.floats(), st.booleans(),
    st.text(max_size=4), st.binary(max_size=4), st.sampled_from([GeoJSON("{}"), HLL(b"h"), OpaqueBlob(b"x", 9)]),
)  # fmt: skip
ITEMS = st.one_of(SCALARS, st.none())
KEYS = st.one_of(st.sampled_from(["a", "b", "c"]), st.integers(0, 3), st.binary(max_size=2))
NESTED = st.recursive(
    ITEMS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=6,
)
BIN_VALUES = st.one_of(SCALARS, st.lists(NESTED, max_size=3), st.dictionaries(KEYS, NESTED, max_size=3))
UNIFORM = st.sampled_from(
    [st.integers(-5, 5), st.one_of(st.integers(-5, 5), st.floats()),
     st.lists(st.integers(-5, 5) | st.none(), max_size=3),
     st.dictionaries(st.sampled_from("abc"), st.integers(-5, 5), max_size=3),
     st.fixed_dictionaries({"a": st.integers(-5, 5), "b": st.text(max_size=3)}, optional={"c": st.floats()})]
).flatmap(lambda values: st.lists(values, min_size=1, max_size=6))  # fmt: skip


def expected(value, dtype):
    """What Arrow gives back for a value that the type represents."""
    if value is None:
        return None
    if pa.types.is_floating(dtype):
        return float(value)
    if pa.types.is_list(dtype):
        return [expected(item, dtype.value_type) for item in value]
    if pa.types.is_map(dtype):
        return [(key, expected(item, dtype.item_type)) for key, item in value.items()]
    if pa.types.is_struct(dtype):
        return {field.name: expected(value.get(field.name), field.type) for field in dtype}
    return bytes(value) if isinstance(value, bytes) else value


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.lists(BIN_VALUES, min_size=1, max_size=6), UNIFORM))
def test_every_sampled_value_is_represented_by_its_column(values):
    column = infer(*values)
    particles = [encode_particle(value) for value in values]
    kinds = np.array([int(kind) for kind, _ in particles], dtype=np.uint8)
    array, misfits = convert_column(column, kinds, pa.array([data for _, data in particles], pa.binary()))
    assert array.type == column.type
    assert misfits.tolist() == []
    if column.kind not in (Kind.JSON, Kind.GEOJSON):
        decoded = [decode_particle(int(kind), data) for kind, data in particles]
        assert repr(array.to_pylist()) == repr([expected(value, column.type) for value in decoded])


def test_nan_and_infinities_are_doubles():
    assert infer(math.nan, math.inf, 1).kind is Kind.DOUBLE

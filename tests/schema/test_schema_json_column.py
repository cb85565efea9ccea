"""The kernel for JSON columns: the same text as one by one in Python, for any value and any bytes."""

from __future__ import annotations

import math
import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_schema_nested import ANYTHING, can_be_a_bin

from aerospike_magic.schema.convert import convert_column, convert_one_by_one
from aerospike_magic.schema.json_column import json_array
from aerospike_magic.schema.nested import kernels_ready
from aerospike_magic.schema.type_text import parse_type
from aerospike_magic.schema.types import bin_column
from aerospike_magic.wire.particle import encode_particle
from aerospike_magic.wire.values import GeoJSON, MapPairs, OrderedMap, RawString

COLUMN = bin_column("b", *parse_type("json"))


@pytest.fixture(scope="module", autouse=True)
def compiled():
    assert kernels_ready(170)


def arrays_of(values):
    encoded = [(0, None) if value is None else encode_particle(value) for value in values]
    return np.array([int(kind) for kind, _ in encoded], np.uint8), pa.array([data for _, data in encoded], pa.binary())


def check(kinds, payloads):
    array, misfits = convert_column(COLUMN, kinds, payloads)
    wanted, wanted_misfits = convert_one_by_one(COLUMN, kinds, payloads)
    array.validate(full=True)
    assert array.to_pylist() == wanted.to_pylist()
    assert misfits.tolist() == wanted_misfits.tolist()


def left_of(values):
    return json_array(*arrays_of(values))[1].tolist()


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ANYTHING.filter(lambda v: v is None or can_be_a_bin(v)), max_size=12))
def test_any_values(values):
    check(*arrays_of(values))


@settings(max_examples=400, deadline=None)
@given(st.lists(st.floats() | st.floats(-1e6, 1e6) | st.integers(-(10**9), 10**9).map(lambda i: i / 1000), max_size=20))
def test_any_doubles(values):
    check(*arrays_of([values, *values]))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([1, 2, 3, 17, 19, 20, 99]), st.binary(max_size=24)), max_size=8))
def test_any_bytes(rows):
    check(np.array([kind for kind, _ in rows], np.uint8), pa.array([data for _, data in rows], pa.binary()))


def test_bytes_with_one_changed():
    values = [[1, -1, 2.5, None, True, "text", {"a": [1, {"b": "c"}]}], OrderedMap({"a": 1, "b": [2, 3]}), {"k": 2**63}]
    for value in values:
        kind, data = encode_particle(value)
        changed = [data[:i] + bytes([b]) + data[i + 1 :] for i in range(len(data)) for b in range(256)]
        cut = [data[:i] for i in range(len(data))]
        rows = [*changed, *cut, data + b"\1"]
        check(np.full(len(rows), int(kind), np.uint8), pa.array(rows, pa.binary()))


def test_what_is_common_is_not_left():
    values = [
        [1, 2, 3],
        {"a": 1, "b": "x", "c": [1.5, 0.1, -2.25, 100.0, 1e14, 0.0, -0.0, 19.99]},
        [[], {}, [None, True, False]],
        ['tab\t quote" back\\ é 日本 \x01 \x1f \n\r\b\f', ""],
        OrderedMap({f"k{i:04d}": i for i in range(1_000)}),
        {f"k{i}": -i for i in range(60)},
        [-(2**63), 2**63 - 1, -1, -32, -33, 127, 128, 65_536],
        [1 / 3, -2 / 3, 123456.789012345678, 9999999999.999998, 1732791234.123457, 0.00012345678901234567, 0.1 + 0.2],
        7,
        2.5,
        2 / 7,
        True,
        "text",
        None,
    ]
    assert left_of(values) == []
    check(*arrays_of(values))


def test_what_is_left_is_written_all_the_same():
    values = [
        [math.nan, math.inf],
        [1e300, 1e-7, 1e16],
        {1: 2},
        {"$bytes": 1},
        MapPairs([("a", 1), ("a", 2)]),
        [b"bytes"],
        [GeoJSON("{}")],
        RawString(b"\xff"),
        {f"k{i}": i for i in range(100)},
        b"blob",
        [2**64 - 1],
    ]
    assert left_of(values) == list(range(len(values)))
    check(*arrays_of(values))


def test_text_much_longer_than_its_bytes():
    rows = [[False] * 5_000, "\x01" * 5_000, [[]] * 1_000]
    check(*arrays_of(rows * 20))


def test_slices_of_arrays():
    kinds, payloads = arrays_of([[1], None, "two", {"a": 3}, [4]])
    check(kinds[1:4], payloads.slice(1, 3))
    check(kinds[:0], payloads.slice(0, 0))


def test_doubles_by_their_bits():
    bits = [struct.unpack(">d", struct.pack(">Q", b))[0] for b in (0x3FB999999999999A, 0x3FB999999999999B, 1 << 52)]
    check(*arrays_of([bits]))

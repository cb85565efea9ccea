"""The kernels for lists, maps and structs: the same as one by one in Python, for any type and any bytes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aerospike_magic.schema.convert import convert_column, convert_one_by_one
from aerospike_magic.schema.nested import NestedDecoder, kernels_ready
from aerospike_magic.schema.type_text import Kind, parse_type
from aerospike_magic.schema.types import bin_column
from aerospike_magic.wire.particle import encode_particle
from aerospike_magic.wire.values import HLL, GeoJSON, MapPairs, OpaqueBlob, OrderedList, OrderedMap, RawString

TYPES = [
    "list<int64>", "list<double>", "list<string>", "list<bool>", "list<binary>", "list<list<int64>>",
    "map<string, int64>", "map<int64, double>", "map<string, list<string>>", "map<int64, map<string, bool>>",
    "struct<a: int64, b: string>", "struct<a: double, b: struct<c: list<binary>, a: bool>>",
    "list<struct<a: map<string, double>, é: int64>>", 'struct<"": int64, a: list<struct<b: string>>>',
]  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(1 << 63), (1 << 64) - 1), st.integers(-200, 200), st.floats(),
    st.sampled_from([2**53, -(2**53), 2**53 + 1, 2**63, -(2**63)]), st.text(max_size=40), st.binary(max_size=40),
    st.sampled_from([GeoJSON("{}"), HLL(b"h"), OpaqueBlob(b"x", 9), RawString(b"\xff"), RawString(b"\xed\xa0\x80")]),
)  # fmt: skip
KEYS = st.one_of(st.sampled_from(["a", "b", "c", "é", ""]), st.integers(-3, 300), st.binary(max_size=2))
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(OrderedList),
        st.dictionaries(KEYS, inner, max_size=4),
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(OrderedMap),
        st.lists(st.tuples(KEYS, inner), max_size=2).map(MapPairs),
    ),
    max_leaves=8,
)
_FITTING = {
    Kind.INT64: st.one_of(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(-200, 200)),
    Kind.DOUBLE: st.one_of(st.floats(), st.integers(-(1 << 54), 1 << 54)),
    Kind.STRING: st.text(max_size=40),
    Kind.BOOL: st.booleans(),
    Kind.BINARY: st.binary(max_size=40),
}


def can_be_a_bin(value):
    """An integer beyond 63 bits has a place inside a list or map only, and nil too."""
    return value is not None and not (isinstance(value, int) and value >= 1 << 63)


def values_of(dtype):
    """Values that fit a type, nil among them."""
    if pa.types.is_list(dtype):
        items = st.lists(values_of(dtype.value_type) | st.none(), max_size=4)
        return items | items.map(OrderedList)
    if pa.types.is_map(dtype):
        keys = st.text(max_size=4) if pa.types.is_string(dtype.key_type) else _FITTING[Kind.INT64]
        pairs = st.dictionaries(keys, values_of(dtype.item_type) | st.none(), max_size=4)
        return pairs | pairs.map(OrderedMap)
    if pa.types.is_struct(dtype):
        fields = {field.name: values_of(field.type) | st.none() for field in dtype}
        return st.fixed_dictionaries({}, optional=fields)
    return next(values for kind, values in _FITTING.items() if parse_type(kind.name.lower())[1] == dtype)


@pytest.fixture(scope="module", autouse=True)
def compiled():
    assert kernels_ready(170)


def check(words, kinds, payloads):
    column = bin_column("b", *parse_type(words))
    array, misfits = convert_column(column, kinds, payloads)
    wanted, wanted_misfits = convert_one_by_one(column, kinds, payloads)
    array.validate(full=True)
    assert repr(array.to_pylist()) == repr(wanted.to_pylist())
    assert misfits.tolist() == wanted_misfits.tolist()
    return array, misfits


def particles(values):
    pairs = [(0, None) if value is ... else encode_particle(value) for value in values]
    return np.array([int(kind) for kind, _ in pairs], np.uint8), [data for _, data in pairs]


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_kernels_and_python_agree(data):
    words = data.draw(st.sampled_from(TYPES))
    fitting = values_of(parse_type(words)[1])
    values = data.draw(st.lists(st.one_of(fitting, fitting, st.just(...), ANYTHING.filter(can_be_a_bin))))
    kinds, payloads = particles(values)
    check(words, kinds, pa.array(payloads, data.draw(st.sampled_from([pa.binary(), pa.large_binary()]))))


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(TYPES), st.lists(st.tuples(st.sampled_from([0, 3, 19, 20]), st.binary(max_size=24)), max_size=6))
def test_any_bytes_are_read_or_refused_alike(words, rows):
    check(words, np.array([k for k, _ in rows], np.uint8), pa.array([b for _, b in rows], pa.binary()))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_are_read_or_refused_alike(data):
    words = data.draw(st.sampled_from(TYPES))
    kinds, payloads = particles([data.draw(values_of(parse_type(words)[1]))])
    damaged = bytearray(payloads[0])
    at = data.draw(st.integers(0, len(damaged) - 1))
    damaged[at] = data.draw(st.integers(0, 255))
    check(words, kinds, pa.array([bytes(damaged[: data.draw(st.integers(0, len(damaged)))])], pa.binary()))


def test_a_slice_of_payloads_is_read_in_its_place():
    kinds, payloads = particles([[1], [2, 3], ..., [4]])
    array, _ = check("list<int64>", kinds[1:], pa.array(payloads, pa.binary()).slice(1))
    assert array.to_pylist() == [[2, 3], None, [4]]


def test_rows_that_the_kernels_leave_and_python_takes_are_put_in_place():
    rows = [[1], [float(1)], [2**60], ["x"], [HLL(b"h")]]
    array, misfits = check("list<double>", *_arrays(rows))
    assert array.to_pylist() == [[1.0], [1.0], [2.0**60], None, None]
    assert misfits.tolist() == [3, 4]


def test_a_large_batch():
    rows = [{"a": i, "b": f"name {i}" * (i % 3)} if i % 7 else ... for i in range(5000)]
    array, misfits = check("struct<a: int64, b: string>", *_arrays(rows))
    assert array.null_count == 715
    # An empty string carries its type byte, so it is one like any other.
    assert misfits.tolist() == []


def test_types_too_wide_for_the_kernels_are_python_s():
    wide = pa.struct([(f"f{i}", pa.int64()) for i in range(64)])
    assert not NestedDecoder.can_decode(wide)
    assert not NestedDecoder.can_decode(pa.list_(wide))
    assert not NestedDecoder.can_decode(pa.struct([]))
    assert not NestedDecoder.can_decode(pa.int64())
    assert NestedDecoder.can_decode(pa.struct([(f"f{i}", pa.int64()) for i in range(63)]))


def _arrays(rows):
    kinds, payloads = particles(rows)
    return kinds, pa.array(payloads, pa.binary())

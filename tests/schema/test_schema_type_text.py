"""The words for column types."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aerospike_magic.errors import SchemaError
from aerospike_magic.schema.type_text import Kind, kind_of, parse_type, type_text

_SCALARS = st.sampled_from([pa.int64(), pa.float64(), pa.string(), pa.bool_(), pa.binary()])


def _nested(inner: st.SearchStrategy[pa.DataType]) -> st.SearchStrategy[pa.DataType]:
    fields = st.dictionaries(st.text(max_size=8).filter(lambda s: s.isprintable()), inner, min_size=1, max_size=3)
    return st.one_of(
        inner.map(pa.list_),
        st.tuples(st.sampled_from([pa.string(), pa.int64()]), inner).map(lambda pair: pa.map_(*pair)),
        fields.map(lambda named: pa.struct(list(named.items()))),
    )


DATA_TYPES = st.recursive(_SCALARS, _nested, max_leaves=6)


@settings(max_examples=150)
@given(DATA_TYPES)
def test_words_and_types_are_inverse(dtype):
    kind, parsed = parse_type(type_text(dtype))
    assert parsed == dtype
    assert kind == kind_of(dtype)


@pytest.mark.parametrize(
    ("text", "kind", "dtype"),
    [
        ("INT", Kind.INT64, pa.int64()),
        ("float", Kind.DOUBLE, pa.float64()),
        ("varchar", Kind.STRING, pa.string()),
        ("json", Kind.JSON, pa.string()),
        ("geojson", Kind.GEOJSON, pa.string()),
        ("list< int >", Kind.LIST, pa.list_(pa.int64())),
        ("map<int64,list<string>>", Kind.MAP, pa.map_(pa.int64(), pa.list_(pa.string()))),
        ('struct<"a b": bool, c: double>', Kind.STRUCT, pa.struct([("a b", pa.bool_()), ("c", pa.float64())])),
    ],
)
def test_people_may_write_types_their_way(text, kind, dtype):
    assert parse_type(text) == (kind, dtype)


@pytest.mark.parametrize(
    "text",
    ["", "decimal", "list", "list<", "list<int64", "list<int64>>", "map<double, int64>", "map<int64>", "struct<>",
     "struct<a>", "struct<a: int64, a: bool>", "list<json>", "int64 x", "struct<a: int64,>", '"int64"', "list<int64>,"],
)  # fmt: skip
def test_other_words_are_refused(text):
    with pytest.raises(SchemaError):
        parse_type(text)


@pytest.mark.parametrize("dtype", [pa.int32(), pa.timestamp("us"), pa.large_string(), pa.map_(pa.bool_(), pa.int64())])
def test_arrow_types_that_no_bin_has_are_refused(dtype):
    with pytest.raises(SchemaError):
        kind_of(dtype)

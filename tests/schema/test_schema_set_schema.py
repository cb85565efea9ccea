"""A set's schema: what SELECT * gives, overrides, and its file."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aerospike_magic.errors import SchemaError
from aerospike_magic.schema.infer import SampleRecord, infer_schema
from aerospike_magic.schema.types import Kind, SetSchema, Source, metadata_columns


def sample(*bins, keys=()):
    return [SampleRecord(keys[i] if i < len(keys) else None, bytes(20), 1, -1, row) for i, row in enumerate(bins)]


@pytest.fixture
def users():
    rows = sample({"age": 30, "name": "Ada"}, {"age": 31, "name": "Bob"}, {"age": 32}, keys=["a", "b", "c"])
    return infer_schema("test", "users", rows, 3, sampled_partitions=4096)


def test_select_star_starts_with_the_key_where_keys_are_stored(users):
    assert users.arrow == pa.schema([("__key", pa.string()), ("age", pa.int64()), ("name", pa.string())])


def test_select_star_has_no_key_where_none_is_stored():
    schema = infer_schema("test", "users", sample({"age": 1}), 1)
    assert schema.arrow.names == ["age"]
    assert schema.column("__key").source is Source.KEY


def test_all_metadata_can_be_asked_for(users):
    assert users.full_arrow.names == ["__key", "age", "name", "__digest", "__generation", "__ttl"]
    assert users.full_arrow.field("__digest").type == pa.binary(20)


def test_a_wrong_bin_name_is_answered_with_near_matches(users):
    with pytest.raises(SchemaError, match="did you mean name"):
        users.column("nmae")
    with pytest.raises(SchemaError, match="its bins: age, name"):
        users.column("zzzz")


def test_types_can_be_overridden_by_words_or_arrow_types(users):
    changed = users.with_types({"age": "json", "name": pa.binary(), "extra": "list<int64>"})
    assert [c.kind for c in changed.bins] == [Kind.JSON, Kind.BINARY, Kind.LIST]
    assert all(c.overridden for c in changed.bins)
    assert changed.column("age").evidence == users.column("age").evidence
    assert [c.kind for c in users.bins] == [Kind.INT64, Kind.STRING]


def test_a_new_bin_comes_after_the_bins(users):
    assert users.with_types({"x": "int"}).full_arrow.names[:4] == ["__key", "age", "name", "x"]
    assert SetSchema("a", "b", metadata_columns()).with_types({"x": "int"}).columns[1].name == "x"


@pytest.mark.parametrize(
    "types", [{"age": pa.int8()}, {"age": "number"}, {"__ttl": "string"}, {"__key": "double"}, {"": "int64"},
              {"a_bin_name_too_long": "int64"}],
)  # fmt: skip
def test_types_that_make_no_sense_are_refused(users, types):
    with pytest.raises(SchemaError):
        users.with_types(types)


def test_a_schema_is_saved_and_loaded(users, tmp_path):
    changed = users.with_types({"tags": "list<string>", "__key": "json"})
    path = changed.save(tmp_path / "users.toml")
    assert SetSchema.load(path) == changed


def test_a_short_file_by_hand_is_enough():
    schema = SetSchema.from_toml('namespace = "test"\nset = "s"\n[[columns]]\nname = "a"\ntype = "int64"\n')
    assert schema.arrow == pa.schema([("a", pa.int64())])


@pytest.mark.parametrize(
    "text",
    [
        "namespace = ",
        'set = "x"',
        'namespace = "a"\nset = 3',
        'namespace = "a"\ncolumns = 3',
        'namespace = "a"\n[[columns]]\nname = "x"',
        'namespace = "a"\n[[columns]]\nname = "x"\ntype = "quux"',
        'namespace = "a"\n[[columns]]\nname = "__ttl"\ntype = "int64"',
        'namespace = "a"\n[[columns]]\nname = "__key"\ntype = "bool"',
        'namespace = "a"\n[[columns]]\nname = "x"\ntype = "bool"\n[[columns]]\nname = "x"\ntype = "bool"',
    ],
)
def test_a_broken_file_is_refused(text):
    with pytest.raises(SchemaError):
        SetSchema.from_toml(text)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SchemaError, match="cannot read"):
        SetSchema.load(tmp_path / "none.toml")


@settings(max_examples=60)
@given(st.dictionaries(st.text(min_size=1, max_size=3), st.text(max_size=20), max_size=4), st.text(max_size=6))
def test_any_names_and_texts_survive_the_file(bins, set_name):
    schema = infer_schema("ns", set_name, sample(bins), 1)
    assert SetSchema.from_toml(schema.to_toml()) == schema


def test_a_description_has_a_row_a_column(users):
    rows = users.with_types({"name": "json"}).describe()
    assert rows[1] == {
        "column": "age", "type": "int64", "coverage": "100%", "mix": "integer 3", "examples": "30 · 31 · 32"
    }  # fmt: skip
    assert rows[2]["coverage"] == "66.7%"
    assert rows[2]["type"] == "json (set by you)"

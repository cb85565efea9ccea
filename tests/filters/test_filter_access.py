"""The way to the records."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pytest

from aerospike_magic.filters import (
    And,
    Compare,
    In,
    IndexScan,
    IsNull,
    KeyLookup,
    Not,
    Nothing,
    Or,
    PartitionScan,
    StartsWith,
    choose_access,
    describe,
)
from aerospike_magic.filters.bind import INT64_MAX, INT64_MIN
from aerospike_magic.schema.types import Column, Kind, SetSchema, Source, bin_column, metadata_columns


def schema(key=None, has_keys=True):
    types = {None: pa.string(), Kind.INT64: pa.int64(), Kind.STRING: pa.string(), Kind.BINARY: pa.binary()}
    column = None if key is None else Column("__key", types[key], key, Source.KEY)
    bins = [
        bin_column("n", Kind.INT64, pa.int64()),
        bin_column("f", Kind.DOUBLE, pa.float64()),
        bin_column("s", Kind.STRING, pa.string()),
    ]
    metadata = metadata_columns(column)
    return SetSchema("demo", "flights", (metadata[0], *bins, *metadata[1:]), has_keys=has_keys)


@dataclass(frozen=True)
class Index:
    name: str
    bin: str
    type: str = "numeric"
    namespace: str = "demo"
    set_name: str = "flights"
    index_type: str = "default"
    ready: bool = True
    entries: int | None = 100_000
    entries_per_value: float | None = 10.0
    context: bool = False


def encode(expression):
    return repr(expression.compile()).encode()


def choose(predicate, *indexes, of=None, objects=100_000):
    return choose_access(predicate, of or schema(Kind.INT64), indexes, objects, encode)


# ------------------------------------------------------------------------------------------------ by key


def test_a_key_is_looked_up_and_the_rest_filters():
    access = choose(And(Compare("=", "__key", 5), Compare(">", "n", 1)))
    assert isinstance(access, KeyLookup) and access.keys == (5,)
    assert describe(access.filter.pushed) == "n > 1" and access.filter.residual is None
    assert access.describe() == "look-up of 1 key: 5"


def test_keys_of_in_and_or_each_once():
    assert choose(In("__key", (1, 2, 2, 1.0))).keys == (1, 2)
    assert choose(Or(Compare("=", "__key", 1), Compare("=", "__key", 2))).keys == (1, 2)
    assert choose(And(In("__key", (1, 2, 3)), In("__key", (2, 3, 4)))).keys == (2, 3)
    assert choose(In("__key", tuple(range(2000)))).describe() == "look-up of 2,000 keys: 0, 1, 2, …"


def test_only_values_that_can_be_keys():
    assert choose(In("__key", (1, 2.5, "a", 2**63, None))).keys == (1,)
    assert isinstance(choose(Compare("=", "__key", "a")), Nothing)
    assert isinstance(choose(Compare("=", "__key", 2**63)), Nothing)
    assert choose(In("__key", (1, "a", "b")), of=schema(Kind.STRING)).keys == ("a", "b")
    assert choose(In("__key", (b"a", "b")), of=schema(Kind.BINARY)).keys == (b"a",)


def test_without_stored_keys_a_key_of_any_type_may_be_there():
    assert choose(In("__key", (1, "a", b"b")), of=schema(has_keys=False)).keys == (1, "a", b"b")


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_a_key_that_the_official_client_would_cut_short_is_checked_after_the_scan(text):
    access = choose(Compare("=", "__key", text), of=schema(Kind.STRING))
    assert isinstance(access, PartitionScan) and access.filter.residual == Compare("=", "__key", text)
    assert isinstance(choose(Compare("=", "s", text), S), PartitionScan)


def test_a_key_within_an_or_is_no_look_up():
    access = choose(Or(Compare("=", "__key", 5), Compare(">", "n", 1)))
    assert isinstance(access, PartitionScan)
    assert access.filter.residual is not None


def test_other_comparisons_with_the_key_are_checked_after_the_scan():
    access = choose(Compare(">", "__key", 5))
    assert isinstance(access, PartitionScan) and describe(access.filter.residual) == "__key > 5"


@pytest.mark.parametrize(
    "predicate",
    [
        Compare("=", "n", 2.5),
        And(Compare("=", "__key", 1), Compare("=", "__key", 2)),
        And(Compare("=", "__key", 1), Compare("=", "n", None)),
        In("n", ()),
        Or(),
    ],
)
def test_nothing_to_read(predicate):
    access = choose(predicate)
    assert isinstance(access, Nothing)
    assert access.describe() == "nothing to read: no record can match"


# ---------------------------------------------------------------------------------------------- by index

N, S = Index("idx_n", "n"), Index("idx_s", "s", "string")


def test_no_filter_scans_all_partitions():
    access = choose(None, N, S)
    assert isinstance(access, PartitionScan) and access.describe() == "scan of all partitions"


def test_equality_on_an_index():
    access = choose(Compare("=", "n", 7), N)
    assert (access.low, access.high, access.value, access.estimated_rows) == (7, 7, None, 10)
    assert access.describe() == "index idx_n: n = 7, about 10 records"
    # The index only narrows: the whole predicate is still the filter.
    assert describe(access.filter.pushed) == "n = 7"


def test_a_string_index():
    access = choose(And(Compare("=", "s", "JFK"), Compare(">", "n", 0)), S)
    assert isinstance(access, IndexScan) and access.value == "JFK" and access.low is None
    assert access.describe() == "index idx_s: s = 'JFK', about 10 records"
    assert isinstance(choose(Compare(">", "s", "JFK"), S), PartitionScan)
    assert isinstance(choose(StartsWith("s", "J"), S), PartitionScan)


def test_a_narrow_range():
    access = choose(And(Compare(">", "n", 1.5), Compare("<", "n", 5)), N)
    assert (access.low, access.high, access.estimated_rows) == (2, 4, 30)
    assert access.describe() == "index idx_n: n BETWEEN 2 AND 4, about 30 records"
    assert (choose(In("n", (3, 9)), N).low, choose(In("n", (3, 9)), N).high) == (3, 9)


def test_an_index_is_used_only_where_it_beats_the_scan():
    assert isinstance(choose(Compare(">", "n", 5), N), PartitionScan)
    sparse = Index("idx_n", "n", entries=300)
    found = choose(Compare(">", "n", 5), sparse)
    assert (found.low, found.high, found.estimated_rows) == (6, INT64_MAX, 150)
    assert found.describe().startswith("index idx_n: n >= 6")
    assert choose(Compare("<=", "n", 5), sparse).low == INT64_MIN
    assert choose(Compare("<=", "n", 5), sparse).describe().startswith("index idx_n: n <= 5")
    common = Index("idx_n", "n", entries_per_value=50_000.0)
    assert isinstance(choose(Compare("=", "n", 5), common), PartitionScan)
    assert isinstance(choose(Compare("=", "n", 5), N, objects=20), PartitionScan)


def test_the_most_selective_index_wins():
    both = And(Compare("=", "n", 5), Compare("=", "s", "a"))
    assert choose(both, N, Index("idx_s", "s", "string", entries_per_value=2.0)).index.name == "idx_s"
    assert choose(both, N, Index("idx_s", "s", "string", entries_per_value=20.0)).index.name == "idx_n"


@pytest.mark.parametrize(
    "index",
    [
        Index("i", "n", ready=False),
        Index("i", "n", index_type="list"),
        Index("i", "n", context=True),
        Index("i", "n", set_name="other"),
        Index("i", "n", namespace="other"),
        Index("i", "n", "string"),
        Index("i", "n", entries=None),
        Index("i", "zz"),
    ],
)
def test_an_index_that_cannot_answer(index):
    assert isinstance(choose(Compare("=", "n", 5), index), PartitionScan)


def test_a_numeric_index_misses_the_doubles_of_a_double_column():
    assert isinstance(choose(Compare("=", "f", 5), Index("i", "f")), PartitionScan)


@pytest.mark.parametrize(
    "predicate", [Compare("<>", "n", 5), IsNull("n"), Not(IsNull("n")), Or(Compare("=", "n", 5), IsNull("s"))]
)
def test_what_no_index_answers(predicate):
    assert isinstance(choose(predicate, N, S), PartitionScan)

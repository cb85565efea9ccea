"""A secondary index changes the way, never the rows."""

from __future__ import annotations

import time

import aerospike
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from aerospike_magic.dataset import AerospikeDataset
from aerospike_magic.filters import IndexScan, PartitionScan, choose_access, from_arrow_expression
from aerospike_magic.schema.types import Kind, SetSchema, bin_column, metadata_columns

SET = "filter_index"
F = pc.field


def record(i):
    """Mostly integers in n and strings in s, but also other types of the same look, and neither."""
    if i % 11 == 0:
        return {"i": i}
    n = {0: float(i % 50), 1: str(i % 50)}.get(i % 7, i % 50)
    return {"i": i, "n": n, "s": i % 40 if i % 5 == 0 else f"v{i % 40}"}


RECORDS = [record(i) for i in range(600)]


def schema():
    key, *metadata = metadata_columns()
    bins = [bin_column(name, Kind.INT64, pa.int64()) for name in ("i", "n")]
    return SetSchema("test", SET, (key, *bins, bin_column("s", Kind.STRING, pa.string()), *metadata))


@pytest.fixture
def indexed(connection):
    client = connection.client
    for i, bins in enumerate(RECORDS):
        client.put(("test", SET, i), bins)
    client.index_single_value_create("test", SET, "n", aerospike.INDEX_NUMERIC, "filter_idx_n")
    client.index_single_value_create("test", SET, "s", aerospike.INDEX_STRING, "filter_idx_s")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = {x.name: x for x in connection.indexes("test")}
        if all(
            name in found and found[name].ready and found[name].entries for name in ("filter_idx_n", "filter_idx_s")
        ):
            break
        time.sleep(0.2)
    yield connection
    client.index_remove("test", "filter_idx_n")
    client.index_remove("test", "filter_idx_s")
    for i in range(len(RECORDS)):
        client.remove(("test", SET, i))


def integers(record):
    return record["n"] if type(record.get("n")) is int else None


def test_rows_are_the_same_whatever_the_way(indexed):
    cases = [
        (F("n") == 7, "filter_idx_n", lambda n, s: n == 7),
        ((F("n") > 7) & (F("n") < 9.5), "filter_idx_n", lambda n, s: n is not None and 7 < n < 9.5),
        (F("s") == "v8", "filter_idx_s", lambda n, s: s == "v8"),
        ((F("s") == "v8") & (F("n") > 20), "filter_idx_s", lambda n, s: s == "v8" and n is not None and n > 20),
        (F("n") > 7, None, lambda n, s: n is not None and n > 7),
    ]
    dataset = AerospikeDataset(indexed, f"test.{SET}", schema=schema())
    for expression, index, keeps in cases:
        predicate = from_arrow_expression(expression, dataset.schema)
        access = choose_access(predicate, schema(), indexed.indexes("test"), len(RECORDS), indexed.encode_expression)
        if index is None:
            assert isinstance(access, PartitionScan)
        else:
            assert isinstance(access, IndexScan) and access.index.name == index
        kept = sorted(dataset.to_table(columns=["i"], filter=expression)["i"].to_pylist())
        texts = [r["s"] if isinstance(r.get("s"), str) else None for r in RECORDS]
        assert kept == [r["i"] for r, s in zip(RECORDS, texts, strict=True) if keeps(integers(r), s)]

"""A set as a pyarrow dataset: DuckDB and polars read it with push-down, and both get the same rows as the client."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pytest

from aerospike_magic.connection import Connection
from aerospike_magic.dataset import AerospikeDataset
from aerospike_magic.errors import MismatchError, MismatchWarning, SchemaError
from aerospike_magic.filters.predicate import Compare
from aerospike_magic.scan import ScanOptions

N = 2_000
F = pc.field


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return [{"id": i, "name": f"n{i % 50}", "x": i / 4} | ({"opt": i % 10} if i % 4 == 0 else {}) for i in range(N)]


@pytest.fixture(scope="module")
def table(client: Any, rows: list[dict[str, Any]]) -> Iterator[str]:
    name = "dataset_test"
    for row in rows:
        client.put(("test", name, row["id"]), row)
    yield f"test.{name}"
    client.truncate("test", name, 0)


@pytest.fixture
def dataset(connection: Connection, table: str) -> AerospikeDataset:
    return AerospikeDataset(connection, table)


def test_it_is_a_pyarrow_dataset(dataset: AerospikeDataset) -> None:
    assert isinstance(dataset, pads.Dataset)
    assert set(dataset.schema.names) == {"id", "name", "opt", "x"}
    assert "dataset_test" in repr(dataset)
    with pytest.raises(TypeError, match="holds connections"):
        pickle.dumps(dataset)


def test_to_table_has_every_value(dataset: AerospikeDataset, rows: list[dict[str, Any]]) -> None:
    got = {row["id"]: row for row in dataset.to_table().to_pylist()}
    assert got == {row["id"]: {"opt": None} | row for row in rows}


def test_columns_and_filter_are_pushed(dataset: AerospikeDataset) -> None:
    result = dataset.to_table(columns=["x", "id"], filter=(F("opt") == 4) & (F("id") < 1000))
    assert result.schema.names == ["x", "id"]
    assert result.num_rows == 50
    progress = dataset.scans[-1].progress
    assert progress.records == 50
    assert "opt = 4" in progress.pushed
    assert progress.residual == ""


def test_expressions_as_columns_are_evaluated_here(dataset: AerospikeDataset) -> None:
    result = dataset.to_table(columns={"twice": F("id") * 2}, filter=F("id") < 3)
    assert sorted(result["twice"].to_pylist()) == [0, 2, 4]


def test_a_filter_that_cannot_be_pushed_is_applied_here(dataset: AerospikeDataset) -> None:
    result = dataset.to_table(filter=pc.ends_with(F("name"), "7") & (F("id") < 100))
    assert {row["name"] for row in result.to_pylist()} == {"n7", "n17", "n27", "n37", "n47"}
    assert result.num_rows == 10


def test_head_and_count(dataset: AerospikeDataset) -> None:
    assert dataset.head(7).num_rows == 7
    assert dataset.head(3, columns=["id"], filter=F("id") >= N - 2).num_rows == 2
    assert dataset.count_rows() == N
    assert dataset.count_rows(filter=F("opt").is_null()) == N * 3 // 4
    assert dataset.scanner(filter=F("id") < 10).count_rows() == 10


def test_batches_have_the_asked_size(connection: Connection, table: str) -> None:
    small = AerospikeDataset(connection, table, options=ScanOptions(batch_rows=256))
    assert max(b.num_rows for b in small.to_batches()) <= 256
    assert sum(b.num_rows for b in small.scanner(batch_size=512).to_batches()) == N


def test_metadata_columns_by_name_or_in_the_schema(connection: Connection, table: str) -> None:
    dataset = AerospikeDataset(connection, table, with_metadata=True)
    assert dataset.schema.names[-3:] == ["__digest", "__generation", "__ttl"]
    plain = AerospikeDataset(connection, table)
    result = plain.to_table(columns=["id", "__generation"], filter=F("id") == 3)
    assert result.to_pylist() == [{"id": 3, "__generation": 1}]


def test_an_extra_filter_always_holds(connection: Connection, table: str) -> None:
    dataset = AerospikeDataset(connection, table, extra_filter=Compare("<", "id", 10))
    assert dataset.count_rows() == 10
    assert dataset.count_rows(filter=F("id") > 7) == 2
    assert dataset.with_options(ScanOptions(workers=1)).count_rows() == 10


def test_an_unknown_column_has_near_matches(dataset: AerospikeDataset) -> None:
    with pytest.raises(SchemaError, match="nmae.*did you mean name"):
        dataset.to_table(columns=["nmae"])


def test_duckdb_reads_it_with_push_down(dataset: AerospikeDataset, rows: list[dict[str, Any]]) -> None:
    import duckdb

    with duckdb.connect() as con:
        con.register("t", dataset)
        got = con.sql("SELECT name, count(*), sum(x) FROM t WHERE opt IN (4, 8) GROUP BY name ORDER BY name").fetchall()
        kept = [row for row in rows if row.get("opt") in (4, 8)]
        names = sorted({row["name"] for row in kept})
        assert got == [
            (n, sum(r["name"] == n for r in kept), sum(r["x"] for r in kept if r["name"] == n)) for n in names
        ]
        assert dataset.scans[-1].progress.records == len(kept)
        assert con.sql("SELECT count(*) FROM t").fetchall() == [(N,)]
        assert dataset.scans[-1].progress.columns == () or dataset.scans[-1].progress.columns == ("id",)
        assert len(con.sql("SELECT * FROM t LIMIT 5").fetchall()) == 5


def test_polars_reads_it_with_push_down(dataset: AerospikeDataset) -> None:
    import polars as pl

    frame = pl.scan_pyarrow_dataset(dataset).filter(pl.col("id") < 20).select("id", "opt").collect()
    assert sorted(frame["id"].to_list()) == list(range(20))
    assert dataset.scans[-1].progress.records == 20
    assert set(dataset.scans[-1].progress.columns) == {"id", "opt"}


def test_cancelling_stops_every_scan(connection: Connection, table: str) -> None:
    dataset = AerospikeDataset(connection, table, options=ScanOptions(records_per_second=100))
    reader = iter(dataset.to_batches())
    next(reader)
    dataset.cancel()
    assert not [t for t in threading.enumerate() if t.name.startswith("aerospike-scan")]
    reader.close()


def test_an_empty_set_is_an_empty_table_of_its_schema(connection: Connection, table: str) -> None:
    dataset = AerospikeDataset(connection, table)
    nothing = dataset.to_table(filter=F("id") == -1)
    assert nothing.num_rows == 0
    assert nothing.schema == dataset.schema
    assert isinstance(nothing, pa.Table)


def test_values_that_do_not_fit_are_told_where_no_cell_shows_them(connection: Connection, table: str) -> None:
    schema = connection.schema(table).with_types({"name": "int64"})
    dataset = AerospikeDataset(connection, table, schema=schema)
    with pytest.warns(MismatchWarning, match="2,000 values of bin 'name' did not fit and are NULL, e.g. \"n"):
        assert dataset.to_table()["name"].null_count == N
    assert [(m.bin, m.count) for m in dataset.mismatches] == [("name", N)]
    strict = dataset.with_options(ScanOptions(on_mismatch="error"))
    with pytest.raises(MismatchError, match="bin name"):
        strict.to_table()


def test_what_a_notebook_shows_of_them_is_short(dataset: AerospikeDataset) -> None:
    assert repr(dataset.set_schema) == "<SetSchema test.dataset_test (id int64, name string, x double, opt int64)>"
    dataset.count_rows()
    assert repr(dataset.scans[-1].progress).startswith(
        "<ScanProgress test.dataset_test done: 4,096 of 4,096 partitions"
    )

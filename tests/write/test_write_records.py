"""Rows become records: every value, every mode, and an account of what could not be written."""

from __future__ import annotations

import os

import pyarrow as pa
import pytest

from aerospike_magic.dataset import AerospikeDataset
from aerospike_magic.errors import SchemaError
from aerospike_magic.write import WriteOptions, check_columns, write_batches

N = 4_500
BY_ID = WriteOptions("id", send_key=True)


def write(connection, table, rows, options=BY_ID):
    rows = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows)
    check_columns(rows.schema, options)
    return write_batches(connection, "test", table, rows.to_batches(), options)


def read(connection, table, key="__key"):
    dataset = AerospikeDataset(connection, f"test.{table}", with_metadata=True)
    return {row[key]: row for row in dataset.to_table().to_pylist()}


def test_every_value_comes_back(connection, table):
    rows = pa.table(
        {
            "id": pa.array(range(N), pa.int64()),
            "small": pa.array([i % 100 for i in range(N)], pa.int16()),
            "half": [i / 2 for i in range(N)],
            "name": [f"näme {i}" for i in range(N)],
            "even": [i % 2 == 0 for i in range(N)],
            "raw": [bytes([i % 256, 0]) for i in range(N)],
            "tags": [[i, i + 1] for i in range(N)],
            "place": [{"x": i, "y": -i} for i in range(N)],
            "seldom": [i if i % 10 == 0 else None for i in range(N)],
        }
    )
    report = write(connection, table, rows)
    assert (report.written, report.failures) == (N, ())
    stored = read(connection, table)
    assert len(stored) == N
    for i, wanted in enumerate(rows.to_pylist()):
        assert {name: stored[i][name] for name in wanted} == wanted


def test_writing_again_changes_nothing(connection, table):
    rows = [{"id": i, "n": i * i} for i in range(10)]
    write(connection, table, rows)
    once = read(connection, table)
    write(connection, table, rows)
    assert {k: r["n"] for k, r in read(connection, table).items()} == {k: r["n"] for k, r in once.items()}


def test_a_null_takes_the_bin_away_and_other_bins_stay(connection, table):
    write(connection, table, [{"id": 1, "a": 1, "b": 1}, {"id": 2, "a": 2, "b": 2}])
    write(connection, table, pa.table({"id": [1, 3], "a": pa.array([None, 3], pa.int64()), "c": [9, 9]}))
    connection.schema(f"test.{table}", refresh=True)
    stored = read(connection, table)
    assert [stored[1][n] for n in "abc"] == [None, 1, 9]
    assert [stored[2][n] for n in "abc"] == [2, 2, None]
    assert [stored[3][n] for n in "abc"] == [3, None, 9]


def test_replace_makes_the_row_the_whole_record(connection, table):
    write(connection, table, [{"id": 1, "a": 1, "b": 1}, {"id": 2, "a": 2, "b": 2}])
    write(connection, table, [{"id": 1, "c": 3}], WriteOptions("id", send_key=True, mode="replace"))
    connection.schema(f"test.{table}", refresh=True)
    stored = read(connection, table)
    assert [stored[1][n] for n in "abc"] == [None, None, 3]
    assert [stored[2][n] for n in "abc"] == [2, 2, None]


@pytest.mark.parametrize("keys", [[1, 2], ["one", "two"], [b"\x01", b"\x02\x00"]])
def test_keys_of_all_types_with_metadata_columns_left_out(connection, table, keys):
    rows = [{"__key": k, "n": i, "__generation": 7} for i, k in enumerate(keys)]
    assert write(connection, table, rows, WriteOptions("__key", send_key=True)).written == 2
    stored = read(connection, table)
    assert {k: r["n"] for k, r in stored.items()} == dict(zip(keys, range(2), strict=True))
    assert not {"__key", "__generation"} & {c.name for c in connection.schema(f"test.{table}").bins}


def test_by_digest(connection, table):
    write(connection, table, [{"id": i, "n": 0} for i in range(3)])
    digests = [row["__digest"] for row in read(connection, table).values()]
    rows = [{"__digest": d, "n": i} for i, d in enumerate(digests)]
    write(connection, table, rows, WriteOptions(None, digest="__digest"))
    assert [row["n"] for d in digests for row in read(connection, table).values() if row["__digest"] == d] == [0, 1, 2]
    assert len(read(connection, table)) == 3


def test_time_to_live_of_the_options_and_of_each_row(connection, table):
    rows = [{"id": 1, "n": 1, "__ttl": 500}, {"id": 2, "n": 1, "__ttl": None}, {"id": 3, "n": 1, "__ttl": -1}]
    report = write(connection, table, rows, WriteOptions("id", send_key=True, ttl_s=100, ttl_column="__ttl"))
    if os.environ.get("AEROSPIKE_TEST_HOST") and report.failed == 2:
        pytest.skip(f"this server keeps no times to live, its nsup-period is 0: {report.failures[0]}")
    ttl = {k: r["__ttl"] for k, r in read(connection, table).items()}
    assert 490 <= ttl[1] <= 500
    assert 90 <= ttl[2] <= 100
    assert ttl[3] == -1


def test_rows_that_cannot_be_written_are_counted_and_the_others_written(connection, table):
    rows = [{"id": i, "text": "x"} for i in range(100)]
    rows[7]["id"] = None
    rows[8]["text"] = None
    rows[9]["text"] = rows[10]["text"] = "x" * (2 << 20)  # above the server's limit of a record
    report = write(connection, table, rows, WriteOptions("id", mode="replace", left_out=frozenset({"id"})))
    assert (report.written, report.failed) == (96, 4)
    reasons = {failure.reason: (failure.count, failure.example) for failure in report.failures}
    assert reasons.pop("the key is NULL") == (1, "None")
    assert reasons.pop("a record needs at least one bin that is not NULL") == (1, "8")
    assert list(reasons.values()) == [(2, "9")]
    assert len(read(connection, table, "__digest")) == 96


def test_a_row_of_nulls_is_counted_when_bins_are_merged_too(connection, table):
    rows = pa.table({"id": [1, 2], "a": pa.array([None, 1], pa.int64())})
    report = write(connection, table, rows, WriteOptions("id", left_out=frozenset({"id"})))
    assert (report.written, [f.count for f in report.failures]) == (1, [1])
    assert "at least one bin" in str(report.failures[0])


@pytest.mark.parametrize(
    ("columns", "options", "text"),
    [
        ({"a": [1]}, BY_ID, "no column 'id'"),
        ({"id": [1.5], "a": [1]}, BY_ID, "column id is double"),
        ({"id": [1], "a_name_of_16_byt": [1]}, BY_ID, "cannot be the name of a bin"),
        ({"id": [1], "at": pa.array([0], pa.timestamp("us"))}, BY_ID, r"timestamp\[us\], which no bin can hold"),
        ({"id": [1], "at": pa.array([[{"d": 0}]], pa.list_(pa.struct({"d": pa.date32()})))}, BY_ID, "date32"),
        ({"id": [1], "big": pa.array([1], pa.uint64())}, BY_ID, "uint64"),
        ({"id": ["x"], "a": [1]}, WriteOptions(None, digest="id"), "a digest binary"),
    ],
)
def test_what_cannot_be_written_is_told_before(columns, options, text):
    with pytest.raises(SchemaError, match=text):
        check_columns(pa.table(columns).schema, options)

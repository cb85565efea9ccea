"""`aerospike_magic.write`: frames of all kinds, what the key is, and errors before anything is written."""

from __future__ import annotations

import inspect
import subprocess
import sys
import threading
import time

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

import aerospike_magic
from aerospike_magic.dataset import AerospikeDataset
from aerospike_magic.errors import ConfigError, SchemaError, WriteCancelled, WriteError

ROWS = {"id": [1, 2, 3], "n": [10, 20, 30], "t": ["a", "b", "c"]}
WANTED = {i: {"id": i, "n": 10 * i, "t": "abc"[i - 1]} for i in (1, 2, 3)}


@pytest.fixture
def write(connection, table):
    return lambda frame, **more: aerospike_magic.write(frame, f"test.{table}", connection=connection, **more)


class Capsule:
    """Nothing but an Arrow stream."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


TABLE = pa.table(ROWS)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(ROWS),
        pd.DataFrame(ROWS).convert_dtypes(dtype_backend="pyarrow"),
        pl.DataFrame(ROWS),
        pl.LazyFrame(ROWS),
        TABLE,
        TABLE.to_batches()[0],
        pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches(1)),
        ds.dataset(TABLE),
        ds.dataset(TABLE).scanner(columns=["id", "n", "t"]),
        Capsule(TABLE),
    ],
    ids=lambda frame: type(frame).__module__ + "." + type(frame).__name__,
)
def test_frames_of_all_kinds(write, stored, frame):
    report = write(frame, key="id")
    assert (report.written, report.failures) == (3, ())
    assert report.n_bytes > 0
    assert stored() == WANTED


def test_pandas_types(write, stored):
    frame = pd.DataFrame(
        {
            "id": pd.array([1, 2, 3], "uint8"),
            "x": [1.5, float("nan"), 3.0],
            "i": pd.array([1, None, 3], "Int64"),
            "c": pd.Categorical(["u", "v", "u"]),
            "b": [True, False, True],
            "o": [[1], [2, 3], None],
            "s": [b"x", None, b""],
        }
    )
    write(frame, key="id")
    assert stored() == {
        1: {"id": 1, "x": 1.5, "i": 1, "c": "u", "b": True, "o": [1], "s": b"x"},
        2: {"id": 2, "c": "v", "b": False, "o": [2, 3]},
        3: {"id": 3, "x": 3.0, "i": 3, "c": "u", "b": True, "s": b""},
    }


def test_the_index_of_a_pandas_frame_is_the_key_if_it_has_a_name(write, stored):
    write(pd.DataFrame({"n": [1, 2]}, index=pd.Index([5, 6], name="id")))
    assert stored() == {5: {"id": 5, "n": 1}, 6: {"id": 6, "n": 2}}
    with pytest.raises(SchemaError, match="which column is the key"):
        write(pd.DataFrame({"n": [1, 2]}, index=[5, 6]))
    with pytest.raises(SchemaError, match="both a column and the index"):
        write(pd.DataFrame({"id": [1]}, index=pd.Index([5], name="id")))


def test_a_set_is_copied_with_its_keys(connection, client, table, write):
    write(TABLE, key="id", keep_key=False)
    copy = f"{table}c"
    try:
        source = AerospikeDataset(connection, f"test.{table}", with_metadata=True)
        report = aerospike_magic.write(source, f"test.{copy}", connection=connection)
        assert report.written == 3
        rows = AerospikeDataset(connection, f"test.{copy}").to_table().to_pylist()
        assert sorted((row["__key"], row["n"], row["t"]) for row in rows) == [(1, 10, "a"), (2, 20, "b"), (3, 30, "c")]
        assert "id" not in rows[0]
    finally:
        client.truncate("test", copy, 0)


@pytest.mark.parametrize(
    ("keep_key", "send_key", "bin_there", "key_there"),
    [
        (None, None, True, False),
        (False, None, False, True),
        (True, True, True, True),
        (False, False, False, False),
    ],
)
def test_what_becomes_of_the_key(write, client, table, keep_key, send_key, bin_there, key_there):
    write(pa.table({"id": ["one"], "n": [1]}), key="id", keep_key=keep_key, send_key=send_key)
    [(key, _, bins)] = client.query("test", table).results()
    assert ("id" in bins, key[2] == "one") == (bin_there, key_there)
    assert client.exists(("test", table, "one"))[1] is not None


def test_rows_that_fail_are_raised_at_the_end_or_reported(write, stored):
    rows = pa.table({"id": pa.array([1, None, 3]), "n": [1, 2, 3]})
    with pytest.raises(WriteError, match=r"1 of 3 rows were not written to test\.write.*the key is NULL") as caught:
        write(rows, key="id")
    assert caught.value.report.written == 2
    assert sorted(stored()) == [1, 3]
    report = write(rows, key="id", errors="report")
    assert (report.written, report.failed) == (2, 1)


@pytest.mark.parametrize(
    ("frame", "named", "text"),
    [
        (TABLE, {}, "nothing says which column is the key"),
        (TABLE, {"key": "nr"}, "no column 'nr'"),
        (TABLE, {"key": "id", "digest": "n"}, "key and digest are both given"),
        (TABLE, {"key": "id", "mode": "upsert"}, "mode is 'upsert'"),
        (TABLE, {"key": "id", "ttl_column": "ttl"}, "no column 'ttl' for ttl_column"),
        (TABLE, {"key": "id", "ttl_column": "t"}, "column t is string"),
        (TABLE, {"key": "id", "generation_policy": "equal"}, "no column '__generation'"),
        (pa.table({"id": [1]}), {"key": "id", "keep_key": False}, "no column is left to become a bin"),
        (pa.table([[1], [2]], ["id", "id"]), {"key": "id"}, "several columns 'id'"),
        (
            pa.table({"id": [1], "m": pa.array([[(1.5, 2)]], pa.map_(pa.float64(), pa.int64()))}),
            {"key": "id"},
            "keys of double",
        ),
        (pd.DataFrame({"id": [1, 2], "o": [1, "x"]}), {"key": "id"}, "no one type"),
        (pd.DataFrame({"id": [1], 7: [1]}), {"key": "id"}, "column 7 has no text"),
        (pd.DataFrame({"id": [1], "at": pd.to_datetime(["2026-01-01"])}), {"key": "id"}, "timestamp"),
        (
            pl.DataFrame({"id": [1], "d": ["1.5"]}).with_columns(pl.col("d").cast(pl.Decimal(5, 2))),
            {"key": "id"},
            "dec",
        ),
        ([{"id": 1}], {"key": "id"}, "no rows can be read from a list"),
    ],
)
def test_what_cannot_be_written_is_told_before(write, stored, frame, named, text):
    with pytest.raises((SchemaError, ConfigError), match=text):
        write(frame, **named)
    assert stored() == {}


def test_a_namespace_that_is_not_there(connection):
    with pytest.raises(SchemaError, match="nowhere"):
        aerospike_magic.write(TABLE, "nowhere.x", key="id", connection=connection)


def test_a_connection_is_opened_where_none_is_given(server, table, stored, monkeypatch):
    aerospike_magic.write(TABLE, f"test.{table}", key="id", connection=server.address)
    assert stored() == WANTED
    monkeypatch.setenv("AEROSPIKE_HOST", server.address)
    assert aerospike_magic.write(TABLE, f"test.{table}", key="id").written == 3


def test_an_event_cancels(write):
    event = threading.Event()
    threading.Timer(0.3, event.set).start()
    started = time.monotonic()
    with pytest.raises(WriteCancelled) as caught:
        write(pa.table({"id": range(50_000)}), key="id", records_per_second=2_000, cancel=event)
    assert time.monotonic() - started < 1.5
    assert 0 < caught.value.report.written < 50_000
    assert [t for t in threading.enumerate() if t.name.startswith("aerospike-write")] == []


def test_a_map_with_a_key_twice_fails_its_row_only(write, stored):
    pairs = pa.array([[("a", 1)], [("a", 1), ("a", 2)], None], pa.map_(pa.string(), pa.int64()))
    report = write(pa.table({"id": [1, 2, 3], "m": pairs}), key="id", errors="report")
    assert [str(f) for f in report.failures] == ["a map has the same key twice, or a NULL key (1 row, e.g. key 2)"]
    assert stored() == {1: {"id": 1, "m": {"a": 1}}, 3: {"id": 3}}


def test_many_small_batches_and_a_slow_source(write, stored):
    def source():
        for i in range(3_000):
            if i in (1_000, 2_000):
                time.sleep(0.3)
            yield pa.record_batch({"id": [i], "n": [i]})

    reader = pa.RecordBatchReader.from_batches(pa.schema({"id": pa.int64(), "n": pa.int64()}), source())
    assert write(reader, key="id").written == 3_000
    assert len(stored()) == 3_000


def test_the_front_door_is_a_function_whatever_was_imported_before():
    code = (
        "import aerospike_magic; first = aerospike_magic.write; import aerospike_magic.write; "
        "from aerospike_magic import write; assert callable(first) and callable(write)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    from aerospike_magic import write

    assert list(inspect.signature(write).parameters)[:3] == ["frame", "target", "key"]
    assert "pandas" in write.__call__.__doc__

"""Which rows are written at all: modes, generations, the order of equal keys; and what an answer that is lost means."""

from __future__ import annotations

import threading
import time

import pyarrow as pa
import pytest

from aerospike_magic.errors import SchemaError, WriteCancelled, WriteError
from aerospike_magic.write import WriteOptions, Writer, check_columns, write_batches
from aerospike_magic.write.lane import Lane


def put(connection, table, rows, **options):
    how = WriteOptions("id", **options)
    rows = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows)
    check_columns(rows.schema, how)
    return write_batches(connection, "test", table, rows.to_batches(), how)


def reasons(report):
    return {failure.reason: failure.count for failure in report.failures}


def test_the_modes(connection, table, stored):
    both = [{"id": 1, "b": 2}, {"id": 2, "b": 2}]
    put(connection, table, [{"id": 1, "a": 1}])
    assert reasons(put(connection, table, both, mode="create_only")) == {"the record exists already": 1}
    assert stored() == {1: {"id": 1, "a": 1}, 2: {"id": 2, "b": 2}}
    put(connection, table, [{"id": 2, "c": 3}], mode="replace")
    assert stored()[2] == {"id": 2, "c": 3}
    only = [{"id": 1, "b": 5}, {"id": 9, "b": 5}]
    assert reasons(put(connection, table, only, mode="update_only")) == {"there is no such record": 1}
    assert stored() == {1: {"id": 1, "a": 1, "b": 5}, 2: {"id": 2, "c": 3}}
    assert reasons(put(connection, table, only, mode="replace_only")) == {"there is no such record": 1}
    assert stored() == {1: {"id": 1, "b": 5}, 2: {"id": 2, "c": 3}}


def test_rows_are_written_at_the_generation_that_they_expect(connection, table, stored):
    put(connection, table, [{"id": i, "n": 0} for i in range(3)])
    put(connection, table, [{"id": 2, "n": 1}])
    rows = pa.table({"id": [0, 1, 2, 3], "n": [7, 7, 7, 7], "__generation": pa.array([1, 2, 2, None], pa.int64())})
    how = {"generation_column": "__generation", "generation_policy": "equal"}
    report = put(connection, table, rows, **how)
    assert report.written == 3
    assert [str(f) for f in report.failures] == [
        "the record has another generation than the row expects (1 row, e.g. key 1)"
    ]
    assert {k: r["n"] for k, r in stored().items()} == {0: 7, 1: 0, 2: 7, 3: 7}
    assert put(connection, table, rows, **how).written == 0


def test_rows_with_a_greater_generation_win(connection, table, stored):
    put(connection, table, [{"id": i, "n": 0} for i in range(3)])
    rows = [{"id": i, "n": 5, "__generation": i} for i in range(3)]
    report = put(connection, table, rows, generation_column="__generation", generation_policy="greater")
    assert {k: r["n"] for k, r in stored().items()} == {0: 0, 1: 0, 2: 5}
    assert report.failed == 2


def test_generations_that_are_none(connection, table):
    rows = [{"id": 1, "n": 1, "__generation": -1}, {"id": 2, "n": 1, "__generation": 70_000}]
    report = put(connection, table, rows, generation_column="__generation", generation_policy="equal")
    assert reasons(report) == {"a generation is a number from 0 to 65535": 2}
    with pytest.raises(SchemaError, match="no column 'gen' with the generations"):
        put(connection, table, rows, generation_column="gen", generation_policy="equal")


def test_of_rows_with_one_key_the_last_is_last(connection, table, stored, generations):
    rows = [{"id": i % 50, "n": i} for i in range(5_000)]
    report = put(connection, table, rows)
    assert report.written == 5_000
    assert {k: r["n"] for k, r in stored().items()} == {i: 4_950 + i for i in range(50)}
    assert set(generations().values()) == {100}


def test_create_only_takes_the_first_of_rows_with_one_key(connection, table, stored):
    rows = [{"id": i % 10, "n": i} for i in range(100)]
    report = put(connection, table, rows, mode="create_only")
    assert (report.written, report.failed, report.uncertain) == (10, 90, 0)
    assert {k: r["n"] for k, r in stored().items()} == {i: i for i in range(10)}


# -- answers that are lost --


@pytest.fixture
def lose_answers(monkeypatch):
    """Lose the first so many answers, after they have come."""

    def lose(n):
        left = [n]
        receive = Lane._receive_frame

        def losing(lane, connected, node):
            frame = receive(lane, connected, node)
            if left[0]:
                left[0] -= 1
                raise ConnectionResetError("lost")
            return frame

        monkeypatch.setattr(Lane, "_receive_frame", losing)

    return lose


@pytest.mark.parametrize("how", [{}, {"mode": "replace"}])
def test_a_row_whose_answer_was_lost_is_written_again(connection, table, generations, lose_answers, how):
    lose_answers(2)
    report = put(connection, table, [{"id": i, "n": i} for i in range(1_000)], **how)
    assert (report.written, report.failures) == (1_000, ())
    assert report.retries > 0
    assert set(generations().values()) == {1, 2}


@pytest.mark.parametrize(
    "how", [{"mode": "create_only"}, {"generation_column": "__generation", "generation_policy": "equal"}]
)
def test_a_row_that_was_written_though_its_answer_was_lost_is_found(connection, table, generations, lose_answers, how):
    lose_answers(2)
    rows = [
        {
            "id": i,
            "n": i,
            "x": float("nan"),
            "t": None if i % 2 else "é",
            "l": [i, None],
            "m": {"k": b"\x00"},
            "__generation": 0,
        }
        for i in range(1_000)
    ]
    report = put(connection, table, rows, **how)
    assert (report.written, report.failures) == (1_000, ())
    assert set(generations().values()) == {1}


def test_a_row_whose_answer_was_lost_stays_uncertain_if_the_record_is_another(
    connection, table, client, monkeypatch, lose_answers
):
    lose_answers(4)
    # Somebody else writes between the lost answer and the second try.
    monkeypatch.setattr(
        Lane,
        "_refresh_owners",
        lambda lane: [client.put(("test", table, i), {"n": -1}) for i in range(5)],
    )
    report = put(connection, table, [{"id": i, "n": i} for i in range(5)], mode="create_only")
    assert report.written == 0
    assert report.uncertain == report.failed == 5
    assert "an answer was lost: the row itself may have been written before" in report.reasons


def test_rows_that_a_run_before_has_written_are_found(connection, table, generations):
    how = {"generation_column": "__generation", "generation_policy": "equal"}
    rows = [{"id": i, "n": i, "__generation": 0} for i in range(100)]
    assert put(connection, table, rows[:60], **how).written == 60
    report = put(connection, table, rows, may_repeat=True, **how)
    assert (report.written, report.failures) == (100, ())
    assert set(generations().values()) == {1}
    assert put(connection, table, rows, **how).failed == 100


# -- throttle, progress, cancel --


def test_throttle_and_progress(connection, table):
    told = []
    writer = Writer(connection, "test", table, WriteOptions("id"), records_per_second=2_000, on_progress=told.append)
    report = writer.write(pa.table({"id": range(2_000), "n": range(2_000)}).to_batches())
    assert report.written == 2_000
    assert 0.75 <= report.elapsed_s <= 2.5
    assert len(told) >= 5
    written = [progress.written for progress in told]
    assert written == sorted(written)
    assert written[-1] == told[-1].taken == 2_000
    assert 0 < written[len(written) // 2] < 2_000


def write_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("aerospike-write")]


def test_cancel_stops_within_a_second(connection, table, stored):
    writer = Writer(connection, "test", table, WriteOptions("id"), records_per_second=1_000)
    threading.Timer(0.5, writer.cancel).start()
    started = time.monotonic()
    with pytest.raises(WriteCancelled) as caught:
        writer.write(pa.table({"id": range(100_000)}).to_batches())
    assert time.monotonic() - started < 1.5
    assert caught.value.report.written == len(stored()) > 0
    assert caught.value.report.failures == ()
    assert write_threads() == []


def test_an_error_of_the_source_stops_all_and_is_raised_as_it_is(connection, table):
    def source():
        yield from pa.table({"id": range(40_000)}).to_batches()
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more") as caught:
        write_batches(connection, "test", table, source(), WriteOptions("id"))
    assert "rows had been written" in caught.value.__notes__[0]
    assert write_threads() == []


def test_an_error_of_the_callback_stops_all(connection, table):
    def tell(progress):
        raise KeyboardInterrupt

    rows = pa.table({"id": range(50_000)}).to_batches()
    with pytest.raises(KeyboardInterrupt):
        write_batches(connection, "test", table, rows, WriteOptions("id"), on_progress=tell, records_per_second=5_000)
    assert write_threads() == []


def test_what_every_row_would_be_refused_for_ends_the_write(connection, table):
    with pytest.raises(SchemaError, match="nowhere"):
        write_batches(connection, "nowhere", table, pa.table({"id": [1]}).to_batches(), WriteOptions("id"))
    assert write_threads() == []


def test_a_report_says_what_it_is():
    from aerospike_magic.write import Failure, WriteReport

    report = WriteReport(1_000, (Failure("the key is NULL", 2, "None"),), elapsed_s=0.5)
    assert repr(report) == (
        "<WriteReport: 1,000 rows written in 0.5 s (2,000 rows/s), 2 not: the key is NULL (2 rows, e.g. key None)>"
    )
    both = report.plus(report)
    assert (both.written, both.failed, len(both.failures)) == (2_000, 4, 1)
    assert isinstance(WriteError("x", report=report).report, WriteReport)

"""Cells that Spark runs, in a real session."""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest


@pytest.fixture
def with_spark(notebook: Any, spark: Any, class_loader: Any) -> Iterator[Any]:
    """A connected notebook that has a session by the usual name."""
    notebook.shell.user_ns["spark"] = spark
    yield notebook
    notebook.run("%config AerospikeMagics.engine = 'local'")


def test_spark_runs_the_cell_and_its_filter_is_pushed_from_every_thread(with_spark: Any) -> None:
    for low in (60, 120):
        cell = with_spark.run(
            "%%aerosql --engine spark\n"
            f"SELECT origin, count(*) AS n FROM demo.flights WHERE dep_delay > {low} GROUP BY origin ORDER BY origin"
        )
        assert cell.error is None, cell.text
        assert f"dep_delay > {low} pushed" in cell.text + cell.plain
        assert "336,776 scanned" in cell.text + cell.plain
        assert "EWR" in cell.plain and "LGA" in cell.plain


def test_the_first_rows_are_shown_and_the_scan_stops(with_spark: Any) -> None:
    cell = with_spark.run("%%aerosql --engine spark\nSELECT * FROM demo.flights")
    assert cell.error is None, cell.text
    assert "first 50 rows" in cell.plain
    assert "336,776 scanned" not in cell.text


def test_results_of_each_kind(with_spark: Any, spark: Any) -> None:
    sql = "SELECT carrier, name FROM demo.airlines WHERE carrier < 'B'"
    for kind in ("pandas", "polars", "arrow", "duckdb", "spark"):
        cell = with_spark.run(f"%%aerosql --engine spark -o found -t {kind}\n{sql}")
        assert cell.error is None, cell.text
    assert "found: a Spark DataFrame of 2 columns, which runs when it is used" in cell.text
    assert sorted(row.carrier for row in with_spark["found"].collect()) == ["9E", "AA", "AS"]
    cell = with_spark.run("%%aerosql --engine spark -o again -t polars\nSELECT count(*) AS n FROM found")
    assert cell.error is None, cell.text
    assert with_spark["again"].equals(pl.DataFrame({"n": [3]}))


def test_a_lazy_result_is_sparks_only(with_spark: Any) -> None:
    cell = with_spark.run("%%aerosql -o x -t spark\nSELECT 1")
    assert "add --engine spark" in str(cell.error)


def test_the_engine_of_all_cells_can_be_set(with_spark: Any) -> None:
    with_spark.run("%config AerospikeMagics.engine = 'spark'")
    cell = with_spark.run("%aerosql -o found SELECT version() AS v, :n AS n FROM demo.airlines LIMIT 1\n")
    assert "n has no value" in str(cell.error)
    with_spark.run("n = 7")
    cell = with_spark.run("%aerosql -o found SELECT version() AS v, :n AS n FROM demo.airlines LIMIT 1")
    assert cell.error is None, cell.text
    assert with_spark["found"].loc[0, "n"] == 7


def test_a_failure_is_a_line_with_a_caret_and_the_trace_is_there_on_request(with_spark: Any) -> None:
    cell = with_spark.run("%%aerosql --engine spark\nSELECT carrier, 1 / 0 FROM demo.airlines")
    assert "Division by zero" in cell.text
    assert "\n" + " " * 18 + "^\n" in cell.text
    for word in ("Traceback", "org.apache", "Py4J", "JVM"):
        assert word not in cell.text
    trace = with_spark.run("%aerospike trace")
    assert "DIVIDE_BY_ZERO" in trace.text


def test_explain_says_what_spark_pushed(with_spark: Any) -> None:
    cell = with_spark.run(
        "%%aerosql --engine spark --explain\nSELECT origin, count(*) FROM demo.flights WHERE month = 2 GROUP BY 1"
    )
    assert cell.error is None, cell.text
    assert "month = 2" in cell.plain
    words = " ".join(cell.plain.split())  # lines are broken where the terminal ends
    assert "Spark pushed to demo.flights: filters [month IS NOT NULL, month = 2], partial aggregates" in words


def test_an_interrupt_stops_spark_within_a_second(with_spark: Any, spark: Any) -> None:
    with_spark.run("%aerosql --engine spark SELECT count(*) FROM demo.airlines")
    stopped: list[float] = []

    def interrupt() -> None:
        stopped.append(time.monotonic())
        _thread.interrupt_main()

    timer = threading.Timer(2.0, interrupt)
    timer.start()
    cell = with_spark.run("%%aerosql --engine spark --rps 300\nSELECT max(tailnum) FROM demo.flights")
    took_s = time.monotonic() - stopped[0]
    timer.join()
    assert isinstance(cell.error, KeyboardInterrupt), cell.text
    assert "the query was stopped after" in cell.text
    assert took_s < 1.6
    deadline = time.monotonic() + 1.0
    while spark.sparkContext.statusTracker().getActiveJobsIds():
        assert time.monotonic() < deadline, "Spark's job still runs"
        time.sleep(0.05)


def test_an_insert_is_written_by_sparks_own_tasks(with_spark: Any, client: Any) -> None:
    cell = with_spark.run(
        "%%aerosql --engine spark --write --key flight\n"
        "INSERT INTO test.spark_insert (flight, n)\n"
        "SELECT flight, count(*) FROM demo.flights WHERE carrier = 'HA' OR carrier = 'OO' GROUP BY flight"
    )
    assert cell.error is None, cell.text
    with_spark.run(
        "%%aerosql -o wanted\n"
        "SELECT flight, count(*) AS n FROM demo.flights WHERE carrier = 'HA' OR carrier = 'OO' GROUP BY flight"
    )
    wanted = {row.flight: row.n for row in with_spark["wanted"].itertuples()}
    assert f"{len(wanted)} rows written to test.spark_insert" in cell.text
    stored = {bins["flight"]: bins["n"] for _, _, bins in client.query("test", "spark_insert").results()}
    assert stored == wanted
    again = with_spark.run(
        "%%aerosql --engine spark --write --mode create_only\n"
        "INSERT INTO test.spark_insert SELECT flight AS __key, 1 AS n FROM test.spark_insert"
    )
    assert "already" in again.text or "exist" in again.text, again.text
    more = with_spark.run(
        "%%aerosql --engine spark --write --key flight\n"
        "INSERT INTO test.spark_insert SELECT flight + 100000 AS flight, n FROM test.spark_insert"
    )
    assert more.error is None, more.text
    assert f"{len(wanted)} rows written" in more.text, "rows that were just written are not read again"
    client.truncate("test", "spark_insert", 0)


def test_an_insert_that_spark_may_not_do_says_why(with_spark: Any) -> None:
    cell = with_spark.run(
        "%%aerosql --engine spark --write\nINSERT INTO test.spark_insert SELECT current_date() AS __key"
    )
    assert cell.error is not None
    assert "Traceback" not in cell.text
    cell = with_spark.run("%%aerosql --engine spark\nINSERT INTO test.spark_insert SELECT 1 AS __key")
    assert "add --write" in cell.text

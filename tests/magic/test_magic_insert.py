"""`%%aerosql --write INSERT INTO …`: what is written, what is said, what is refused, and interrupts."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import uuid
from typing import Any

import pytest

from aerospike_magic.errors import ConfigError, QueryError, ReadOnlyError, SchemaError, UnknownNameError, WriteError
from aerospike_magic.magic.run import QueryInterrupted


@pytest.fixture
def target(client: Any) -> Any:
    name = f"insert{uuid.uuid4().hex[:8]}"
    yield name
    client.truncate("test", name, 0)


def records(client: Any, name: str) -> list[tuple[Any, dict[str, Any]]]:
    found = [(key[2], bins) for key, _, bins in client.query("test", name).results()]
    return sorted(found, key=lambda record: str(record))


def test_a_select_becomes_records(notebook: Any, client: Any, target: str) -> None:
    cell = notebook.run(
        f"%%aerosql --write --key carrier\nINSERT INTO test.{target}\n"
        "SELECT carrier, count(*) AS n, sum(distance) AS far, avg(air_time) AS air FROM demo.flights GROUP BY carrier"
    )
    assert cell.error is None
    assert "336,776 scanned" in cell.text
    assert f"16 rows written to test.{target} (" in cell.text
    stored = {bins["carrier"]: bins for _, bins in records(client, target)}
    assert stored["UA"]["n"] == 58_665
    assert isinstance(stored["UA"]["far"], int)
    assert isinstance(stored["UA"]["air"], float)
    # And it is there for the next cell.
    assert notebook.run(f"%aerosql -o back SELECT * FROM test.{target}").error is None
    assert len(notebook["back"]) == 16


def test_the_columns_key_is_the_key(notebook: Any, client: Any, target: str) -> None:
    notebook.run("code = 'UA'")
    cell = notebook.run(
        f"%%aerosql --write\nINSERT INTO test.{target} (__key, n)\n"
        "SELECT flight, count(*) FROM demo.flights WHERE carrier = :code AND flight < 20 GROUP BY 1"
    )
    assert cell.error is None
    assert all(isinstance(key, int) and set(bins) == {"n"} for key, bins in records(client, target))
    # A bin that comes later is seen, though the set's columns were known.
    notebook.run(f"%aerosql -o before SELECT * FROM test.{target}")
    notebook.run(f"%aerosql --write INSERT INTO test.{target} SELECT 1 AS __key, 'new' AS word")
    notebook.run(f"%aerosql -o after SELECT __key, n, word FROM test.{target} WHERE __key = 1")
    assert notebook["after"]["word"].tolist() == ["new"]


def test_values_frames_and_modes(notebook: Any, client: Any, target: str) -> None:
    notebook.run("import pandas as pd\nmine = pd.DataFrame({'id': [1, 2], 'n': [10, 20]})")
    assert notebook.run(f"%aerosql --write --key id INSERT INTO test.{target} SELECT * FROM mine").error is None
    assert notebook.run(f"%aerosql --write --key id INSERT INTO test.{target} (id, m) VALUES (1, 5)").error is None
    assert [bins for _, bins in records(client, target)] == [{"id": 1, "n": 10, "m": 5}, {"id": 2, "n": 20}]
    notebook.run(f"%aerosql --write --key id --mode replace INSERT INTO test.{target} (id, m) VALUES (1, 6)")
    cell = notebook.run(
        f"%aerosql --write --key id --mode create_only INSERT INTO test.{target} (id, m) VALUES (2, 6), (3, 6)"
    )
    assert isinstance(cell.error, WriteError)
    assert "1 of 2 rows were not written" in cell.text
    assert "the record exists already (1 row, e.g. key 2)" in cell.text
    assert [bins for _, bins in records(client, target)] == [{"id": 1, "m": 6}, {"id": 2, "n": 20}, {"id": 3, "m": 6}]


def test_a_set_can_be_written_from_itself(notebook: Any, client: Any, target: str) -> None:
    notebook.run(f"%aerosql --write INSERT INTO test.{target} SELECT range AS __key, range AS n FROM range(1000)")
    cell = notebook.run(
        f"%aerosql --write INSERT INTO test.{target} SELECT __key + 1000 AS __key, n + 1000 AS n FROM test.{target}"
    )
    assert cell.error is None
    assert f"1,000 rows written to test.{target}" in cell.text
    assert len(records(client, target)) == 2_000


@pytest.mark.parametrize(
    ("line", "kind", "text"),
    [
        ("INSERT INTO test.{t} SELECT 1 AS __key, 2 AS n", ReadOnlyError, "add --write"),
        ("--write SELECT 1", ConfigError, "--write is for a cell that inserts"),
        ("--write -o x INSERT INTO test.{t} SELECT 1 AS __key, 2 AS n", ConfigError, "no result for -o"),
        ("--write INSERT INTO test.{t} SELECT 1 AS id", QueryError, "--key COLUMN"),
        ("--write --key nr INSERT INTO test.{t} SELECT 1 AS id", QueryError, "no column nr to be the key"),
        ("--write INSERT INTO nowhere.x SELECT 1 AS __key, 2 AS n", UnknownNameError, "nowhere"),
        ("--write INSERT INTO test.{t} (a, b) SELECT 1", QueryError, "INSERT names 2 columns, and the rows have 1"),
        ("--write --key id INSERT INTO test.{t} SELECT 1 AS id, now() AS at", SchemaError, "column at has timestamp"),
        ("--write --key id INSERT INTO test.{t} SELECT 1 AS id, x FROM demo.airlines", QueryError, "x"),
        ("--write --mode upsert INSERT INTO test.{t} SELECT 1 AS __key", ConfigError, "one of update"),
        ("--write DELETE FROM test.{t}", ConfigError, "--write is for a cell that inserts"),
    ],
)
def test_what_is_refused_writes_nothing(
    notebook: Any, client: Any, target: str, line: str, kind: type[BaseException], text: str
) -> None:
    cell = notebook.run("%aerosql " + line.format(t=target))
    assert isinstance(cell.error, kind)
    assert text in cell.text
    assert "Traceback" not in cell.text
    assert records(client, target) == []


def test_the_caret_points_into_the_text_as_written(notebook: Any, target: str) -> None:
    cell = notebook.run(
        f"%%aerosql --write --key id\nINSERT INTO test.{target}\nSELECT 1 AS id, nope FROM demo.airlines"
    )
    lines = cell.text.splitlines()
    at = next(i for i, line in enumerate(lines) if "nope FROM" in line)
    assert lines[at + 1].index("^") == lines[at].index("nope")


def test_explain_says_how_the_rows_would_be_read(notebook: Any, client: Any, target: str) -> None:
    cell = notebook.run(
        f"%aerosql --explain INSERT INTO test.{target} SELECT carrier AS __key, name FROM demo.airlines"
    )
    assert cell.error is None
    assert "demo.airlines" in cell.plain
    assert records(client, target) == []


def test_an_interrupt_stops_within_a_second_and_says_what_stays(notebook: Any, client: Any, target: str) -> None:
    def interrupt() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not records(client, target):
            time.sleep(0.1)
        interrupted.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    interrupted: list[float] = []
    thread = threading.Thread(target=interrupt)
    thread.start()
    with contextlib.suppress(KeyboardInterrupt):
        cell = notebook.run(
            f"%%aerosql --write --rps 2000\nINSERT INTO test.{target}\n"
            "SELECT range AS __key, 'x' AS t FROM range(100000)"
        )
    took = time.monotonic() - interrupted[0]
    thread.join()
    assert isinstance(cell.error, QueryInterrupted)
    assert took < 1.6
    n_rows = len(records(client, target))
    assert f"{n_rows:,} rows had been written to test.{target} and stay" in cell.text
    time.sleep(0.3)
    assert len(records(client, target)) == n_rows
    assert [t for t in threading.enumerate() if t.name.startswith("aerospike-write")] == []

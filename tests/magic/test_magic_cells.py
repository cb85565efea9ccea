"""`%aerospike` and `%%aerosql` in a real IPython, over a real server."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from aerospike_magic.errors import (
    AerospikeMagicError,
    ConnectError,
    ParameterError,
    QueryError,
    ReadOnlyError,
    UnknownNameError,
)
from aerospike_magic.magic.run import QueryInterrupted

FLIGHTS, FROM_JFK = 336_776, 111_279


def test_loading_is_quick() -> None:
    code = (
        "import time, IPython.core.interactiveshell, IPython.core.magic; start = time.perf_counter();"
        "from IPython.core.interactiveshell import InteractiveShell; shell = InteractiveShell();"
        "start = time.perf_counter(); shell.run_line_magic('load_ext', 'aerospike_magic');"
        "print(time.perf_counter() - start)"
    )
    took = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(took) < 0.3


def test_alone_it_shows_the_state_and_what_to_type(bare_notebook: Any) -> None:
    cell = bare_notebook.run("%aerospike")
    assert "not connected" in cell.plain
    assert "%aerospike connect" in cell.plain


def test_a_query_before_connecting_says_what_to_do(bare_notebook: Any) -> None:
    cell = bare_notebook.run("%aerosql SELECT 1")
    assert isinstance(cell.error, ConnectError)
    assert "%aerospike connect HOST:PORT" in cell.text


def test_connecting_and_leaving(bare_notebook: Any, server: Any) -> None:
    assert "connected to 1 node" in bare_notebook.run(f"%aerospike connect {server.address}").plain
    assert bare_notebook.run("%aerospike disconnect").text == "disconnected\n"
    assert bare_notebook.run("%aerospike disconnect").text == "there was no connection\n"


def test_a_server_that_is_not_there_is_one_line(bare_notebook: Any) -> None:
    cell = bare_notebook.run("%aerospike connect 127.0.0.1:9")
    assert isinstance(cell.error, ConnectError)
    assert "Traceback" not in cell.text


def test_tables_schema_indexes_profiles(notebook: Any) -> None:
    tables = notebook.run("%aerospike tables demo")
    assert "demo.flights" in tables.plain
    assert "336,776" in tables.plain
    schema = notebook.run("%aerospike schema demo.airlines")
    assert "carrier" in schema.plain
    assert "types from a sample of 16 records" in schema.plain
    assert notebook.run("%aerospike indexes").error is None
    assert notebook.run("%aerospike profiles").error is None


def test_help_is_at_hand(notebook: Any) -> None:
    assert "%aerospike connect HOST:PORT" in notebook.run("%aerospike?").text
    assert "--explain" in notebook.run("%%aerosql?").text


def test_without_a_name_the_first_rows_are_shown_and_the_scan_stops(notebook: Any) -> None:
    cell = notebook.run("%%aerosql\nSELECT * FROM demo.flights")
    assert "first 50 rows × 20 columns; -o NAME for all" in cell.plain
    assert "stopped at" in cell.text
    assert cell.html.count("<tr>") == 51


def test_the_number_of_rows_shown_can_be_set(notebook: Any) -> None:
    cell = notebook.run("%config AerospikeMagics.rows = 3\n%aerosql SELECT * FROM demo.airlines ORDER BY carrier")
    assert "first 3 rows" in cell.plain
    cell = notebook.run("%aerosql --limit 3 SELECT * FROM demo.airlines")
    assert "3 rows × 3 columns" in cell.plain
    assert "first" not in cell.plain


@pytest.mark.parametrize(
    ("kind", "expected"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame), ("arrow", pa.Table)]
)
def test_with_a_name_the_whole_result_arrives(notebook: Any, kind: str, expected: type) -> None:
    cell = notebook.run(f"%%aerosql -o df -t {kind}\nSELECT carrier, flight FROM demo.flights WHERE origin = 'JFK'")
    assert cell.error is None
    assert isinstance(notebook["df"], expected)
    assert notebook["df"].shape == (FROM_JFK, 2)
    assert f"{FLIGHTS:,} scanned → {FROM_JFK:,} returned · origin = 'JFK' pushed · " in cell.text
    assert f"df: {FROM_JFK:,} rows × 2 columns, {kind}" in cell.text


def test_a_duckdb_relation(notebook: Any) -> None:
    cell = notebook.run("%%aerosql -t duckdb\nrelation << SELECT * FROM demo.airlines")
    assert "relation: a DuckDB relation of 3 columns" in cell.text
    assert notebook["relation"].aggregate("count(*)").fetchall() == [(16,)]


def test_quiet_says_nothing(notebook: Any) -> None:
    cell = notebook.run("%%aerosql --quiet -o df\nSELECT * FROM demo.airlines")
    assert (cell.text, cell.outputs) == ("", [])
    assert len(notebook["df"]) == 16


def test_python_variables_are_bound(notebook: Any) -> None:
    notebook.run("code = \"US' OR 1=1 --\"\ncodes = ['US', 'AA']\nimport pandas as pd")
    notebook.run("%aerosql -o none SELECT * FROM demo.airlines WHERE carrier = :code")
    notebook.run("%aerosql -o two SELECT * FROM demo.airlines WHERE carrier IN {{codes}}")
    notebook.run("%aerosql --param code=US -o one SELECT * FROM demo.airlines WHERE carrier = :code")
    assert [len(notebook[name]) for name in ("none", "two", "one")] == [0, 2, 1]


def test_frames_of_the_notebook_are_joined_by_name(notebook: Any) -> None:
    notebook.run("import pandas as pd\nmine = pd.DataFrame({'carrier': ['US', 'AA', 'ZZ']})")
    cell = notebook.run("%aerosql -o both SELECT name FROM mine JOIN demo.airlines USING (carrier)")
    assert cell.error is None
    assert len(notebook["both"]) == 2


def test_local_variables_of_a_function_are_seen(notebook: Any) -> None:
    notebook.run(
        "def ask(wanted):\n"
        "    sql = 'SELECT * FROM demo.airlines WHERE carrier = :wanted'\n"
        "    get_ipython().run_line_magic('aerosql', '--quiet -o got ' + sql)\n"
        "ask('AA')"
    )
    assert len(notebook["got"]) == 1


def test_explain_runs_nothing(notebook: Any) -> None:
    cell = notebook.run("%%aerosql --explain\nSELECT origin FROM demo.flights WHERE origin = 'JFK'")
    assert "pushed to the server: origin = 'JFK'" in cell.plain
    assert "aero-grid" in cell.html
    assert "scanned" not in cell.text


@pytest.mark.parametrize(
    ("sql", "kind", "caret_at", "hint"),
    [
        ("SELECT dep_dely FROM demo.flights", UnknownNameError, 7, "dep_delay"),
        ("SELECT * FROM demo.flihts", UnknownNameError, 14, "demo.flights"),
        ("SELECT * FROM demo.airlines WHERE carrier = :nope", ParameterError, 44, "nope"),
        ("DROP TABLE demo.flights", ReadOnlyError, 0, "SELECT"),
        ("SELECT 1 FROM", QueryError, None, ""),
    ],
)
def test_errors_are_short_and_point(notebook: Any, sql: str, kind: type, caret_at: int | None, hint: str) -> None:
    cell = notebook.run(f"%%aerosql\n{sql}")
    assert isinstance(cell.error, kind)
    lines = cell.text.splitlines()
    assert 1 <= len(lines) <= 4
    assert "Traceback" not in cell.text
    assert hint in lines[-1]
    if caret_at is not None:
        assert "  " + sql in lines[1]
        assert lines[2].index("^") == 2 + caret_at


def test_an_error_keeps_the_variable_as_it_was(notebook: Any) -> None:
    notebook.run("df = 'mine'")
    notebook.run("%%aerosql -o df\nSELECT nothing FROM demo.flights")
    assert notebook["df"] == "mine"


def test_code_can_catch_an_error(notebook: Any) -> None:
    cell = notebook.run(
        "from aerospike_magic.errors import UnknownNameError\n"
        "try:\n    get_ipython().run_line_magic('aerosql', 'SELECT x FROM demo.nothing')\n"
        "except UnknownNameError as error:\n    print('caught', error.hint)"
    )
    assert cell.text.startswith("caught")


def test_an_interrupt_stops_the_query_within_a_second(notebook: Any) -> None:
    import _thread

    timer = threading.Timer(0.6, _thread.interrupt_main)
    started = time.monotonic()
    timer.start()
    with contextlib.suppress(KeyboardInterrupt):
        cell = notebook.run("%%aerosql -o df --rps 20000\nSELECT * FROM demo.flights")
    assert time.monotonic() - started < 0.6 + 1.5
    assert isinstance(cell.error, QueryInterrupted)
    assert cell.text.count("stopped after") == 1
    assert "stopped after" not in cell.plain
    assert "nothing of it was kept" in cell.text
    assert "df" not in notebook.shell.user_ns
    assert not [t for t in threading.enumerate() if t.name == "aerospike-magic-query" and t.is_alive()]


def test_a_query_after_an_interrupt_works(notebook: Any) -> None:
    assert notebook.run("%aerosql -o df SELECT count(*) AS n FROM demo.flights").error is None
    assert notebook["df"].n[0] == FLIGHTS


def test_values_that_do_not_fit_are_told(notebook: Any, server: Any) -> None:
    import aerospike

    client = aerospike.client({"hosts": [(server.host, server.port)]}).connect()
    for number in range(300):
        client.put(("test", "odd_cells", number), {"n": number})
    notebook.run("%aerospike schema test.odd_cells")
    for number in range(5):
        client.put(("test", "odd_cells", number), {"n": "x", "late": 1})
    cell = notebook.run("%aerosql -o df SELECT * FROM test.odd_cells")
    client.truncate("test", "odd_cells", 0)
    client.close()
    assert "bin `n`: 5 values did not fit, now NULL" in cell.plain
    assert "bin `late`" in cell.plain
    assert notebook["df"].n.isna().sum() == 5


def test_reloading_leaves_one_matcher(notebook: Any) -> None:
    notebook.run("%reload_ext aerospike_magic")
    assert len(notebook.shell.Completer.custom_matchers) == 1


def test_reloading_keeps_the_connection_and_the_settings(notebook: Any) -> None:
    notebook.run("%config AerospikeMagics.rows = 2")
    notebook.run("%reload_ext aerospike_magic")
    assert "first 2 rows" in notebook.run("%aerosql SELECT * FROM demo.airlines").plain
    assert "connected to 1 node" in notebook.run("%aerospike").plain


def test_after_unloading_the_magics_are_gone(notebook: Any) -> None:
    notebook.run("%unload_ext aerospike_magic")
    assert "not found" in str(notebook.run("%aerospike").error)
    assert notebook.shell.find_cell_magic("aerosql") is None
    assert not notebook.shell.Completer.custom_matchers
    notebook.run("%load_ext aerospike_magic")
    assert notebook.run("%aerosql SELECT count(*) FROM demo.airlines").error is None


def test_a_failure_is_told_once(notebook: Any) -> None:
    cell = notebook.run("%%aerosql -o df\nSELECT error('no luck today') FROM demo.flights")
    assert cell.text.count("no luck today") == 1
    assert "failed after" not in cell.text
    assert cell.outputs == []


def test_a_schema_is_saved_changed_and_loaded(notebook: Any, tmp_path: Any) -> None:
    path = tmp_path / "airlines.toml"
    cell = notebook.run(f"%aerospike schema demo.airlines --save {path}")
    assert f"written to {path}" in cell.text
    path.write_text(path.read_text().replace('name = "name"\ntype = "string"', 'name = "name"\ntype = "json"'))
    assert "json" in notebook.run(f"%aerospike schema demo.airlines --load {path}").plain
    cell = notebook.run("%aerosql SELECT name FROM demo.airlines WHERE carrier = 'AA'")
    assert '"American Airlines Inc."' in cell.plain
    cell = notebook.run(f"%aerospike schema demo.flights --load {path}")
    assert "is the schema of demo.airlines, not of demo.flights" in cell.text
    assert "--load FILE" in notebook.run("%aerospike?").text


def test_a_mixed_bin_is_json_and_comparing_it_with_text_is_noted(notebook: Any, client: Any) -> None:
    for number in range(40):
        client.put(("test", "mixed_cells", number), {"a": number if number % 2 else f"txt{number}"})
    try:
        assert "json" in notebook.run("%aerospike schema test.mixed_cells").plain
        cell = notebook.run("%aerosql SELECT * FROM test.mixed_cells WHERE a = 'txt20'")
        assert "bin `a` holds mixed types and is JSON text" in cell.plain
        cell = notebook.run("%aerosql -o df SELECT * FROM test.mixed_cells WHERE (a ->> '$') = 'txt20'")
        assert cell.outputs == []
        assert list(notebook["df"].a) == ['"txt20"']
    finally:
        client.truncate("test", "mixed_cells", 0)


def test_explain_names_what_is_checked_here_in_full(notebook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    cell = notebook.run("%aerosql --explain SELECT flight FROM demo.flights WHERE tailnum LIKE '%AA' AND month = 1")
    lines = [line.strip() for line in cell.plain.splitlines()]
    assert max(map(len, cell.plain.splitlines())) <= 60
    assert lines[0] == "demo.flights"
    assert any(line.startswith("checked here:") and line.endswith("tailnum LIKE '%AA'") for line in lines)
    assert any(line.startswith("columns:") and "tailnum" in line for line in lines)
    assert any(line.startswith("rows, at most:") for line in lines)
    assert "implies" not in cell.plain
    assert "tailnum LIKE &#x27;&#37;AA&#x27;" in cell.html


def test_the_magics_raise_only_errors_of_ours(notebook: Any) -> None:
    for line in ("%aerospike nothing", "%aerosql", "%aerospike schema demo.nothing", "%aerospike tables nowhere"):
        cell = notebook.run(line)
        assert cell.error is None or isinstance(cell.error, AerospikeMagicError), line

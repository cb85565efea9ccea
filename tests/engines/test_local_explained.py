"""What an explanation names, what is said beside a result, and what is refused in plain words."""

from __future__ import annotations

import pyarrow as pa
import pytest
from arrow_catalog import ArrowCatalog

from aerospike_magic.engines import memory
from aerospike_magic.engines.base import QueryOptions
from aerospike_magic.engines.local.engine import LocalEngine
from aerospike_magic.errors import QueryError, ResultTooLarge


@pytest.fixture
def mixed_engine():
    """A set test.mixed whose bin a is JSON text and whose bin s is a string."""

    class Mixed(ArrowCatalog):
        def schema(self, namespace, set_name):
            return super().schema(namespace, set_name).with_types({"a": "json"})

    table = pa.table({"a": ['"txt20"', "3", None], "s": ["x", "y", "z"]})
    made = LocalEngine(catalog=Mixed({("test", "mixed"): table}))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("where", "checked"),
    [
        ("origin LIKE '%K'", "origin LIKE '%K'"),
        ("upper(origin) = 'JFK'", "upper(origin) = 'JFK'"),
        ("delay > 20.5 AND number % 2 = 0", "number % 2 = 0"),
        ("number = 3 OR origin LIKE '%K'", "(number = 3 OR origin LIKE '%K')"),
        ("lower(origin) = :who", "lower(origin) = 'jfk'"),
        ("origin LIKE 'JF%' AND number IN (1, 2) AND late", ""),
        ("__key = 4 AND __generation < 3", ""),
    ],
)
def test_what_only_duckdb_checks_is_named(engine, where, checked):
    sql = f"SELECT delay FROM demo.flights WHERE {where}"
    (scan,) = engine.explain(sql, {"who": "jfk"}).scans
    assert scan.engine_filter == checked
    assert scan.checked_here == checked
    assert ("checked here" in scan.text()) == bool(checked)
    for name in ("origin", "number"):
        if name in checked:
            assert name in scan.columns


def test_each_set_of_a_join_has_its_own_conditions(engine):
    explanation = engine.explain(
        "SELECT 1 FROM demo.flights f JOIN demo.airports a ON f.origin = a.faa AND a.name LIKE '%y' "
        "WHERE f.number % 2 = 0"
    )
    checked = {scan.table: scan.engine_filter for scan in explanation.scans}
    assert checked == {"demo.flights": "f.number % 2 = 0", "demo.airports": "a.name LIKE '%y'"}


def test_a_condition_on_the_missing_rows_of_an_outer_join_is_checked_here(engine):
    explanation = engine.explain(
        "SELECT 1 FROM demo.flights f LEFT JOIN demo.airports a ON f.origin = a.faa AND a.name = 'x' "
        "WHERE coalesce(a.name, 'y') = 'y' AND a.name IS NULL AND f.delay > 3.5"
    )
    checked = {scan.table: scan.engine_filter for scan in explanation.scans}
    assert "a.name IS NULL" in checked["demo.airports"]
    assert checked["demo.flights"] == ""


def test_everything_is_checked_here_without_push_down(engine):
    (scan,) = engine.explain(
        "SELECT * FROM demo.flights WHERE delay > 3.5", options=QueryOptions(push_down=False)
    ).scans
    assert (scan.pushed, scan.checked_here) == ("", "delay > 3.5")


def test_a_note_does_not_repeat_what_is_shown_as_pushed(engine):
    explanation = engine.explain("SELECT * FROM demo.flights WHERE delay > 3.5 AND origin = 'JFK'")
    assert explanation.scans[0].pushed.startswith("delay > 3.5")
    assert explanation.notes == ()


@pytest.mark.parametrize("where", ["a = 'txt20'", "'txt20' <> m.a", "a IN ('txt20', '3')", "a = :value"])
def test_a_json_column_compared_with_plain_text_is_noted(mixed_engine, where):
    sql = f"SELECT * FROM test.mixed m WHERE {where}"
    with mixed_engine.query(sql, {"value": "txt20"}) as result:
        (note,) = result.notes
    assert note == (
        "bin `a` holds mixed types and is JSON text: compare it with '\"txt20\"', or write (a ->> '$') = 'txt20'"
    )
    assert note in mixed_engine.explain(sql, {"value": "txt20"}).notes


@pytest.mark.parametrize("where", ["a = '\"txt20\"'", "(a ->> '$') = 'txt20'"])
def test_what_the_note_says_works(mixed_engine, where):
    with mixed_engine.query(f"SELECT s FROM test.mixed WHERE {where}") as result:
        assert result.notes == ()
        assert result.to_arrow()["s"].to_pylist() == ["x"]


@pytest.mark.parametrize("where", ["a = '3'", "s = 'txt20'", "a IS NULL"])
def test_other_comparisons_are_not_noted(mixed_engine, where):
    assert mixed_engine.query(f"SELECT * FROM test.mixed WHERE {where}").notes == ()


@pytest.mark.parametrize(
    "table", ["read_csv('/etc/passwd')", "'/etc/passwd'", "'x.parquet'", "read_text('/etc/passwd')"]
)
def test_files_are_refused_in_plain_words(engine, table):
    with pytest.raises(QueryError) as raised:
        engine.query(f"SELECT * FROM {table}").to_arrow()
    assert raised.value.message == "files cannot be read from a cell"
    assert "pandas" in raised.value.hint
    assert raised.value.position is not None


def test_a_runaway_result_is_refused_at_a_share_of_free_memory(engine, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 10_000_000)
    with pytest.raises(ResultTooLarge, match="have arrived") as raised:
        engine.query("SELECT a.*, b.* FROM demo.flights a, demo.flights b").to_arrow()
    arrived = float(str(raised.value).split(": ")[1].split(" MB")[0])
    assert 3.0 < arrived < 10.0  # the first batch beyond 30 %
    assert "LIMIT" in raised.value.hint
    assert "memory_limit" not in raised.value.hint

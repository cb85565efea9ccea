"""Completion, asked for as a front end does, and as a pure function."""

from __future__ import annotations

import time
from typing import Any

import pytest

from aerospike_magic.magic.suggest import suggest


class Names:
    """A small database."""

    def tables(self) -> tuple[tuple[str, str], ...]:
        return (("demo", "airlines"), ("demo", "flights"), ("shop", "my-orders"), ("test", ""))

    def columns(self, namespace: str, set_name: str) -> tuple[tuple[str, str], ...]:
        known = {"flights": ("__key", "carrier", "dep_delay", "origin"), "airlines": ("carrier", "name")}
        return tuple((name, "string") for name in known.get(set_name, ()))


VARIABLES = {"delay": "int", "frame": "table"}


def texts(marked: str) -> list[str]:
    cursor = marked.index("‸")
    return [each.text for each in suggest(marked.replace("‸", ""), cursor, Names(), VARIABLES)[1]]


@pytest.mark.parametrize("before", ["SELECT * FROM ", "select * from ", "SELECT 1 FROM demo.flights f JOIN "])
def test_after_from_and_join_come_sets_namespaces_and_frames(before: str) -> None:
    found = texts(before + "‸")
    assert found[:3] == ["demo.airlines", "demo.flights", 'shop."my-orders"']
    assert {"demo", "test", "frame"} <= set(found)
    assert "delay" not in found


def test_after_a_comma_in_from_come_sets() -> None:
    assert "demo.airlines" in texts("SELECT * FROM demo.flights f, ‸")
    assert "demo.airlines" not in texts("SELECT carrier, ‸ FROM demo.flights")


def test_after_a_namespace_and_a_dot_come_its_sets() -> None:
    assert texts("SELECT * FROM demo.‸") == ["airlines", "flights"]
    assert texts("SELECT * FROM demo.fl‸") == ["flights"]
    assert texts("SELECT * FROM shop.‸") == ['"my-orders"']


def test_common_tables_are_tables() -> None:
    assert texts("WITH late AS (SELECT 1) SELECT * FROM la‸") == ["late"]


def test_columns_come_from_the_sets_that_the_statement_names() -> None:
    assert texts("SELECT dep‸ FROM demo.flights")[0] == "dep_delay"
    assert texts("SELECT dep‸") == []
    assert texts("SELECT ca‸ FROM flights")[0] == "carrier"


def test_after_an_alias_or_a_set_come_its_columns() -> None:
    sql = "SELECT a.‸ FROM demo.flights f JOIN demo.airlines AS a USING (carrier)"
    assert texts(sql) == ["carrier", "name"]
    assert "origin" in texts("SELECT f.o‸ FROM demo.flights f WHERE 1")
    assert "origin" in texts("SELECT flights.o‸ FROM demo.flights WHERE 1")
    assert "origin" in texts("SELECT demo.flights.o‸ FROM demo.flights")


def test_functions_and_keywords() -> None:
    assert "count(" in texts("SELECT cou‸")
    assert "GROUP BY" in texts("SELECT 1 FROM demo.flights GR‸")
    assert "group by" in texts("SELECT 1 FROM demo.flights gr‸")


@pytest.mark.parametrize("sql", ["WHERE a > :‸", "WHERE a > :de‸", "WHERE a > {{‸", "WHERE a > {{ de‸"])
def test_variables_after_a_colon_or_braces(sql: str) -> None:
    assert "delay" in texts(sql)
    assert "SELECT" not in texts(sql)


@pytest.mark.parametrize("sql", ["WHERE a = 'de‸", "-- FROM ‸", "/* FROM ‸", "SELECT a::in‸"])
def test_nothing_inside_literals_and_comments_and_no_variable_after_a_cast(sql: str) -> None:
    assert "delay" not in texts(sql)
    assert "demo.flights" not in texts(sql)


def test_a_finished_comment_or_string_is_over() -> None:
    assert "demo.flights" in texts("SELECT 'it''s' -- FROM\n FROM ‸")


# In IPython


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%aerospike con‸", "connect"),
        ("%aerospike schema demo.fl‸", "demo.flights"),
        ("%aerospike tables de‸", "demo"),
        ("%aerospike connect --us‸", "--user"),
        ("%%aerosql --ex‸", "--explain"),
        ("%%aerosql -t po‸", "polars"),
        ("%%aerosql\nSELECT * FROM demo.fl‸", "flights"),
        ("%%aerosql -o df\nSELECT dep_d‸\nFROM demo.flights", "dep_delay"),
        ("%%aerosql\nSELECT f.dep_t‸ FROM demo.flights f", "dep_time"),
        ("%%aerosql\nSELECT * FROM demo.flights WHERE dep_delay > :my_de‸", "my_delay"),
        ("%%aerosql\nSELECT * FROM demo.flights WHERE dep_delay > {{my_de‸", "my_delay"),
        ("%aerosql SELECT * FROM demo.air‸", "airlines"),
        ("%aerosql -o df SELECT cou‸", "count("),
    ],
)
def test_in_ipython(notebook: Any, text: str, expected: str) -> None:
    notebook.run("my_delay = 60\n%aerospike schema demo.flights")
    deadline = time.monotonic() + 5
    while expected not in notebook.complete(text) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert expected in notebook.complete(text)


def test_python_cells_are_left_alone(notebook: Any) -> None:
    assert "connect" not in notebook.complete("con‸")
    assert any("lower" in each for each in notebook.complete("''.lowe‸"))


def test_a_completion_never_waits_for_the_server(notebook: Any) -> None:
    started = time.perf_counter()
    notebook.complete("%%aerosql\nSELECT f.‸ FROM demo.weather f")
    assert time.perf_counter() - started < 0.6


def test_without_a_connection_there_are_still_keywords(bare_notebook: Any) -> None:
    assert "SELECT" in bare_notebook.complete("%%aerosql\nSEL‸")

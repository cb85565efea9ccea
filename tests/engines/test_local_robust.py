"""Whatever is typed, only our own errors come out, in one line."""

from __future__ import annotations

import pytest
from arrow_catalog import ArrowCatalog, airports
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aerospike_magic.engines.base import QueryOptions
from aerospike_magic.engines.local.engine import LocalEngine
from aerospike_magic.errors import AerospikeMagicError

WORDS = [
    "SELECT",
    "FROM",
    "WHERE",
    "demo.airports",
    "airports",
    "faa",
    "name",
    "*",
    "(",
    ")",
    ",",
    ";",
    ":p",
    "{{p}}",
    "{{p!i}}",
    "'text'",
    '"faa"',
    "=",
    "IN",
    ":l",
    "AND",
    "NOT",
    "LIKE",
    "1",
    "2.5",
    "GROUP",
    "BY",
    "ORDER",
    "LIMIT",
    "WITH",
    "q",
    "AS",
    "UNION",
    "ALL",
    "JOIN",
    "ON",
    "USING",
    "[",
    "]",
    "{",
    "}",
    ":",
    "::",
    "$$",
    "--",
    "/*",
    "*/",
    "EXPLAIN",
    "SHOW",
    "TABLES",
    "DESCRIBE",
    "PIVOT",
    "VALUES",
    "__ttl",
    ".",
    "é",
    "CASE",
    "WHEN",
    "END",
    "NULL",
    "count(*)",
]


@pytest.fixture(scope="module")
def small_engine():
    return LocalEngine(catalog=ArrowCatalog({("demo", "airports"): airports()}))


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_token_soup(small_engine, sql):
    values = {"p": "faa", "l": ["JFK"]}
    try:
        with small_engine.query(sql, values, QueryOptions(limit=5)) as result:
            result.to_arrow()
    except AerospikeMagicError as error:
        assert "\n" not in error.message
        position = getattr(error, "position", None)
        assert position is None or 0 <= position <= len(sql)


@pytest.mark.parametrize(
    "sql", ["(" * 3000 + "SELECT 1", "SELECT " + "-" * 5 + "1", "SELECT '" + "x" * 100_000, "\0", "SELECT \0"]
)
def test_hostile_texts(small_engine, sql):
    with pytest.raises(AerospikeMagicError):
        small_engine.query(sql).to_arrow()

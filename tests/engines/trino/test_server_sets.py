"""The tests' own Trino and Presto read the sets of the server under test."""

from __future__ import annotations

import pytest

from aerospike_magic.dataset import AerospikeDataset
from aerospike_magic.engines.trino.server.asking import run_query

KINDS = [pytest.param(kind, marks=pytest.mark.trino(kind)) for kind in ("trino", "presto")]


@pytest.fixture(params=KINDS)
def engine(request):
    """Each of them."""
    return request.getfixturevalue(f"{request.param}_server")


@pytest.fixture
def ask(engine):
    """Runs a query."""
    running = engine.server
    return lambda sql: run_query(running.kind, running.host, running.port, sql)


def test_catalogs_and_schemas(ask):
    assert {"aerospike", "memory", "tpch"} <= {row[0] for row in ask("SHOW CATALOGS")}
    assert {"demo", "test"} <= {row[0] for row in ask("SHOW SCHEMAS FROM aerospike")}
    assert {"airlines", "flights"} <= {row[0] for row in ask("SHOW TABLES FROM aerospike.demo")}


def test_rows_are_those_of_the_set(ask, engine):
    table = AerospikeDataset(engine.connection, "demo.airlines").to_table()
    expected = sorted(zip(table["carrier"].to_pylist(), table["name"].to_pylist(), strict=True))
    found = ask("SELECT carrier, name FROM aerospike.demo.airlines ORDER BY carrier, name")
    assert [tuple(row) for row in found] == expected


def test_a_set_is_joined_with_another_catalog(ask):
    rows = ask(
        "SELECT a.name, n.name FROM aerospike.demo.airlines a "
        "JOIN tpch.tiny.nation n ON length(a.carrier) = n.nationkey "
        "WHERE a.carrier = 'UA'"
    )
    assert rows == [["United Air Lines Inc.", "BRAZIL"]]


def test_all_records_are_counted(ask):
    assert ask("SELECT count(*), count(DISTINCT carrier) FROM aerospike.demo.flights") == [[336_776, 16]]

"""An engine over Arrow tables, for what needs no server."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from arrow_catalog import ArrowCatalog, airports, flights

from aerospike_magic.engines.local.engine import LocalEngine


@pytest.fixture
def catalog():
    """Sets demo.flights (1,000 rows, 10 batches), demo.airports, test.flights and some oddly named ones."""
    return ArrowCatalog(
        {
            ("demo", "flights"): flights(),
            ("demo", "airports"): airports(),
            ("test", "flights"): flights(10),
            ("temp", "x"): airports(),
            ("main", "x"): airports(),
            ('we"ird', "a-b.c"): airports(),
        }
    )


@pytest.fixture
def engine(catalog):
    made = LocalEngine(catalog=catalog)
    yield made
    made.close()


@pytest.fixture
def rows(engine):
    """Run a statement and return its rows as tuples."""

    def run(sql, parameters=None, **options):
        from aerospike_magic.engines.base import QueryOptions

        frames = options.pop("frames", None)
        with engine.query(sql, parameters, QueryOptions(**options), frames=frames) as result:
            table = result.to_arrow()
        return [tuple(row.values()) for row in table.to_pylist()]

    return run

"""The table of what engines do differently is the documentation's."""

from __future__ import annotations

from pathlib import Path

from test_engine_contract import ENGINES

from aerospike_magic.engines import differences
from aerospike_magic.magic.command import engine_names

DOCS = Path(__file__).parents[2] / "docs/engines.md"


def test_the_documentation_holds_the_table():
    assert differences.differences_table() in DOCS.read_text()


def test_the_table_is_of_the_engines_that_there_are():
    assert differences.ENGINES == ENGINES == engine_names()
    for found in differences.DIFFERENCES.values():
        assert set(found.limits) <= set(ENGINES)
        assert len(found.limits) >= 1
        assert all(reason and "|" not in reason for reason in found.limits.values())

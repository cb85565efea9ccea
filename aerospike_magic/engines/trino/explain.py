"""How a statement would run on Trino or Presto."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aerospike_magic.engines.base import Explanation

if TYPE_CHECKING:
    from aerospike_magic.engines.trino.engine import TrinoEngine
    from aerospike_magic.engines.trino.prepare import Prepared


def explain(engine: TrinoEngine, prepared: Prepared) -> Explanation:
    """Return the server's plan of a statement."""
    raise NotImplementedError

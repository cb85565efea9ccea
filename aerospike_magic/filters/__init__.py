"""What a query keeps: predicates, what of them the server can decide, and by which access path.

`predicate` is the neutral tree; `arrow` reads one from a pyarrow expression; `compile` turns one into a
server filter expression plus a residual; `evaluate` applies one to a record batch; `access` chooses between
key look-up, secondary index and partition scan.
"""

from __future__ import annotations

from aerospike_magic.filters.predicate import (
    Always,
    And,
    Compare,
    In,
    IsNull,
    Not,
    Opaque,
    Or,
    Predicate,
    StartsWith,
    columns_of,
    conjunction,
    conjuncts,
    describe,
    simplify,
)

__all__ = [
    "Always",
    "And",
    "Compare",
    "In",
    "IsNull",
    "Not",
    "Opaque",
    "Or",
    "Predicate",
    "StartsWith",
    "columns_of",
    "conjunction",
    "conjuncts",
    "describe",
    "simplify",
]

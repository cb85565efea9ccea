"""What a query keeps: predicates, what of them the server can decide, and by which access path.

`predicate` is the neutral tree; `arrow` reads one from a pyarrow expression; `compile` turns one into a
server filter expression plus a residual; `evaluate` applies one to a record batch; `access` chooses between
key look-up, secondary index and partition scan.
"""

from __future__ import annotations

from aerospike_magic.filters.access import (
    Access,
    IndexScan,
    KeyLookup,
    Nothing,
    PartitionScan,
    choose_access,
)
from aerospike_magic.filters.arrow import from_arrow_expression
from aerospike_magic.filters.compile import CompiledFilter, compile_filter
from aerospike_magic.filters.evaluate import evaluate, filter_batch
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
    "Access",
    "Always",
    "And",
    "Compare",
    "CompiledFilter",
    "In",
    "IndexScan",
    "IsNull",
    "KeyLookup",
    "Not",
    "Nothing",
    "Opaque",
    "Or",
    "PartitionScan",
    "Predicate",
    "StartsWith",
    "choose_access",
    "columns_of",
    "compile_filter",
    "conjunction",
    "conjuncts",
    "describe",
    "evaluate",
    "filter_batch",
    "from_arrow_expression",
    "simplify",
]

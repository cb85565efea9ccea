"""How large a result may get, where the statement lets us tell before it is read.

Only a statement that gives one row for each record of one set, without a filter, has a size that is known before:
everything else is watched while it arrives, by `MemoryGuard`.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from aerospike_magic.engines.local.source import ScanLog
from aerospike_magic.engines.local.statements import Statement
from aerospike_magic.engines.local.tables import Tables

# What takes rows away, or makes them.
_CHANGES_ROWS = (
    "where",
    "group",
    "having",
    "qualify",
    "distinct",
    "limit",
    "offset",
    "sample",
    "joins",
    "with_",
    "with",
)
_TEXT_BYTES = 24


def estimate_bytes(statement: Statement, tables: Tables, log: ScanLog, schema: pa.Schema) -> int | None:
    """Return the bytes of a result with this schema; None where they cannot be told."""
    limit = log.options.limit
    plans = [plan for plan in log.plans if plan is not None]
    if len(plans) != 1 or not _keeps_rows(statement, tables):
        return None
    rows = plans[0].estimated_rows
    if limit is not None:
        rows = min(rows, limit)
    return int(rows * sum(_width(field.type) for field in schema))


def _keeps_rows(statement: Statement, tables: Tables) -> bool:
    from sqlglot import exp

    tree: Any = statement.tree
    if not isinstance(tree, exp.Select) or len(tables.sets) != 1 or tables.frames:
        return False
    if any(tree.args.get(key) for key in _CHANGES_ROWS):
        return False
    # Aggregates, unnest and whatever function makes several rows of one, or one of several, is not looked into.
    return all(isinstance(item, exp.Star | exp.Column) for item in tree.expressions)


def _width(kind: pa.DataType) -> float:
    try:
        return float(kind.bit_width) / 8
    except ValueError:
        return _TEXT_BYTES

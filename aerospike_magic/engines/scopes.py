"""What the names in a FROM clause mean where they stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from aerospike_magic.schema.types import SetSchema

Resolve = Callable[[tuple[str, ...]], SetSchema | None]


def from_items(select: exp.Select) -> list[tuple[Any, exp.Join | None]]:
    """Return the items of a SELECT's FROM, each with the join that brings it in; [] without a FROM."""
    from_ = select.args.get("from_") or select.args.get("from")
    if from_ is None:
        return []
    first = from_.this
    # In ``FROM a JOIN b SELECT …`` the joins hang on the table.
    joins = [*(first.args.get("joins") or ()), *(select.args.get("joins") or ())]
    return [(first, None), *((join.this, join) for join in joins)]


def set_of(table: exp.Table, resolve: Resolve) -> SetSchema | None:
    """Return the schema of the set that a table is where it stands; None for a CTE, a frame or a function."""
    if not isinstance(table.this, exp.Identifier):
        return None
    parts = tuple(part.name for part in table.parts)
    if len(parts) == 1 and is_cte(table, parts[0].lower()):
        return None
    return resolve(parts)


def is_cte(table: exp.Table, name: str) -> bool:
    """Whether an unqualified name means a CTE where it stands."""
    inside: Any = table
    node = table.parent
    while node is not None:
        with_ = node if isinstance(node, exp.With) else node.args.get("with_") or node.args.get("with")
        if isinstance(with_, exp.With) and with_ is not inside:
            for cte in with_.expressions:
                if cte is inside and not with_.recursive:
                    break  # a CTE sees those before it, and itself only if it is recursive
                if cte.alias.lower() == name:
                    return True
                if cte is inside:
                    break
        inside, node = node, node.parent
    return False


def places_of_tables(tree: exp.Expr) -> set[int]:
    """Return where in the text tables are named; a CTE's name is none."""
    places = set()
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Identifier) and not (
            len(table.parts) == 1 and is_cte(table, table.parts[0].name.lower())
        ):
            places.add(table.parts[0].meta.get("start", -1))
    return places

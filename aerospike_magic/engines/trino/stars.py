"""``*`` over sets as the list of columns it means, where their subqueries have metadata columns besides.

A subquery has no hidden columns, and neither Trino nor Presto can leave columns out of a star. So once a statement
names `__ttl`, a star over the set is written out. That is done where every item of a FROM is a set; elsewhere, as over
a CTE, a star is what it says: all columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from aerospike_magic.engines.lexer import Dialect
from aerospike_magic.engines.scopes import Resolve, from_items, set_of

Source = tuple[str, tuple[str, ...]]
"""A table's name in the statement, and the columns of its star."""


def listed_stars(text: str, tree: Any, resolve: Resolve, dialect: Dialect) -> dict[int, str]:
    """Return what to write in place of which stars, by their places in the text.

    Args:
        text: the statement, in which the tree's positions hold.
        tree: sqlglot's tree of it.
        resolve: the schema of the set that a table name means.
        dialect: the engine's.
    """
    edits: dict[int, str] = {}
    for select in tree.find_all(exp.Select):
        found = _sources(select, resolve)
        if found is None:
            continue
        sources, shared = found
        for item in select.expressions:
            star = item.this if isinstance(item, exp.Column) else item
            if not isinstance(star, exp.Star):
                continue
            at = star.meta.get("start")
            if at is None or text[at : at + 1] != "*":
                continue
            if star is item:
                edits[at] = _all(sources, shared, dialect)
            else:
                own = [source for source in sources if source[0].lower() == item.table.lower()]
                # The first column's table is in the text already, before the star.
                listed = _all(own, [], dialect)
                edits[at] = listed.partition(".")[2] if listed else "*"
    return edits


def _sources(select: exp.Select, resolve: Resolve) -> tuple[list[Source], list[str]] | None:
    """The sets of a FROM with their columns, and the columns that a USING makes one of."""
    sources: list[Source] = []
    shared: list[str] = []
    for node, join in from_items(select):
        schema = set_of(node, resolve) if isinstance(node, exp.Table) else None
        if schema is None or (join is not None and join.args.get("method") == "NATURAL"):
            return None
        sources.append((node.alias_or_name, tuple(schema.arrow.names)))
        for column in (join.args.get("using") or ()) if join is not None else ():
            if column.name.lower() not in map(str.lower, shared):
                shared.append(column.name)
    return (sources, shared) if sources else None


def _all(sources: Sequence[Source], shared: Sequence[str], dialect: Dialect) -> str:
    quote = dialect.quote_identifier
    folded = {name.lower() for name in shared}
    # Presto gives a column that is named with its table in lower case, unless it has an alias.
    own = [
        f"{quote(table)}.{quote(column)} AS {quote(column)}"
        for table, columns in sources
        for column in columns
        if column.lower() not in folded
    ]
    return ", ".join([*map(quote, shared), *own])

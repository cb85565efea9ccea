"""``*`` without the metadata columns that a statement names elsewhere.

A set's view has `__ttl` as a column once the statement names it, so ``SELECT *, __ttl`` would give it twice, and
``SELECT * … WHERE __ttl < 60`` unasked. Where every item of a FROM is a set, the stars above it are therefore
written as ``* EXCLUDE (__ttl)``, or however the dialect says that. Elsewhere, as over a CTE, a star is what it says:
all columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from aerospike_magic.engines.lexer import DUCKDB, Dialect
from aerospike_magic.engines.scopes import Resolve, from_items, set_of
from aerospike_magic.schema.types import SetSchema


def hide_metadata(text: str, tree: Any, resolve: Resolve, metadata: Sequence[str], dialect: Dialect = DUCKDB) -> str:
    """Return the statement's text with its stars narrowed.

    Args:
        text: the statement, in which the tree's positions hold.
        tree: sqlglot's tree of it.
        resolve: the schema of the set that a table name means.
        metadata: the metadata columns that the statement names.
        dialect: the engine's.
    """
    for at, narrowed in sorted(narrowed_stars(text, tree, resolve, metadata, dialect).items(), reverse=True):
        text = text[:at] + narrowed + text[at + 1 :]
    return text


def narrowed_stars(text: str, tree: Any, resolve: Resolve, metadata: Sequence[str], dialect: Dialect) -> dict[int, str]:
    """Return what to write in place of which stars, by their places in the text; see `hide_metadata`."""
    edits: dict[int, str] = {}
    for select in tree.find_all(exp.Select) if metadata else ():
        for star, hidden in _stars(select, resolve, metadata):
            at = star.meta.get("start")
            if at is not None and text[at : at + 1] == "*" and hidden:
                edits[at] = f"* {dialect.exclude} ({', '.join(map(dialect.quote_identifier, hidden))})"
    return edits


def _stars(select: exp.Select, resolve: Resolve, metadata: Sequence[str]) -> list[tuple[exp.Star, tuple[str, ...]]]:
    sources: dict[str, tuple[str, ...]] = {}
    for node, join in from_items(select):
        schema = set_of(node, resolve) if isinstance(node, exp.Table) and not node.args.get("pivots") else None
        if schema is None:
            return []
        if join is None or join.kind not in ("SEMI", "ANTI"):
            sources[node.alias_or_name.lower()] = _hidden(schema, metadata)
    found: list[tuple[exp.Star, tuple[str, ...]]] = []
    for item in select.expressions:
        if isinstance(item, exp.Star) and len(set(sources.values())) == 1:
            found.append((item, next(iter(sources.values()))))
        elif isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
            found.append((item.this, sources.get(item.table.lower(), ())))
    return [(star, hidden) for star, hidden in found if not any(star.args.values())]


def _hidden(schema: SetSchema, metadata: Sequence[str]) -> tuple[str, ...]:
    selected = schema.arrow.names
    return tuple(name for name in metadata if name not in selected)

"""Comparisons that cannot be what the user meant: a JSON column with a plain string.

A bin of mixed types is read as JSON text, so the string ``txt20`` in it is ``"txt20"``, quotes included, and
``a = 'txt20'`` is true for no record, without an error. That deserves a word after the query.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sqlglot import exp

from aerospike_magic.engines.scopes import Resolve, from_items, set_of
from aerospike_magic.schema.types import Column, Kind


def json_notes(tree: Any, resolve: Resolve, values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return one sentence for each JSON column that is compared with a string that is no JSON.

    Args:
        tree: sqlglot's tree of the statement.
        resolve: the schema of the set that a table name means.
        values: parameter values by marker name.
    """
    notes: dict[str, str] = {}
    for node in tree.find_all(exp.EQ, exp.NEQ, exp.In):
        for subject, other in _pairs(node):
            text = _text(other, values)
            column = None if text is None or _is_json(text) else _column(subject, resolve)
            if column is not None and column.kind is Kind.JSON and text is not None:
                notes.setdefault(column.name, _note(column.name, text))
    return tuple(notes.values())


def _pairs(node: Any) -> Iterator[tuple[exp.Column, Any]]:
    if isinstance(node, exp.In):
        sides = [(node.this, item) for item in node.args.get("expressions") or ()]
    else:
        sides = [(node.left, node.right), (node.right, node.left)]
    for subject, other in sides:
        if isinstance(subject, exp.Column):
            yield subject, other


def _text(node: Any, values: Mapping[str, Any]) -> str | None:
    if isinstance(node, exp.Placeholder):
        value = values.get(str(node.this))
        return value if isinstance(value, str) else None
    return str(node.this) if type(node) is exp.Literal and node.is_string else None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _column(node: exp.Column, resolve: Resolve) -> Column | None:
    """Return the column of a set in the nearest SELECT that the name means, None if there is not exactly one."""
    select = node.find_ancestor(exp.Select)
    if select is None:
        return None
    found = []
    for item, _ in from_items(select):
        schema = set_of(item, resolve) if isinstance(item, exp.Table) else None
        if schema is not None and node.table.lower() in ("", item.alias_or_name.lower()):
            found += [column for column in schema.columns if column.name.lower() == node.name.lower()]
    return found[0] if len(found) == 1 else None


def _note(name: str, text: str) -> str:
    shown = text if len(text) <= 40 else text[:39] + "…"
    quoted = json.dumps(shown, ensure_ascii=False).replace("'", "''")
    plain = shown.replace("'", "''")
    return (
        f"bin `{name}` holds mixed types and is JSON text: compare it with '{quoted}', "
        f"or write ({name} ->> '$') = '{plain}'"
    )

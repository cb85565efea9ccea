"""Filters that a statement implies and DuckDB does not push, derived from its text.

DuckDB hands the scan comparisons of integers, strings and some of doubles; not ``delay > 60.5``, LIKE, starts_with or
a bare boolean. `derive_filters` reads them from the WHERE and ON clauses. DuckDB still checks every row, so a derived
filter need only be *implied*: no row that the statement needs may be missing. In any doubt nothing is derived.

A table that a statement reads more than once is still one dataset here, so its filter is the OR of what each
reference implies, and none if one of them implies nothing.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from aerospike_magic.engines.local.implied import Condition, rejects_nulls
from aerospike_magic.engines.scopes import Resolve, from_items, set_of
from aerospike_magic.filters.predicate import Or, Predicate, conjunction, simplify
from aerospike_magic.schema.types import Column, Kind, SetSchema

# These read a table that is named in a string, where no tree shows it.
_READS_BY_NAME = frozenset({"query", "query_table"})
# How rows of these joins pair up depends on rows that a filter would drop, or on names that are not written.
_PAIRING_JOINS = frozenset({"ASOF", "POSITIONAL", "NATURAL"})
_NESTED = frozenset({Kind.STRUCT, Kind.MAP, Kind.LIST, Kind.JSON})
_TABLE_PARTS = frozenset({"this", "db", "catalog", "alias", "joins"})


def derive_filters(tree: Any, resolve: Resolve, values: Mapping[str, Any]) -> dict[str, Predicate]:
    """Return the filter that the statement implies for each set.

    Args:
        tree: sqlglot's tree of the statement.
        resolve: the schema of the set that a table name means; None for anything that is not a set.
        values: parameter values by marker name.

    Returns:
        Set name (``namespace.set``) → predicate; sets of which nothing is implied are left out.
    """
    if _reads_by_name(tree):
        return {}
    found: dict[str, list[Predicate | None]] = {}
    for name, table, scope in _references(tree, resolve, values):
        found.setdefault(name, []).append(scope.implied_for(table) if scope else None)
    return {name: one for name, parts in found.items() if (one := _any_of(parts)) is not None}


@dataclass(frozen=True, slots=True)
class UnsettledCondition:
    """A condition of the statement that its derived filter does not stand for.

    Attributes:
        text: as SQL, with the values of parameters in it.
        names: the columns that it reads, in lower case.
    """

    text: str
    names: frozenset[str]


def unsettled_conditions(
    tree: Any, resolve: Resolve, values: Mapping[str, Any], derived: Container[str]
) -> dict[str, tuple[UnsettledCondition, ...]]:
    """Return, by set name, what WHERE and ON ask of its rows beyond its derived filter.

    Args:
        tree, resolve, values: as for `derive_filters`.
        derived: names of the sets that have a derived filter.
    """
    found: dict[str, tuple[UnsettledCondition, ...]] = {}
    for name, table, scope in _references(tree, resolve, values):
        if scope is not None:
            found[name] = found.get(name, ()) + tuple(scope.unsettled_for(table, is_derived=name in derived))
    return found


def _reads_by_name(tree: Any) -> bool:
    return any(function.name.lower() in _READS_BY_NAME for function in tree.find_all(exp.Anonymous))


def _references(
    tree: Any, resolve: Resolve, values: Mapping[str, Any]
) -> Iterator[tuple[str, exp.Table, _Scope | None]]:
    """Yield each place where a set is read: its name, its node, and the SELECT around it if that is understood."""
    scopes: dict[int, _Scope | None] = {}
    for table in tree.find_all(exp.Table):
        schema = set_of(table, resolve)
        if schema is None:
            continue
        select = _select_of(table)
        if select is not None and id(select) not in scopes:
            scopes[id(select)] = _scope(select, resolve, values)
        yield schema.name, table, scopes.get(id(select)) if select is not None else None


def _any_of(parts: list[Predicate | None]) -> Predicate | None:
    known = [part for part in parts if part is not None]
    return simplify(Or(*known)) if known and len(known) == len(parts) else None


def _select_of(table: exp.Table) -> exp.Select | None:
    """Return the SELECT whose FROM holds the table directly; None inside anything else."""
    node = table.parent
    if isinstance(node, exp.Join):
        node = node.parent
        if isinstance(node, exp.Table):
            node = node.parent
    if isinstance(node, exp.From):
        node = node.parent
    return node if isinstance(node, exp.Select) else None


@dataclass(frozen=True, slots=True)
class _Item:
    """One item of FROM: a set with its columns by lower-case name, or anything else (`columns` None)."""

    node: Any
    alias: str
    columns: Mapping[str, Column] | None
    join: exp.Join | None

    @property
    def is_hidden(self) -> bool:
        """Whether only ON sees its columns."""
        return self.join is not None and self.join.kind in ("SEMI", "ANTI")


def _scope(select: exp.Select, resolve: Resolve, values: Mapping[str, Any]) -> _Scope | None:
    pairs = from_items(select)
    if not pairs or any(select.args.get(key) for key in ("sample", "match", "laterals", "connect")):
        return None
    if any(join is not None and (join.method or "").upper() in _PAIRING_JOINS for _, join in pairs):
        return None
    return _Scope(select, [_item(node, join, resolve) for node, join in pairs], values)


def _item(node: Any, join: exp.Join | None, resolve: Resolve) -> _Item:
    schema = set_of(node, resolve) if isinstance(node, exp.Table) else None
    if schema is None or not _is_plain(node):
        return _Item(node, node.alias_or_name.lower(), None, join)
    return _Item(node, node.alias_or_name.lower(), _columns(schema), join)


def _is_plain(table: exp.Table) -> bool:
    """Whether nothing stands between the table and WHERE: no sample, pivot, version or renamed columns."""
    alias = table.args.get("alias")
    if alias is not None and alias.args.get("columns"):
        return False
    return all(key in _TABLE_PARTS for key, value in table.args.items() if value)


def _columns(schema: SetSchema) -> dict[str, Column]:
    # DuckDB does not tell names apart by case; bins that differ in nothing else are left out.
    by_name: dict[str, list[Column]] = {}
    for column in schema.columns:
        by_name.setdefault(column.name.lower(), []).append(column)
    return {name: same[0] for name, same in by_name.items() if len(same) == 1 and same[0].is_bin}


class _Scope:
    """One SELECT: what its FROM holds, and what its WHERE and ON clauses imply for each item."""

    def __init__(self, select: exp.Select, items: list[_Item], values: Mapping[str, Any]) -> None:
        self._items = items
        self._values = values
        where = select.args.get("where")
        self._where = where.this if where else None
        self._merged = {name.name.lower() for item in items if item.join for name in item.join.args.get("using") or ()}
        self._aliases = {
            projection.alias.lower() for projection in select.expressions if isinstance(projection, exp.Alias)
        }

    def implied_for(self, table: exp.Table) -> Predicate | None:
        """Return what this SELECT implies for a row of `table`; None for nothing."""
        index = next((i for i, item in enumerate(self._items) if item.node is table), None)
        if index is None or self._items[index].columns is None:
            return None
        parts: list[Predicate | None] = []
        for item_index, item in enumerate(self._items):
            if item.join is not None:
                parts += self._from_on(index, item_index, item.join)
        if self._where is not None and not self._items[index].is_hidden:
            parts += self._from_condition(index, self._where, len(self._items) - 1, aliases=self._aliases)
        return conjunction(parts)

    def unsettled_for(self, table: exp.Table, *, is_derived: bool) -> Iterator[UnsettledCondition]:
        """Yield the conditions on `table` that `implied_for` does not stand for, or all of them unless `is_derived`."""
        index = next((i for i, item in enumerate(self._items) if item.node is table), None)
        if index is None:
            return
        ons = [item.join.args["on"] for item in self._items if item.join is not None and item.join.args.get("on")]
        is_nullable = self._is_nullable(index, len(self._items) - 1)
        for condition in [*ons, *([self._where] if self._where is not None else [])]:
            reader = Condition(lambda column: self._column(index, column, self._aliases), self._values)
            for node in _flatten(condition):
                columns = list(node.find_all(exp.Column))
                if self._is_about(index, node, columns) and not (is_derived and _is_exact(reader, node, is_nullable)):
                    names = frozenset(column.name.lower() for column in columns)
                    yield UnsettledCondition(_as_text(node, self._values), names)

    def _is_about(self, index: int, node: Any, columns: list[exp.Column]) -> bool:
        if len(self._items) == 1:
            return True
        item = self._items[index]
        known = item.columns or {}
        touched = [
            column.table.lower() == item.alias if column.table else column.name.lower() in known for column in columns
        ]
        pairs_rows = isinstance(node, exp.EQ) and len(columns) == 2 and not all(touched)
        return any(touched) and not pairs_rows

    def _from_on(self, index: int, join_index: int, join: exp.Join) -> list[Predicate | None]:
        on = join.args.get("on")
        if on is None or index > join_index:
            return []
        kind, side = (join.kind or "").upper(), (join.side or "").upper()
        if kind in ("SEMI", "ANTI") or (side == "LEFT" and kind in ("", "OUTER")):
            # Rows of the left side stay whether ON holds or not; of the right side only where it does.
            return self._conjuncts(index, on) if index == join_index else []
        if side == "" and kind in ("", "INNER", "CROSS"):
            return self._from_condition(index, on, join_index)
        return []

    def _from_condition(
        self, index: int, condition: Any, upto: int, aliases: set[str] | None = None
    ) -> list[Predicate | None]:
        parts = self._conjuncts(index, condition, aliases or set())
        if not self._is_nullable(index, upto):
            return parts
        # A row that the filter drops may leave a row of NULLs in its place; the condition must drop that too.
        return [part for part in parts if part is not None and rejects_nulls(part)]

    def _conjuncts(self, index: int, condition: Any, aliases: frozenset[str] | set[str] = frozenset()) -> list[Any]:
        reader = Condition(lambda column: self._column(index, column, aliases), self._values)
        return [part for node in _flatten(condition) if (part := reader.implied(node)) is not None]

    def _is_nullable(self, index: int, upto: int) -> bool:
        """Whether a join up to number `upto` may give rows where the item's columns are all NULL."""
        for i, item in enumerate(self._items[: upto + 1]):
            side = (item.join.side or "").upper() if item.join is not None else ""
            if side == "FULL" and index <= i:
                return True
            if (side == "LEFT" and index == i) or (side == "RIGHT" and index < i):
                return True
        return False

    def _column(self, index: int, node: exp.Column, aliases: frozenset[str] | set[str]) -> Column | None:
        name = node.name.lower()
        known = [i for i, item in enumerate(self._items) if item.columns and name in item.columns]
        if index not in known:
            return None
        qualifier = node.table.lower()
        if not qualifier:
            is_clear = known == [index] and name not in self._merged and name not in aliases
            return self._named(index, name) if is_clear else None
        if node.args.get("catalog") or self._is_nested_column(qualifier):
            return None
        same = [i for i, item in enumerate(self._items) if item.alias == qualifier]
        if same != [index]:
            return None
        table = self._items[index].node
        if node.args.get("db") and (table.args.get("alias") or node.text("db").lower() != table.text("db").lower()):
            return None
        return self._named(index, name)

    def _is_nested_column(self, name: str) -> bool:
        # s.f may be a field of the struct column s
        return any(item.columns and name in item.columns and item.columns[name].kind in _NESTED for item in self._items)

    def _named(self, index: int, name: str) -> Column | None:
        columns = self._items[index].columns
        return columns.get(name) if columns else None


def _flatten(condition: Any) -> Iterator[Any]:
    while isinstance(condition, exp.Paren):
        condition = condition.this
    if isinstance(condition, exp.And):
        yield from _flatten(condition.left)
        yield from _flatten(condition.right)
    else:
        yield condition


def _is_exact(reader: Condition, node: Any, is_nullable: bool) -> bool:
    """Whether a derived filter has the condition itself, and not just what it implies."""
    implied = reader.implied(node)
    if implied is None or (is_nullable and not rejects_nulls(implied)):
        return False
    if isinstance(node, exp.Paren | exp.Not):
        return _is_exact(reader, node.this, False)
    if isinstance(node, exp.And | exp.Or):
        return _is_exact(reader, node.left, False) and _is_exact(reader, node.right, False)
    # The reader has an answer for a leaf and for its negation both only where it knows the leaf exactly.
    return reader.implied(node, negated=True) is not None


def _as_text(node: Any, values: Mapping[str, Any]) -> str:
    def filled(part: Any) -> Any:
        if isinstance(part, exp.Placeholder) and str(part.this) in values:
            try:
                return exp.convert(values[str(part.this)])
            except ValueError:
                return part
        return part

    text = str(node.transform(filled).sql(dialect="duckdb", normalize_functions="lower"))
    return f"({text})" if isinstance(node, exp.Or) else text

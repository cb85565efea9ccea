"""What Spark pushed to one scan, as the planning jar tells it in the scan's options.

The jar (``jvm/src/aerospikemagic/spark``) translates a part of Catalyst's expressions to JSON; `Pushed.java` describes
the form. Without the jar the options are not there, and nothing is pushed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from aerospike_magic.engines.spark.aggregates import Aggregate, PartialAggregates
from aerospike_magic.engines.spark.top import SortKey, TopRows
from aerospike_magic.errors import QueryError
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
    Value,
    columns_of,
    conjunction,
    conjuncts,
)

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

PREFIX = "aerospike_magic."
"""Options that begin so are the jar's, never a user's."""

_PUSHED = PREFIX + "pushed."
_SESSION = PREFIX + "session."

_COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")


@dataclass(frozen=True, slots=True)
class Limit:
    """How many rows are enough.

    Attributes:
        rows: so many, whichever.
        whole: whether the scan as a whole returns no more; else each task does, and Spark takes the first of all.
    """

    rows: int
    whole: bool


@dataclass(frozen=True)
class Planned:
    """All that the jar tells of one scan; nothing without the jar.

    Attributes:
        pushed: what the scan has to apply.
        relation: the schema of the whole relation, where `reader` is told that of the scan only.
        session: the session's own `aerospike.*` settings.
        cores: tasks that run at the same time in the cluster, 0 where nobody told.
        elastic: whether that may grow while a query runs.
    """

    pushed: Pushed
    relation: StructType | None = None
    session: Mapping[str, str] = field(default_factory=dict, repr=False)
    cores: int = 0
    elastic: bool = False

    @classmethod
    def from_options(cls, options: Mapping[str, str]) -> Planned:
        """Read the jar's options; others are ignored, upper and lower case alike.

        Raises:
            QueryError: they are not of the form that this version reads: jar and package differ.
        """
        given = {name.lower(): text for name, text in options.items() if name.lower().startswith(PREFIX)}
        relation = given.get(PREFIX + "relation")
        from pyspark.sql.types import StructType

        return cls(
            Pushed.from_options(given),
            None if relation is None else StructType.fromJson(json.loads(relation)),
            {name.removeprefix(_SESSION): text for name, text in given.items() if name.startswith(_SESSION)},
            int(given.get(PREFIX + "cores", "0")),
            given.get(PREFIX + "elastic") == "true",
        )


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a scan has to apply, all of it: Spark does not do it again.

    Attributes:
        predicate: rows to keep, None for all.
        limit: None for none.
        aggregates: what to return instead of rows, None for rows.
        top: the rows of each task that may be among the first of all, None for all its rows.
    """

    predicate: Predicate | None = None
    limit: Limit | None = None
    aggregates: PartialAggregates | None = None
    top: TopRows | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, str]) -> Pushed:
        """Read the jar's options; others are ignored, upper and lower case alike.

        Raises:
            QueryError: they are not of the form that this version reads: jar and package differ.
        """
        given = {name.lower(): text for name, text in options.items() if name.lower().startswith(_PUSHED)}
        try:
            filters = [*_list(given.get(_PUSHED + "filters")), *_list(given.get(_PUSHED + "runtime"))]
            limit = given.get(_PUSHED + "limit")
            aggregates = given.get(_PUSHED + "aggregates")
            top = given.get(_PUSHED + "top")
            return cls(
                _without_implied(conjunction(map(_predicate, filters))),
                None if limit is None else Limit(**json.loads(limit)),
                None if aggregates is None else _aggregates(json.loads(aggregates)),
                None if top is None else _top(json.loads(top)),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise QueryError(
                f"what the jar pushed cannot be read: {error}",
                hint="the jar and the Python package are of different versions",
            ) from None

    def renamed(self, names: Mapping[str, str]) -> Pushed:
        """Return the same of columns with other names.

        Args:
            names: the other name of each column that has one.
        """
        predicate = None if self.predicate is None else _renamed(self.predicate, names)
        aggregates = self.aggregates and self.aggregates.renamed(names)
        return replace(self, predicate=predicate, aggregates=aggregates, top=self.top and self.top.renamed(names))


def _renamed(node: Predicate, names: Mapping[str, str]) -> Predicate:
    if isinstance(node, And | Or):
        return type(node)(*(_renamed(child, names) for child in node.children))
    if isinstance(node, Not):
        return Not(_renamed(node.child, names))
    if isinstance(node, Always | Opaque):
        return node
    return replace(node, column=names.get(node.column, node.column))


def _without_implied(predicate: Predicate | None) -> Predicate | None:
    """Leave out each `IS NOT NULL` that another condition on the column implies: Spark adds one to every comparison."""
    parts = conjuncts(predicate)
    compared = set().union(*(map(columns_of, filter(_is_comparison, parts))))
    kept = [part for part in parts if not (isinstance(part, Not) and _is_null_of(part.child, compared))]
    return conjunction(kept)


def _is_comparison(part: Predicate) -> bool:
    """Whether the condition, or its opposite, is never true of NULL."""
    leaf = part.child if isinstance(part, Not) else part
    return isinstance(leaf, Compare | In | StartsWith)


def _is_null_of(part: Predicate, columns: set[str]) -> bool:
    return isinstance(part, IsNull) and part.column in columns


def _list(text: str | None) -> list[Any]:
    return [] if text is None else list(json.loads(text))


def _predicate(node: Mapping[str, Any]) -> Predicate:
    op = node["op"]
    if op in _COMPARISONS:
        return Compare(op, node["column"], _literal(node["value"]))
    if op == "in":
        return In(node["column"], tuple(map(_literal, node["values"])))
    if op == "is_null":
        return IsNull(node["column"])
    if op == "starts_with":
        prefix = _literal(node["value"])
        # LIKE NULL is never true, nor is its opposite.
        return Compare("=", node["column"], None) if prefix is None else StartsWith(node["column"], str(prefix))
    if op == "always":
        return Always(bool(node["value"]))
    children = tuple(map(_predicate, node["children"]))
    if op == "not":
        return Not(children[0])
    if op not in ("and", "or"):
        raise ValueError(f"a predicate {op}")
    return And(*children) if op == "and" else Or(*children)


def _literal(value: list[str] | None) -> Value:
    if value is None:
        return None
    kind, text = value
    if kind == "long":
        return int(text)
    if kind == "double":
        return float(text.replace("Infinity", "inf"))
    if kind == "boolean":
        return {"true": True, "false": False}[text]
    if kind == "binary":
        return base64.b64decode(text, validate=True)
    if kind != "string":
        raise ValueError(f"a literal of type {kind}")
    return text


def _aggregates(node: Mapping[str, Any]) -> PartialAggregates:
    functions = [Aggregate(one["function"], one.get("column")) for one in node["functions"]]
    return PartialAggregates(tuple(node["by"]), tuple(functions))


def _top(node: Mapping[str, Any]) -> TopRows:
    return TopRows(node["rows"], tuple(SortKey(**key) for key in node["by"]))

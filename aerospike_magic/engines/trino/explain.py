"""How a statement would run on Trino or Presto: the server plans it, and here each set's scan is planned as the gateway
would, from what the server would hand it. No record is read.

The plan's text says which columns a scan takes. Trino's ``EXPLAIN (TYPE IO)`` says what it knows of their values, which
is what it pushes; Presto's says it in the plan's text only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aerospike_magic.engines.base import Explanation, ScanExplanation
from aerospike_magic.engines.trino.presto_plan import predicate_of
from aerospike_magic.filters.predicate import Predicate
from aerospike_magic.gateway.filters import to_predicate
from aerospike_magic.gateway.messages import AllOrNone, Domain, Range, Ranges, TupleDomain
from aerospike_magic.gateway.tables import WireColumn, as_scanned, wire_columns
from aerospike_magic.scan import ScanOptions, plan_scan
from aerospike_magic.scan.teller import planned
from aerospike_magic.schema.types import SetSchema

if TYPE_CHECKING:
    from aerospike_magic.engines.trino.engine import TrinoEngine
    from aerospike_magic.engines.trino.prepare import Prepared

_SCAN = re.compile(
    r"(?:Table)?Scan\w*(?:\[PlanNodeId [\d,]+\])?\[table = "
    r"(?:TableHandle \{connectorId='[^']*', connectorHandle='(?P<presto>[^']+)'[^}]*\}|(?P<trino>[^\s,\]]+))"
    r"(?P<rest>[^\n]*)"
)
_FILTER = re.compile(r"filterPredicate = (.*?)(?:, projectLocality = \w+|, dynamicFilters = .*)?\](?: => .*)?$")
_COLUMN = re.compile(r'^[\s│]*("(?:[^"]|"")*"|\S+) := (\S+?):')
_OWN_LINE = re.compile(r"^[\s│]*(?:Layout|Estimates|Distribution)|:=")
_NUMBERS = {"bigint": int, "integer": int, "double": float}


@dataclass(frozen=True, slots=True)
class PlannedScan:
    """A scan as the server's plan has it.

    Attributes:
        table: its name on the wire, with its schema: ``schema:table``.
        columns: on the wire, by what the plan calls them.
        filter: the condition that the server checks on its rows, in its own words; "" for none.
    """

    table: str
    columns: Mapping[str, str]
    filter: str


def explain(engine: TrinoEngine, prepared: Prepared) -> Explanation:
    """Return the server's plan of a statement, and how each of its sets would be read."""
    sql = prepared.rewritten.text
    try:
        plan = str(engine.ask(f"EXPLAIN {sql}")[0][0])
        scans = list(planned_scans(plan))
        domains = _domains(engine, sql) if prepared.sets and prepared.is_ours and engine.name == "trino" else {}
    except Exception as error:
        raise prepared.translate(error) from None
    if not prepared.is_ours:
        return Explanation(prepared.statement.bound.original, (), prepared.readable(plan))
    found = []
    for table, schema in prepared.tables:
        for scan in scans:
            if scan.table == table:
                columns = wire_columns(as_scanned(schema))
                predicate = _predicate(scan, columns, domains.get(table))
                found.append(
                    _explained(
                        engine, prepared, schema, [columns[c] for c in scan.columns.values() if c in columns], predicate
                    )
                )
    return Explanation(prepared.statement.bound.original, tuple(found), prepared.readable(plan))


def planned_scans(plan: str) -> Iterator[PlannedScan]:
    """Yield the scans of a plan's text, in its order."""
    lines = plan.split("\n")
    for i, line in enumerate(lines):
        found = _SCAN.search(line)
        if found is None:
            continue
        columns = {}
        for below in lines[i + 1 :]:
            if not _OWN_LINE.search(below):
                break
            if column := _COLUMN.match(below):
                columns[column[1]] = column[2]
        condition = _FILTER.search(found["rest"])
        # Trino's name has the catalog before it.
        table = found["presto"] or found["trino"].partition(":")[2]
        yield PlannedScan(table, columns, condition[1] if condition else "")


def _domains(engine: TrinoEngine, sql: str) -> dict[str, TupleDomain]:
    """What Trino knows of the values of each table's columns."""
    told = json.loads(engine.ask(f"EXPLAIN (TYPE IO, FORMAT JSON) {sql}")[0][0])
    found = {}
    for info in told.get("inputTableColumnInfos", ()):
        name = info["table"]["schemaTable"]
        constraint = info.get("constraint") or {}
        columns = {c["columnName"]: _domain(c["domain"], c["type"]) for c in constraint.get("columnConstraints", ())}
        table = f"{name['schema']}:{name['table']}"
        found[table] = TupleDomain(None if constraint.get("none") else columns)
    return found


def _domain(told: Mapping[str, Any], kind: str) -> Domain:
    ranges = tuple(_range(each, kind) for each in told.get("ranges", ()))
    values = Ranges(ranges)
    is_all = len(ranges) == 1 and ranges[0].low is None and ranges[0].high is None
    return Domain(AllOrNone(True) if is_all else values, bool(told.get("nullsAllowed")))


def _range(told: Mapping[str, Any], kind: str) -> Range:
    low, high = told["low"], told["high"]
    return Range(
        _value(low.get("value"), kind),
        low.get("bound") == "EXACTLY",
        _value(high.get("value"), kind),
        high.get("bound") == "EXACTLY",
    )


def _value(text: str | None, kind: str) -> object:
    if text is None:
        return None
    if kind == "boolean":
        return text == "true"
    return _NUMBERS.get(kind, str)(text)


def _predicate(scan: PlannedScan, columns: Mapping[str, WireColumn], domain: TupleDomain | None) -> Predicate | None:
    if domain is not None:
        return to_predicate(domain, columns)
    named = {name: columns[column] for name, column in scan.columns.items() if column in columns}
    return predicate_of(scan.filter, named) if scan.filter else None


def _explained(
    engine: TrinoEngine, prepared: Prepared, schema: SetSchema, columns: list[WireColumn], predicate: Predicate | None
) -> ScanExplanation:
    options = prepared.options
    plan = plan_scan(
        engine.connection,
        as_scanned(schema),
        columns=[wire.column.name for wire in columns],
        predicate=predicate if options.push_down else None,
        options=ScanOptions(records_per_second=options.records_per_second),
    )
    told = planned(plan)
    return ScanExplanation(
        table=schema.name,
        access=told["access"],
        pushed=told["pushed"],
        residual=told["residual"],
        columns=tuple(told["columns"]),
        partitions=told["partitions"],
        objects=told["objects"],
        estimated_rows=told["estimated"],
        details=tuple((str(label), str(text)) for label, text in told["details"]),
    )

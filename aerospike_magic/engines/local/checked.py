"""What DuckDB itself checks of a statement's conditions, for an explanation to name.

DuckDB checks every row against the whole condition, so what is worth naming is what the scan has not settled before:
conditions that no pushed filter stands for. They are shown as the user's own text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from aerospike_magic.engines.base import ScanExplanation
from aerospike_magic.engines.local.filters import UnsettledCondition
from aerospike_magic.filters.predicate import Predicate, conjuncts, describe

_CONDITIONS = ("Expression", "Conditions", "Condition")


def with_engine_filters(
    scans: Iterable[ScanExplanation],
    unsettled: Mapping[str, Sequence[UnsettledCondition]],
    plan: str | None,
) -> tuple[ScanExplanation, ...]:
    """Return the explanations with what DuckDB checks of each set's rows.

    Args:
        scans: one a scan.
        unsettled: set name → conditions that the filters derived from the text do not stand for.
        plan: DuckDB's plan as JSON; None where there is none.
    """
    checked_in_plan = None if plan is None else " ".join(_conditions(json.loads(plan)))
    kept = {
        name: tuple(dict.fromkeys(each.text for each in conditions if _is_in(each, checked_in_plan)))
        for name, conditions in unsettled.items()
    }
    return tuple(replace(scan, engine_filter=" AND ".join(kept.get(scan.table, ()))) for scan in scans)


def unshown_filters(filters: Mapping[str, Predicate], scans: Sequence[ScanExplanation]) -> tuple[str, ...]:
    """Say what was derived from the text and is not on show as pushed or checked."""
    notes = []
    for name, predicate in filters.items():
        shown = " ".join(f"{scan.pushed} {scan.residual}" for scan in scans if scan.table == name)
        parts = [text for part in conjuncts(predicate) if (text := describe(part)) not in shown]
        if parts:
            notes.append(f"{name}: its text implies {' AND '.join(parts)}.")
    return tuple(notes)


def _is_in(condition: UnsettledCondition, checked: str | None) -> bool:
    # What DuckDB handed to the scan by itself, such as `__key = 5`, is in no condition of its plan any more.
    if checked is None:
        return True
    lowered = checked.lower()
    return any(name in lowered for name in condition.names) if condition.names else bool(checked)


def _conditions(nodes: Any) -> list[str]:
    found: list[str] = []
    for node in nodes if isinstance(nodes, list) else [nodes]:
        info = node.get("extra_info", {})
        if "SCAN" not in node.get("name", "") and isinstance(info, dict):
            for key in _CONDITIONS:
                value = info.get(key, ())
                found += [value] if isinstance(value, str) else map(str, value)
        found += _conditions(node.get("children", []))
    return found

"""What tasks have to tell the driver: the values that did not fit their column and are NULL.

Spark's accumulators carry it, in a Classic session; it arrives when a task ends. A task that Spark ran twice may have
told it twice, so a count may be too high, never too low.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from pyspark.accumulators import AccumulatorParam

from aerospike_magic.scan import Mismatch

Counts: TypeAlias = dict[tuple[str, str, str], Mismatch]
"""(set, bin, kind) → what did not fit there."""


class AddCounts(AccumulatorParam[Counts]):
    """How Spark adds up the tasks' counts."""

    def zero(self, value: Counts) -> Counts:
        """Return nothing counted."""
        return {}

    def addInPlace(self, value1: Counts, value2: Counts) -> Counts:
        """Add the second to the first."""
        for at, mismatch in value2.items():
            known = value1.get(at)
            value1[at] = mismatch if known is None else replace(known, count=known.count + mismatch.count)
        return value1


def as_counts(table: str, mismatches: Iterable[Mismatch]) -> Counts:
    """Return one task's mismatches as what is added up."""
    return {(table, m.bin, m.kind): m for m in mismatches}


def by_table(counts: Mapping[tuple[str, str, str], Any]) -> dict[str, tuple[Mismatch, ...]]:
    """Return the mismatches of each set."""
    found: dict[str, tuple[Mismatch, ...]] = {}
    for at in sorted(counts):
        found[at[0]] = (*found.get(at[0], ()), counts[at])
    return found

"""What the engines do differently, with the reason: the one table that the contract's tests and the documentation read.

The same statement in plain SQL gives the same rows, of the same types, on each engine. What is listed here is the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ENGINES = ("local", "spark", "trino", "presto")
"""In the order of the table's columns."""

_YES = "yes"
_BESIDE = (
    "of a gateway on the notebook's machine; of another, states and splits only: nothing there can reach the notebook"
)
_FRAMES = "with a server beside the notebook (`%aerospike trino start`): no other can reach the notebook"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that not every engine does in the same way.

    Attributes:
        what: it is.
        limits: engine → what it does instead and why; an engine that is not in it just does it.
    """

    what: str
    limits: Mapping[str, str]

    def on(self, engine: str) -> str:
        """Return what an engine does: "yes", or its limit."""
        return self.limits.get(engine, _YES)


DIFFERENCES: Mapping[str, Difference] = {
    "progress": Difference("progress of each scan, partition by partition", {"trino": _BESIDE, "presto": _BESIDE}),
    "streaming": Difference(
        "rows arrive while the query runs",
        {"spark": "all at the end: tasks end in any order"},
    ),
    "frames": Difference(
        "DataFrames of the notebook beside sets",
        {"trino": _FRAMES, "presto": _FRAMES.replace("trino start", "presto start")},
    ),
    "push_down": Difference(
        "filters are pushed to Aerospike",
        {
            "spark": "needs the jar, which comes with the package; without it nothing is pushed",
            "trino": "comparisons, IN, IS NULL, LIKE 'x%' of one column; an OR over several stays in Trino",
            "presto": "comparisons, IN, IS NULL of one column; LIKE, and an OR over several, stay in Presto",
        },
    ),
    "misfits": Difference(
        "values that do not fit their column are NULL, and counted",
        {
            "trino": "counted of plain columns; a list, map or struct that does not fit is NULL, uncounted",
            "presto": "counted of plain columns; a list, map or struct that does not fit is NULL, uncounted",
        },
    ),
    "names": Difference(
        "a column of the result has the bin's own name, however the statement writes it",
        {"spark": "the name as the statement writes it, which is Spark's rule"},
    ),
    "unnamed": Difference(
        "the name of a column without one, as of `SELECT count(*)`; give it one by AS",
        {"local": "`count_star()`", "spark": "`count(1)`", "trino": "`_col0`", "presto": "`_col0`"},
    ),
    "alike": Difference(
        "bins whose names differ in case only can be told apart",
        {
            "local": "`SELECT *` gives the second one's name a `_1`; a name means the first: DuckDB knows no case",
            "spark": "if `spark.sql.caseSensitive` is true; else a name that both have is ambiguous",
            "trino": "`SELECT *` shows both; a name that both have is ambiguous: Trino knows no case",
            "presto": "`SELECT *` shows both; a name that both have is ambiguous: Presto knows no case",
        },
    ),
    "microseconds": Difference(
        "timestamps and times with microseconds",
        {"presto": "milliseconds only; a parameter with more digits is refused, not rounded"},
    ),
    "zones": Difference(
        "a timestamp with zone keeps its instant",
        {
            "trino": "but for the hour that a zone has twice a year, taken as the first: Trino writes no offset",
            "presto": "but for the hour that a zone has twice a year, taken as the first: Presto writes no offset",
        },
    ),
    "dicts": Difference(
        "a dict as a parameter",
        {"spark": "refused: Spark has no literal for it"},
    ),
    "lazy": Difference(
        "the result as a lazy DataFrame of the engine, `-t spark`",
        dict.fromkeys(("local", "trino", "presto"), "no: only Spark has one"),
    ),
    "writes": Difference(
        "INSERT INTO writes where the rows are",
        {
            "trino": "through the notebook: a connector of Thrift's kind cannot write",
            "presto": "through the notebook: a connector of Thrift's kind cannot write",
        },
    ),
}


def differences_table() -> str:
    """Return the table in Markdown; `docs/engines.md` holds it."""
    lines = [f"| | {' | '.join(ENGINES)} |", "|---" * (len(ENGINES) + 1) + "|"]
    lines += [f"| {d.what} | {' | '.join(d.on(engine) for engine in ENGINES)} |" for d in DIFFERENCES.values()]
    return "\n".join(lines) + "\n"

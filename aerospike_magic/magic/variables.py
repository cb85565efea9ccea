"""The notebook's variables, as a statement sees them: values to bind, and tables to read beside sets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_WORD = re.compile(r"[^\W\d]\w*")
_TABLE_TYPES = ("DataFrame", "LazyFrame", "Table", "RecordBatch", "RecordBatchReader", "DuckDBPyRelation")
_TABLE_HOMES = ("pandas", "polars", "pyarrow", "duckdb", "_duckdb", "pyspark")


@dataclass(frozen=True, slots=True)
class StatementVariables:
    """Variables named in a statement; the engine takes those that are parameters or tables there."""

    parameters: Mapping[str, Any]
    frames: Mapping[str, Any]


def statement_variables(
    sql: str, names: Mapping[str, Any], given: Mapping[str, Any] | None = None
) -> StatementVariables:
    """Pick the variables that a statement could mean; no others are handed to an engine.

    Args:
        sql: the statement.
        names: the notebook's variables.
        given: values that come before them, as of `--param`.
    """
    words = sorted(set(_WORD.findall(sql)))
    known = {word: names[word] for word in words if word in names}
    frames = {name: value for name, value in known.items() if is_table(value)}
    parameters = {name: value for name, value in known.items() if name not in frames}
    return StatementVariables({**parameters, **(given or {})}, frames)


def is_table(value: Any) -> bool:
    """Whether a value can be read as a table; told by its type's name, so that nothing is imported."""
    kind = type(value)
    return kind.__name__ in _TABLE_TYPES and kind.__module__.partition(".")[0] in _TABLE_HOMES


def kind_words(value: Any) -> str:
    """Return "table", or the name of a value's type, for completion."""
    return "table" if is_table(value) else type(value).__name__

"""DuckDB's errors as one plain line with a place in the user's text, and near matches for wrong names.

DuckDB marks a place by a copy of the line with a caret below it; long lines are cut with "..." on either side. Names
that it could not find it may mark or not, and its own suggestions come from its system tables too, so for those the
token is looked for in the statement, and near matches in what the cluster has.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from aerospike_magic.engines.local.catalog import Catalog
from aerospike_magic.engines.local.source import ROW_COLUMN
from aerospike_magic.engines.local.statements import Statement
from aerospike_magic.engines.local.tables import Tables
from aerospike_magic.engines.names import TableName, did_you_mean, listed, unknown_bare, unknown_qualified
from aerospike_magic.engines.parameters import BoundSql
from aerospike_magic.errors import QueryError, UnknownNameError
from aerospike_magic.schema.types import near_matches

_CARET = re.compile(r"^LINE (\d+): (.*)\n( *)\^", re.MULTILINE)
_CATEGORY = re.compile(r"^[A-Z][A-Za-z ]+ Error: ")
_NO_TABLE = re.compile(r'Table with name "?(.+?)"? does not exist')
_NO_COLUMN = re.compile(r'Referenced column "(.+?)" (?:not found|was not found)')
_NO_FIELD = re.compile(r'(?:Values list|Table) "(.+?)" does not have a column named "(.+?)"')
_NO_FILE = re.compile(r'Cannot access file "(.*?)"')
_FILE_NAME = re.compile(
    r"^[/~.\\]|^\w+://|\.(?:csv|tsv|txt|parquet|json|jsonl|ndjson|xlsx?|db|duckdb)(?:\.gz|\.zst)?$", re.I
)
_FILES_HINT = "load it with pandas and use the DataFrame by its name: FROM name"
_NO_FUNCTION = re.compile(r"Function with name (\S+) does not exist")
_SUGGESTION = re.compile(r"^(?:Did you mean|Candidate bindings:) (.*)$", re.MULTILINE)
_SUGGESTED_NAME = re.compile(r'^Did you mean "(.+?)"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Context:
    """What is known about the statement that failed; `statement` and `tables` only once it was parsed."""

    bound: BoundSql
    catalog: Catalog
    statement: Statement | None = None
    tables: Tables | None = None

    def position_of(self, name: str) -> int | None:
        """Return the place in the original text of the first token that is this name."""
        if self.statement is not None:
            for token in self.statement.tokens:
                if token.identifier.lower() == name.lower():
                    return self.bound.original_position(token.start)
        return None


def query_error(error: BaseException, context: Context) -> QueryError:
    """Return DuckDB's error as one of ours."""
    message = str(error)
    text = _CATEGORY.sub("", message)
    if found := _NO_FILE.search(text):
        return _no_file(found[1], context)
    for pattern, explain in ((_NO_TABLE, _no_table), (_NO_FIELD, _no_field), (_NO_COLUMN, _no_column)):
        if found := pattern.search(text):
            return explain(found, text, context)
    position = caret_position(message, context.bound.text)
    if found := _NO_FUNCTION.search(text):
        return _no_function(found[1], text, position, context)
    return QueryError(
        _first_line(text),
        hint=_suggestion(text),
        sql=context.bound.original,
        position=_original(position, context),
    )


def _no_file(path: str, context: Context) -> QueryError:
    # The first place of the name in the user's text; DuckDB marks none.
    place = context.bound.original.find(path) if path else -1
    return QueryError(
        "files cannot be read from a cell",
        hint=_FILES_HINT,
        sql=context.bound.original,
        position=None if place < 0 else place,
    )


def _no_function(name: str, text: str, position: int | None, context: Context) -> QueryError:
    suggested = _SUGGESTED_NAME.search(text)
    place = _original(position, context)
    return QueryError(
        f"there is no function {name}",
        # DuckDB suggests something however far it is.
        hint=did_you_mean(near_matches(name, [suggested[1]]) if suggested else [], ""),
        sql=context.bound.original,
        position=context.position_of(name) if place is None else place,
    )


def caret_position(message: str, sql: str) -> int | None:
    """Return the place in `sql` that the caret of a DuckDB message points at, None when there is none."""
    found = _CARET.search(message)
    if not found:
        return None
    number, shown = int(found[1]), found[2]
    column = len(found[3]) - len(f"LINE {number}: ")
    core = shown.removeprefix("...").removesuffix("...")
    column -= 3 if shown.startswith("...") else 0
    lines = sql.split("\n")
    # A statement that is wrapped on its way has its lines further down.
    for i in (number - 1, *range(len(lines))):
        if 0 <= i < len(lines) and (at := lines[i].find(core)) >= 0:
            start = sum(len(line) + 1 for line in lines[:i])
            return min(start + at + _characters(core, column), len(sql))
    return None


def _characters(line: str, width: int) -> int:
    """Return how many characters of a line fill that many columns of a terminal, in which DuckDB counts."""
    for i, char in enumerate(line):
        if width <= 0:
            return i
        width -= 0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return len(line)


def _original(position: int | None, context: Context) -> int | None:
    return None if position is None else context.bound.original_position(position)


def _first_line(text: str) -> str:
    line = text.split("\n", 1)[0].strip().rstrip("!.")
    return line.replace(f'"{ROW_COLUMN}", ', "") or "the query failed"


def _suggestion(text: str) -> str:
    found = _SUGGESTION.search(text)
    if not found or ROW_COLUMN in found[1] or "pg_" in found[1]:
        return ""
    return f"did you mean {found[1].strip().rstrip('?').replace(chr(34), '')}?"


def _no_table(found: re.Match[str], text: str, context: Context) -> QueryError:
    name = _named_table(found[1], context.statement)
    sql = context.bound.original
    if name is None:
        return UnknownNameError(f"there is no table {found[1]}", sql=sql, position=context.position_of(found[1]))
    position = context.bound.original_position(name.start)
    shown = ".".join(name.parts)
    if len(name.parts) == 1 and _FILE_NAME.search(shown):
        return _no_file(shown, context)
    if len(name.parts) == 1:
        message, hint = unknown_bare(shown, context.catalog.sets())
    else:
        message, hint = unknown_qualified(name.parts[0], ".".join(name.parts[1:]), context.catalog)
    return UnknownNameError(message, hint=hint, sql=sql, position=position)


def _named_table(text: str, statement: Statement | None) -> TableName | None:
    wanted = text.replace('"', "").lower()
    names = statement.tables if statement is not None else ()
    for name in names:
        if wanted in (".".join(name.parts).lower(), name.parts[-1].lower()):
            return name
    return None


def _no_column(found: re.Match[str], text: str, context: Context) -> QueryError:
    return _unknown_column(found[1], None, text, context)


def _no_field(found: re.Match[str], text: str, context: Context) -> QueryError:
    return _unknown_column(found[2], found[1], text, context)


def _unknown_column(name: str, table: str | None, text: str, context: Context) -> QueryError:
    position = _original(caret_position(text, context.bound.text), context)
    if position is None:
        position = context.position_of(name)
    schemas = context.tables.schemas if context.tables is not None else ()
    names = list(dict.fromkeys(column.name for schema in schemas for column in schema.columns))
    near = near_matches(name, names)
    suggested = _suggestion(text)
    if near:
        hint = did_you_mean(near, "")
    elif len(schemas) == 1 and not (context.tables and context.tables.frames):
        hint = suggested or listed("its bins", [column.name for column in schemas[0].bins])
    else:
        hint = suggested
    where = f" in {table}" if table else f" in {schemas[0].name}" if len(schemas) == 1 else ""
    return UnknownNameError(
        f"there is no column {name}{where}", hint=hint, sql=context.bound.original, position=position
    )

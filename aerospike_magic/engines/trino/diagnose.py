"""Trino's and Presto's errors as one plain line with a place in the user's text; the Java trace is kept aside.

The server names an error (`COLUMN_NOT_FOUND`), gives line and column in the statement as it was sent, and a message
that begins with them again. The place is led back to the text as written. What the gateway raised while it read a
set arrives inside the message of a Thrift error; its words are the ones to show.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aerospike_magic.engines.catalog import SetCatalog
from aerospike_magic.engines.names import did_you_mean, listed, unknown_bare, unknown_qualified
from aerospike_magic.engines.rewriting import Rewritten
from aerospike_magic.engines.trino.client import StatementFailed
from aerospike_magic.engines.trino.endpoint import TrinoServer
from aerospike_magic.engines.trino.statements import Statement
from aerospike_magic.errors import (
    AerospikeMagicError,
    ConnectError,
    QueryError,
    ScanCancelled,
    ScanError,
    ScanTimeout,
    UnknownNameError,
)
from aerospike_magic.schema.types import SetSchema, near_matches

_PLACE = re.compile(r"^line \d+:\d+: ")
_QUOTED = re.compile(r"'([^']*)'")
_EXPECTING = re.compile(r"\.? Expecting:.*$", re.DOTALL)
# Presto's errors of this kind have a general name, and no quotes.
_PRESTO_NO_COLUMN = re.compile(r"^(?:Column )?'([^']+)' cannot be resolved")
_PRESTO_NO_TABLE = re.compile(r"^(?:Table|Schema|Catalog) (\S+) does not exist$")
_FUNCTION = re.compile(r"Function '?([\w.$]+)'? not (?:registered|found)")
_REMOTE = re.compile(r"(?:Exception raised by remote Thrift server|(?:Trino|Presto)ThriftServiceException): (.*)")
_UNREACHABLE = "Error communicating with remote Thrift server"
_JAVA_CLASS = re.compile(r"^(?:[a-z][\w$]*\.)+[A-Z]\w*: ")
_TRACE_HINT = "the whole trace: %aerospike trace"
_LONGEST = 400
_STOPPED = frozenset({"USER_CANCELED", "ADMINISTRATIVELY_KILLED", "ADMINISTRATIVELY_PREEMPTED"})
_TOO_LATE = frozenset({"EXCEEDED_TIME_LIMIT", "ABANDONED_QUERY"})
_NO_TABLE = frozenset(
    {"TABLE_NOT_FOUND", "SCHEMA_NOT_FOUND", "CATALOG_NOT_FOUND", "MISSING_TABLE", "MISSING_SCHEMA", "MISSING_CATALOG"}
)
_NO_COLUMN = frozenset({"COLUMN_NOT_FOUND", "MISSING_ATTRIBUTE", "MISSING_COLUMN"})
_TOO_BIG = frozenset({"EXCEEDED_GLOBAL_MEMORY_LIMIT", "EXCEEDED_LOCAL_MEMORY_LIMIT", "CLUSTER_OUT_OF_MEMORY"})


@dataclass(frozen=True, slots=True)
class Context:
    """What is known about the statement that failed."""

    server: TrinoServer
    catalog: SetCatalog
    statement: Statement
    rewritten: Rewritten | None = None
    schemas: Sequence[SetSchema] = ()


def query_error(error: BaseException, context: Context) -> AerospikeMagicError:
    """Return an error of the server, or on the way to it, as one of ours."""
    if isinstance(error, AerospikeMagicError):
        return error
    if not isinstance(error, StatementFailed):
        found: AerospikeMagicError = QueryError(f"the answer of {context.server.flavor.title} cannot be read: {error}")
    else:
        found = _translated(error, context)
        found.details = error.details
    return found


def _translated(error: StatementFailed, context: Context) -> AerospikeMagicError:
    title = context.server.flavor.title
    words = _words(error)
    if error.name in _STOPPED:
        return ScanCancelled(f"the query was stopped on {title}")
    if error.name in _TOO_LATE:
        return ScanTimeout(f"{title} stopped the query: {words}")
    if error.name in ("AUTHENTICATION_FAILED", "SERVER_STARTING_UP", "SERVER_SHUTTING_DOWN"):
        return ConnectError(f"{title} at {context.server.address}: {words}", hint="try again in a while")
    if "THRIFT" in error.name or error.kind == "EXTERNAL" or _UNREACHABLE in words:
        return _below(error, words, context)
    position = _position(error, context)
    found = _QUOTED.search(words) if error.name in _NO_COLUMN else None
    if found := found or _PRESTO_NO_COLUMN.search(words):
        return _no_column(found[1], position, context)
    found = _QUOTED.search(words) if error.name in _NO_TABLE else None
    if found := found or _PRESTO_NO_TABLE.search(words):
        return _no_table(found[1], words, position, context)
    if found := _FUNCTION.search(words):
        return _error(f"there is no function {found[1].rpartition('.')[2]}", "", position, context)
    hint = "add a filter, name fewer columns, or aggregate less" if error.name in _TOO_BIG else ""
    return _error(words, hint, position, context)


def _words(error: StatementFailed) -> str:
    """The line that says what is wrong."""
    text = _PLACE.sub("", _JAVA_CLASS.sub("", str(error))).strip()
    line = _EXPECTING.sub("", text).partition("\n")[0].strip().rstrip(".;")
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _error(message: str, hint: str, position: int | None, context: Context) -> QueryError:
    hint = hint or ("" if position is not None else _TRACE_HINT)
    return QueryError(message, hint=hint, sql=context.statement.bound.original, position=position)


def _below(error: StatementFailed, words: str, context: Context) -> AerospikeMagicError:
    """What went wrong while a catalog was read: of ours, the gateway's own words."""
    remote = _REMOTE.search(f"{words}\n{error.details}")
    if remote is not None:
        message, _, hint = remote[1].strip().partition(" · ")
        return ScanError(message or words, hint=hint)
    if _UNREACHABLE in words:
        return ScanError(
            f"the gateway of catalog {context.server.catalog} does not answer {context.server.flavor.title}",
            hint="is it running, and can the cluster's nodes reach the address in the catalog file?",
        )
    return ScanError(words, hint=_TRACE_HINT)


def _position(error: StatementFailed, context: Context) -> int | None:
    """Where in the text as written; the server counts characters from 1."""
    rewritten = context.rewritten
    if error.place is None or rewritten is None:
        return None
    lines = rewritten.text.split("\n")
    line, column = error.place[0] - 1, error.place[1] - 1
    if not 0 <= line < len(lines):
        return None
    return rewritten.original_position(sum(len(each) + 1 for each in lines[:line]) + min(column, len(lines[line])))


def _no_table(quoted: str, words: str, position: int | None, context: Context) -> QueryError:
    sql = context.statement.bound.original
    parts = quoted.split(".")
    if len(parts) == 3 and parts[0] == context.server.catalog:
        parts = parts[1:]
    is_ours = [r.name.parts for r in context.statement.references if _ends_with(r.name.parts, parts)]
    if is_ours and max(map(len, is_ours)) <= 2:
        name = is_ours[0]
        if len(name) == 1:
            message, hint = unknown_bare(name[0], context.catalog.sets())
        else:
            message, hint = unknown_qualified(name[0], name[1], context.catalog)
        return UnknownNameError(message, hint=hint, sql=sql, position=position)
    position = context.statement.position_of(parts[0]) if position is None else position
    return UnknownNameError(words[:1].lower() + words[1:], sql=sql, position=position)


def _ends_with(written: Sequence[str], parts: Sequence[str]) -> bool:
    folded = [part.lower() for part in written]
    return folded == [part.lower() for part in parts][-len(folded) :]


def _no_column(quoted: str, position: int | None, context: Context) -> QueryError:
    name = quoted.rpartition(".")[2]
    schemas = context.schemas
    names = list(dict.fromkeys(column.name for schema in schemas for column in schema.columns))
    otherwise = listed("its bins", [column.name for column in schemas[0].bins]) if len(schemas) == 1 else ""
    where = f" in {schemas[0].name}" if len(schemas) == 1 else ""
    written = context.statement.position_of(name)
    return UnknownNameError(
        f"there is no column {name}{where}",
        hint=did_you_mean(near_matches(name, names), otherwise),
        sql=context.statement.bound.original,
        position=written if position is None else position,
    )

"""Spark's errors as one plain line with a place in the user's text; the trace is kept aside.

Spark names its errors (`getCondition`), says what they are about (`getMessageParameters`) and where in the statement
(`getQueryContext`). What our own code raised in a task or while planning arrives as a Python traceback inside the text
of a Java error; its last line is what the user wants to read, and of which kind it is.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aerospike_magic import errors
from aerospike_magic.engines.catalog import SetCatalog
from aerospike_magic.engines.names import did_you_mean, listed, unknown_bare, unknown_qualified
from aerospike_magic.engines.rewriting import Rewritten
from aerospike_magic.engines.spark.statements import Statement
from aerospike_magic.errors import AerospikeMagicError, QueryError, UnknownNameError
from aerospike_magic.schema.types import SetSchema, near_matches

_OURS = re.compile(r"^\s*aerospike_magic\.errors\.(\w+): (.*)$", re.MULTILINE)
_NAMED = re.compile(r"\[([A-Z][A-Z0-9_]*(?:\.[A-Z0-9_]+)*)\]\s*(.*)")
_STATE = re.compile(r"\s*SQLSTATE: \w+.*$", re.DOTALL)
_PLACE = re.compile(r"line (\d+),? pos(?:ition)? (\d+)")
_BACKTICKED = re.compile(r"`((?:[^`]|``)*)`")
_PYTHON = re.compile(r"^(?:\w+\.)*(\w*(?:Error|Exception)): (.*)$", re.MULTILINE)
_JAVA = re.compile(r"^(?:Caused by)?: ([\w.$]+)(?:: (.*))?$", re.MULTILINE)
_TRACEBACK = "Traceback (most recent call last)"
_NOT_THERE = "No module named 'aerospike_magic"
_TRACE_HINT = "the whole trace: %aerospike trace"
_INSTALL_HINT = "install aerospike-magic where Spark runs, on driver and executors; PYSPARK_PYTHON says which Python"
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Context:
    """What is known about the statement that failed."""

    statement: Statement
    rewritten: Rewritten | None
    catalog: SetCatalog
    schemas: Sequence[SetSchema] = ()


def query_error(error: BaseException, context: Context) -> AerospikeMagicError:
    """Return an error of Spark, or from below it, as one of ours."""
    if isinstance(error, AerospikeMagicError):
        return error
    text = str(error)
    found = _own_error(text) or _spark_error(error, text, context)
    found.details = text
    return found


@contextmanager
def unlogged() -> Iterator[None]:
    """Keep pyspark from logging, as JSON with its trace, what goes wrong in this thread: it is shown in our words."""
    from pyspark.logger import PySparkLogger

    here = threading.get_ident()

    def is_elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != here

    loggers = [PySparkLogger.getLogger(name) for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger")]
    for logger in loggers:
        logger.addFilter(is_elsewhere)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_elsewhere)


def _own_error(text: str) -> AerospikeMagicError | None:
    ours = _OURS.findall(text)
    if not ours:
        return None
    name, words = ours[-1]
    kind = getattr(errors, name, AerospikeMagicError)
    message, _, hint = words.partition(" · ")
    try:
        made: AerospikeMagicError = kind(message, hint=hint)
    except TypeError:  # a kind that needs more than words
        made = errors.ScanError(message, hint=hint)
    return made


def _spark_error(error: BaseException, text: str, context: Context) -> AerospikeMagicError:
    condition = _asked(error, "getCondition") or _asked(error, "getErrorClass") or ""
    parameters: dict[str, str] = _asked(error, "getMessageParameters") or {}
    position = _position(error, text, context)
    if condition.startswith("TABLE_OR_VIEW_NOT_FOUND"):
        return _no_table(parameters.get("relationName", ""), context)
    if condition.startswith(("UNRESOLVED_COLUMN", "UNRESOLVED_USING_COLUMN")):
        return _no_column(parameters.get("objectName") or parameters.get("colName", ""), position, context)
    if _NOT_THERE in text:
        return QueryError("Spark's Python does not have this package", hint=_INSTALL_HINT)
    return QueryError(
        _words(text),
        hint="" if position is not None else _TRACE_HINT,
        sql=context.statement.bound.original,
        position=position,
    )


def _asked(error: BaseException, question: str) -> Any:
    ask = getattr(error, question, None)
    return ask() if callable(ask) else None


def _words(text: str) -> str:
    """The line that says what is wrong, without Spark's codes: of a Python trace, its last."""
    spoken = text.partition("\n\nJVM stacktrace")[0].partition("\n\tat ")[0]
    named = _NAMED.search(spoken)
    python = _PYTHON.findall(spoken.partition(_TRACEBACK)[2])
    java = _JAVA.findall(text)
    if python:
        line = ": ".join(python[-1])
    elif named:
        line = _STATE.sub("", named[2]) or named[1].lower().replace("_", " ")
    elif java:  # the last cause is the first that happened
        line = java[-1][1] or java[-1][0].rpartition(".")[2]
    else:
        line = _STATE.sub("", spoken.strip().partition("\n")[0])
    line = line.strip().rstrip(".;")
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _position(error: BaseException, text: str, context: Context) -> int | None:
    rewritten = context.rewritten
    if rewritten is None:
        return None
    for found in _asked(error, "getQueryContext") or ():
        start = _start(found)
        if start is not None and 0 <= start < len(rewritten.text):
            return rewritten.original_position(start)
    place = _PLACE.search(text)
    if place is None:
        return None
    lines = rewritten.text.split("\n")
    line, column = int(place[1]) - 1, int(place[2])
    if line >= len(lines):
        return None
    return rewritten.original_position(sum(len(each) + 1 for each in lines[:line]) + min(column, len(lines[line])))


def _start(context: Any) -> int | None:
    try:
        return int(context.startIndex())
    except Exception:  # a DataFrame's context has no place in a text
        return None


def _names(quoted: str) -> list[str]:
    """The parts of Spark's `` `a`.`b` ``."""
    return [part.replace("``", "`") for part in _BACKTICKED.findall(quoted)] or [quoted]


def _no_table(quoted: str, context: Context) -> QueryError:
    parts = _names(quoted)
    written = next(
        (
            r.name
            for r in context.statement.references
            if [p.lower() for p in r.name.parts] == [p.lower() for p in parts]
        ),
        None,
    )
    if len(parts) == 1:
        message, hint = unknown_bare(parts[0], context.catalog.sets())
    else:
        message, hint = unknown_qualified(parts[0], ".".join(parts[1:]), context.catalog)
    bound = context.statement.bound
    position = bound.original_position(written.start) if written else context.statement.position_of(parts[-1])
    return UnknownNameError(message, hint=hint, sql=bound.original, position=position)


def _no_column(quoted: str, position: int | None, context: Context) -> QueryError:
    name = _names(quoted)[-1]
    names = list(dict.fromkeys(column.name for schema in context.schemas for column in schema.columns))
    near = near_matches(name, names)
    is_one = len(context.schemas) == 1
    otherwise = listed("its bins", [column.name for column in context.schemas[0].bins]) if is_one else ""
    where = f" in {context.schemas[0].name}" if is_one else ""
    return UnknownNameError(
        f"there is no column {name}{where}",
        hint=did_you_mean(near, otherwise),
        sql=context.statement.bound.original,
        position=context.statement.position_of(name) if position is None else position,
    )

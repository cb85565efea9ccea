"""Completion in any front end, through IPython's matcher API: Jupyter's Tab and the terminal's alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from aerospike_magic.magic.command import (
    DIALECTS,
    QUERY_OPTIONS,
    SUBCOMMAND_OPTIONS,
    SUBCOMMANDS,
    Option,
    engine_names,
    result_kinds,
)
from aerospike_magic.magic.session import Session
from aerospike_magic.magic.suggest import Suggestion, suggest
from aerospike_magic.magic.trino import NAMES as TRINO_NAMES
from aerospike_magic.magic.variables import kind_words

_CELL = re.compile(r"\s*%%aerosql\b([^\n]*)")
_LINE_SQL = re.compile(r"(?:^|=)\s*%aerosql\s(.*)$")
_LINE_AEROSPIKE = re.compile(r"^\s*%aerospike\s+(.*)$")
_LAST_WORD = re.compile(r"\S*$")
_OPTION_PART = re.compile(r"\s*(?:-\S+\s+(?:[^-\s]\S*\s+)?)*(-\S*)?$")


class SqlMatcher:
    """A matcher that speaks in cells and lines of ours only, and says nothing elsewhere.

    Args:
        session: whose catalogue is offered.
        shell: whose variables are offered.
    """

    def __init__(self, session: Session, shell: Any) -> None:
        self.session = session
        self._shell = shell

    # A high priority lets it run before Python's own matchers, which would read SQL as Python.
    @context_matcher(priority=1000, identifier="aerospike_magic.sql")
    def match(self, context: CompletionContext) -> SimpleMatcherResult:
        """Return the completions at the cursor."""
        fragment, found = self.complete(context.full_text, context.cursor_line, context.cursor_position)
        completions = [SimpleCompletion(each.text, type=each.kind) for each in found]
        return {
            "completions": completions,
            "matched_fragment": fragment,
            "suppress": bool(found),
            "ordered": True,
        }

    def complete(self, text: str, line: int, column: int) -> tuple[str, tuple[Suggestion, ...]]:
        """Return the fragment to replace and the suggestions.

        Args:
            text: the whole cell.
            line: the cursor's line, from 0.
            column: the cursor's column in it, from 0.
        """
        lines = text.split("\n")
        before = lines[line][:column]
        cell = _CELL.match(text)
        if cell:
            if text[: cell.start(1)].count("\n") == line:
                return self._magic_line(before[before.index("%%aerosql") + len("%%aerosql") :])
            sql = text[cell.end() :]
            offset = sum(len(each) + 1 for each in lines[:line]) + column - cell.end()
            return self._sql(sql, offset)
        one_line = _LINE_SQL.search(before)
        if one_line:
            return self._magic_line(one_line[1], lines[line][column:])
        command = _LINE_AEROSPIKE.match(before)
        if command:
            return self._subcommand(command[1])
        return "", ()

    def _magic_line(self, before: str, after: str = "") -> tuple[str, tuple[Suggestion, ...]]:
        words = before.split(" ")
        if len(words) > 1 and words[-2] == "-t":
            return _starting(words[-1], (Suggestion(kind, "type") for kind in result_kinds()))
        if len(words) > 1 and words[-2] == "--engine":
            return _starting(words[-1], (Suggestion(name, "engine") for name in engine_names()))
        if len(words) > 1 and words[-2] == "--dialect":
            return _starting(words[-1], (Suggestion(name, "dialect") for name in DIALECTS))
        if _OPTION_PART.match(before) and (words[-1].startswith("-") or not words[-1]):
            fragment, found = _starting(words[-1], _flags(QUERY_OPTIONS))
            if words[-1] or not after:
                return fragment, found
        return self._sql(before + after, len(before))

    def _sql(self, sql: str, cursor: int) -> tuple[str, tuple[Suggestion, ...]]:
        return suggest(sql, cursor, self.session.catalog or _NoNames(), self._variables())

    def _subcommand(self, before: str) -> tuple[str, tuple[Suggestion, ...]]:
        words = before.split(" ")
        last = words[-1]
        if len(words) == 1:
            return _starting(last, (Suggestion(name, "command") for name in SUBCOMMANDS))
        if words[0] in SUBCOMMAND_OPTIONS and last.startswith("-"):
            return _starting(last, _flags(SUBCOMMAND_OPTIONS[words[0]]))
        if words[0] in TRINO_NAMES:
            return _starting(last, (Suggestion(word, "command") for word in ("start", "stop")))
        tables = self.session.catalog.tables() if self.session.catalog else ()
        if words[0] == "schema":
            return _starting(last, (Suggestion(f"{space}.{name}", "set") for space, name in tables if name))
        if words[0] in ("tables", "indexes"):
            spaces = dict.fromkeys(space for space, _ in tables)
            return _starting(last, (Suggestion(space, "namespace") for space in spaces))
        return "", ()

    def _variables(self) -> dict[str, str]:
        hidden = self._shell.user_ns_hidden
        return {
            name: kind_words(value)
            for name, value in self._shell.user_ns.items()
            if not name.startswith("_") and not (name in hidden and hidden[name] is value) and _is_data(value)
        }


class _NoNames:
    def tables(self) -> tuple[tuple[str, str], ...]:
        return ()

    def columns(self, namespace: str, set_name: str) -> tuple[tuple[str, str], ...]:
        return ()


def _starting(fragment: str, found: Iterable[Suggestion]) -> tuple[str, tuple[Suggestion, ...]]:
    return fragment, tuple(each for each in found if each.text.startswith(fragment))


def _flags(options: Mapping[str, Option]) -> Iterable[Suggestion]:
    return (Suggestion(flag, "option") for flag in options)


def _is_data(value: Any) -> bool:
    return not callable(value) and type(value).__name__ != "module"

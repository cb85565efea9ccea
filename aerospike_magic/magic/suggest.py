"""What can be typed at a place in a statement: a pure function of the text, the catalogue and the variables.

The statement is mostly unfinished, so it is not parsed: the words before the cursor say what kind of name is
wanted, and the tables named anywhere in the statement say which columns there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from aerospike_magic.magic.words import FUNCTIONS, KEYWORDS

_NAME = r'(?:"[^"]*"|[^\W\d]\w*)'
_PATH = re.compile(rf'((?:{_NAME}\s*\.\s*)*)("?\w*)$')
_VARIABLE = re.compile(r"(?:(?<![:\w]):|\{\{\s*)(\w*)$")
_TABLE_WANTED = re.compile(r"\b(?:from|join|describe|summarize)\s+$", re.IGNORECASE)
_TABLE_LIST = re.compile(r"\bfrom\s+[^()]*,\s*$", re.IGNORECASE)
_CLAUSE = re.compile(r"\b(?:where|group|order|having|limit|on|using|select|qualify|window)\b", re.IGNORECASE)
_TABLE = re.compile(
    rf"(?:\b(?:from|join)|,)\s+({_NAME})\s*(?:\.\s*({_NAME}))?(?:\s+(?:as\s+)?({_NAME}))?", re.IGNORECASE
)
_COMMON_TABLE = re.compile(rf"(?:\bwith(?:\s+recursive)?|,)\s+({_NAME})\s+as\s*\(", re.IGNORECASE)
_ALIAS_END = re.compile(
    r"(?:where|group|order|having|limit|on|using|join|left|right|full|inner|cross|semi|anti|asof|union|window|"
    r"qualify|natural|positional|offset|intersect|except)$",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"[^\W\d]\w*$")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A text that may replace the word before the cursor, and what it is."""

    text: str
    kind: str


class Names(Protocol):
    """What is known of the database; answers at once or says nothing."""

    def tables(self) -> tuple[tuple[str, str], ...]:
        """(namespace, set) pairs."""

    def columns(self, namespace: str, set_name: str) -> tuple[tuple[str, str], ...]:
        """(column, type) pairs of a set."""


def suggest(sql: str, cursor: int, names: Names, variables: Mapping[str, str]) -> tuple[str, tuple[Suggestion, ...]]:
    """Return what may be typed at a place.

    Args:
        sql: the whole statement, finished or not.
        cursor: 0-based character offset in it.
        names: the database's names.
        variables: Python variables by name, with a word for each one's type; frames have "table".

    Returns:
        The text before the cursor that a suggestion replaces, and the suggestions, best first.
    """
    before = _blank_literals(sql[:cursor])
    if before is None:
        return "", ()
    variable = _VARIABLE.search(before)
    if variable:
        return variable[1], _matching(variable[1], (Suggestion(name, kind) for name, kind in variables.items()))
    path = _PATH.search(before)
    assert path is not None  # both parts may be empty, so it always matches
    fragment, owners = path[2], tuple(_bare(name) for name in re.findall(_NAME, path[1]))
    head = before[: path.start()]
    if _wants_table(head):
        found: Iterable[Suggestion] = _tables(names, owners, sql, variables)
    elif owners:
        found = _members(names, owners, sql)
    else:
        found = _expression(names, sql, fragment)
    return fragment, _matching(fragment, found)


def _wants_table(head: str) -> bool:
    if _TABLE_WANTED.search(head):
        return True
    comma = _TABLE_LIST.search(head)
    return comma is not None and not _CLAUSE.search(head[comma.start() + 4 :])


def _blank_literals(text: str) -> str | None:
    """Blank out strings and comments; None when the text ends inside one."""
    pattern = re.compile(r"'(?:[^']|'')*('|$)|--[^\n]*(\n|$)|/\*.*?(\*/|$)", re.DOTALL)
    for match in pattern.finditer(text):
        if match.end() == len(text) and not any(match.groups()):
            return None
    return pattern.sub(lambda match: " " * len(match[0]), text)


def _tables(names: Names, owners: tuple[str, ...], sql: str, variables: Mapping[str, str]) -> Iterable[Suggestion]:
    pairs = names.tables()
    if owners:
        yield from (Suggestion(_quoted(name), "set") for space, name in pairs if space == owners[0] and name)
        return
    yield from (Suggestion(f"{_quoted(space)}.{_quoted(name)}", "set") for space, name in pairs if name)
    yield from (Suggestion(_quoted(space), "namespace") for space in dict.fromkeys(space for space, _ in pairs))
    yield from (Suggestion(_bare(match[1]), "table") for match in _COMMON_TABLE.finditer(sql))
    yield from (Suggestion(name, kind) for name, kind in variables.items() if kind == "table")


def _members(names: Names, owners: tuple[str, ...], sql: str) -> Iterable[Suggestion]:
    pairs = names.tables()
    if len(owners) >= 2 and owners[-2:] in pairs:
        yield from _columns(names, [(owners[-2], owners[-1])])
        return
    owner = owners[-1]
    meant = [pair for alias, pair in _used_tables(names, sql) if alias.lower() == owner.lower()]
    if meant:
        yield from _columns(names, meant[:1])
        return
    yield from (Suggestion(_quoted(name), "set") for space, name in pairs if space == owner and name)


def _expression(names: Names, sql: str, fragment: str) -> Iterable[Suggestion]:
    used = _used_tables(names, sql)
    yield from _columns(names, dict.fromkeys(pair for _, pair in used))
    yield from (Suggestion(alias, "alias") for alias, pair in used if alias != pair[1])
    yield from (Suggestion(f"{name}(", "function") for name in FUNCTIONS)
    lower = fragment.islower()
    yield from (Suggestion(word.lower() if lower else word, "keyword") for word in KEYWORDS)
    if not used:
        yield from (Suggestion(_quoted(space), "namespace") for space in dict.fromkeys(s for s, _ in names.tables()))


def _columns(names: Names, tables: Iterable[tuple[str, str]]) -> Iterable[Suggestion]:
    for table in tables:
        yield from (Suggestion(_quoted(name), kind) for name, kind in names.columns(*table))


def _used_tables(names: Names, sql: str) -> list[tuple[str, tuple[str, str]]]:
    """Return (alias or set name, (namespace, set)) for each set named after FROM or JOIN."""
    pairs = names.tables()
    used = []
    for match in _TABLE.finditer(_blank_literals(sql) or sql):
        first, second, alias = (_bare(part) if part else "" for part in match.groups())
        if second:
            pair = (first, second)
        else:
            pair = next((pair for pair in pairs if pair[1] == first and first), ("", ""))
        if pair in pairs:
            used.append((alias if alias and not _ALIAS_END.match(alias) else pair[1], pair))
    return used


def _matching(fragment: str, found: Iterable[Suggestion]) -> tuple[Suggestion, ...]:
    start = fragment.lstrip('"').lower()
    fits: Callable[[str], bool] = lambda text: text.lstrip('"').lower().startswith(start)  # noqa: E731
    unique = {each.text: each for each in reversed([each for each in found if fits(each.text)])}
    return tuple(reversed(unique.values()))


def _quoted(name: str) -> str:
    return name if _PLAIN.match(name) else '"' + name.replace('"', '""') + '"'


def _bare(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name

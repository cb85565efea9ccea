"""Names as Trino and Presto know them, which is in lower case, and back.

A name is spelled in lower case. Where that would be the spelling of two names of one list, those of them that have
capitals are spelled with a caret before each: of the sets ``Users``, ``USERS`` and ``users``, the tables are
``^users``, ``^u^s^e^r^s`` and ``users``. So all stay reachable, none is taken for another, and a spelling with carets
says by itself which name it is. What a spelling cannot hold as it is (the caret, the question
mark that begins a table's options, a letter beyond A to Z whose lower case is another) is written as its code in
hexadecimal, ``^(3f)``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

_NEVER_PLAIN = frozenset("^?")


def spell_all(names: Iterable[str], reserved: Iterable[str] = ()) -> dict[str, str]:
    """Return the spelling of each name of a list.

    Args:
        names: of the namespaces, of the sets of one, or of the bins of one; each once.
        reserved: spellings that stand for something else.
    """
    listed, kept = list(names), frozenset(reserved)
    counts = Counter(name.lower() for name in listed)
    return {name: _spell(name, counts, kept) for name in listed}


def find(spelling: str, names: Iterable[str], reserved: Iterable[str] = ()) -> str | None:
    """Return the name that a spelling stands for; None if it is none of the list's."""
    spelled = spell_all(names, reserved)
    return next((name for name, found in spelled.items() if found == spelling), None)


def _spell(name: str, counts: Mapping[str, int], reserved: frozenset[str]) -> str:
    lower = name.lower()
    if counts[lower] == 1 and lower not in reserved and _NEVER_PLAIN.isdisjoint(name):
        return lower
    marked = "".join(map(_marked, name))
    return _code(marked[0]) + marked[1:] if marked in reserved else marked


def _marked(c: str) -> str:
    if "A" <= c <= "Z":
        return "^" + c.lower()
    return c if c.lower() == c and c not in _NEVER_PLAIN else _code(c)


def _code(c: str) -> str:
    return f"^({ord(c):x})"

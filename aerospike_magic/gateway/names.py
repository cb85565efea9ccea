"""Names as the Thrift connectors of Trino and Presto take them, and back.

The connectors take no name of a schema, table or column but such as ``[a-z][a-z0-9_]*``: anything else makes the whole
answer an error there. So a name is spelled in lower case where that is such a word and no other name of its list has
it; every other name is spelled by a code that says it letter by letter, so that all stay reachable and none is taken
for another:

=========================================  ======================  ========================
name                                       spelling                because
=========================================  ======================  ========================
``users``, ``Flights``                     ``users``, ``flights``
``Users`` beside ``users`` and ``USERS``   ``q__users``            two would be ``users``
``USERS``                                  ``q__u_s_e_r_s``
``2024``, ``_id``                          ``q_2024``, ``q___id``  does not begin with a letter
``a-b``                                    ``q_a_02d_b``           the sign's code is 2d
=========================================  ======================  ========================

After ``q_``, an underscore stands before a capital, before another underscore, and around the hexadecimal code of what
is neither letter nor digit, which begins with 0. A name that itself begins with ``q_`` is always spelled by the code.

What this project calls ``__key``, ``__digest``, ``__generation`` and ``__ttl`` is spelled ``key__`` and so on, and the
table of the records without a set ``null__``.

Source: ``NameValidationUtils`` of both connectors' APIs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

_CODE = "q_"
_PLAIN = re.compile(r"[a-z][a-z0-9_]*")
_LETTER_OR_DIGIT = re.compile(r"[a-z0-9]")


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


def spell_special(name: str) -> str:
    """Return the spelling of ``__key`` and others that begin so: ``key__``."""
    return f"{name.removeprefix('__')}__"


def _spell(name: str, counts: Mapping[str, int], reserved: frozenset[str]) -> str:
    lower = name.lower()
    is_its_own = counts[lower] == 1 or name == lower
    if is_its_own and lower not in reserved and _PLAIN.fullmatch(lower) and not lower.startswith(_CODE):
        return lower
    return _CODE + "".join(map(_coded, name))


def _coded(c: str) -> str:
    if _LETTER_OR_DIGIT.fullmatch(c):
        return c
    if c == "_":
        return "__"
    return "_" + c.lower() if "A" <= c <= "Z" else f"_0{ord(c):x}_"

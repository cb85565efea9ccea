"""What a server's log says went wrong, in a line."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LEVEL = re.compile(r"^\d{4}-\d\d-\d\dT\S+\s+(TRACE|DEBUG|INFO|WARN|ERROR)\s+\S+\s+\S+\s+")
_NUMBERED = re.compile(r"^\d+\) ")


def last_words(lines: Sequence[str]) -> str:
    """Return the line of a log that says why a server ended.

    The server lists what is wrong with its settings as `1) …`; else an error's cause, found last in the trace, says
    more than what wraps it; else Java's own complaint; else the last line.
    """
    for pattern in (
        r"^\d+\) (?!Error injecting constructor)",
        r"^Caused by: ",
        r"\tERROR\t",
        r"^(Error|Exception)",
        r"\S",
    ):
        found = [line for line in lines if re.search(pattern, line)]
        if found:
            return _plain(found[0] if pattern.startswith(r"^\d") else found[-1])
    return "it said nothing"


def _plain(line: str) -> str:
    line = _LEVEL.sub("", line.strip())
    line = re.sub(r"^Caused by: ", "", _NUMBERED.sub("", line))
    return re.sub(r"^(?:[a-z_]\w*\.)+([A-Z]\w*(?:Exception|Error)): ", r"\1: ", line)

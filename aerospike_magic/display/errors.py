"""An error as one line of plain words, with a caret under the SQL and a hint; never a traceback of ours."""

from __future__ import annotations

from aerospike_magic.display.text import clean, width
from aerospike_magic.errors import AerospikeMagicError, QueryError

_RED, _BOLD, _DIM, _END = "\x1b[31m", "\x1b[1m", "\x1b[2m", "\x1b[0m"
WINDOW_CHARS = 100


def error_lines(error: AerospikeMagicError, *, colour: bool = True) -> list[str]:
    """Return an error as the lines of a short "traceback".

    Args:
        error: any error of ours.
        colour: whether to use ANSI colours, which notebooks and terminals both understand.

    Returns:
        The message; the line of SQL and a caret if the place is known; the hint, if there is one.
    """

    def paint(text: str, *codes: str) -> str:
        return "".join(codes) + text + _END if colour else text

    lines = [paint(clean(_message(error)), _BOLD, _RED)]
    if isinstance(error, QueryError) and error.sql and error.position is not None:
        source, caret = point_at(error.sql, error.position)
        lines += [f"  {source}", "  " + " " * caret + paint("^", _BOLD, _RED)]
    if error.hint:
        lines.append(paint(f"  {clean(error.hint)}", _DIM))
    return lines


def point_at(sql: str, position: int) -> tuple[str, int]:
    """Return the line of a statement that holds a position, and the caret's column in it.

    Args:
        sql: the statement.
        position: 0-based character offset; beyond the end means the end.

    Returns:
        At most about 100 characters of that line, safe to print, and the terminal cells before the caret.
    """
    position = max(0, min(position, len(sql)))
    start = sql.rfind("\n", 0, position) + 1
    end = sql.find("\n", position)
    line = sql[start : len(sql) if end < 0 else end]
    column = position - start
    left = max(0, min(column - WINDOW_CHARS // 2, len(line) - WINDOW_CHARS))
    before = ("…" if left else "") + line[left:column]
    after = line[column : left + WINDOW_CHARS]
    more = "…" if left + WINDOW_CHARS < len(line) else ""
    return clean(before + after) + more, width(clean(before))


def _message(error: AerospikeMagicError) -> str:
    where = [f"node {error.node}"] if error.node else []
    if error.partition is not None:
        where.append(f"partition {error.partition}")
    return error.message + (f" ({', '.join(where)})" if where else "")

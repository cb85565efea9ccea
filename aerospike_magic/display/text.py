"""Plain words for numbers, and text that is safe to print.

Data is never trusted: a control character in a bin could move a terminal's cursor, and markup in a bin could
run in a notebook. So every value goes through `clean` before a terminal sees it, and through `escape` before
a browser does.
"""

from __future__ import annotations

import html
import unicodedata

_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def count(number: int) -> str:
    """Return a whole number with thousands separated: `336,776`."""
    return f"{number:,}"


def plural(number: int, noun: str) -> str:
    """Return `1 row`, `2 rows`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def rate(per_second: float, noun: str = "") -> str:
    """Return a rate in three digits: `1.23 M/s`; "" when nothing is known yet."""
    if per_second <= 0:
        return ""
    return f"{_short(per_second)}{noun}/s"


def size(n_bytes: float) -> str:
    """Return a size in decimal units: `23.4 MB`."""
    return _short(n_bytes) + ("B" if n_bytes >= 1000 else " B")


def _short(number: float) -> str:
    for limit, unit in _UNITS:
        if number >= limit:
            return f"{number / limit:.3g} {unit}"
    return f"{number:.0f}"


def duration(seconds: float) -> str:
    """Return a duration as people say it: `0.21 s`, `12 s`, `3 min 04 s`, `2 h 05 min`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def percent(fraction: float) -> str:
    """Return `42 %`; 100 % only when it is really all."""
    return f"{min(int(fraction * 100), 99) if fraction < 1 else 100} %"


def clean(text: str) -> str:
    """Return the text with everything unprintable written out, so that it cannot steer a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _written_out(char) for char in text)


def _written_out(char: str) -> str:
    return {"\n": "↵", "\t": "→", "\r": "␍"}.get(char) or char.encode("unicode_escape").decode("ascii")


def escape(text: str) -> str:
    """Return cleaned text as HTML text or attribute value.

    `%` is written as an entity too: a line that starts with `%html` would split the output in Zeppelin.
    """
    return html.escape(clean(text), quote=True).replace("%", "&#37;")


def width(text: str) -> int:
    """Return how many terminal cells a text takes."""
    if text.isascii():
        return len(text)
    return sum(_cells(char) for char in text)


def _cells(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def fit(text: str, cells: int) -> str:
    """Return the text cut to at most `cells` terminal cells, with an ellipsis when something is cut."""
    if width(text) <= cells:
        return text
    taken, used = [], 0
    for char in text:
        used += _cells(char)
        if used > cells - 1:
            break
        taken.append(char)
    return "".join(taken) + "…" if cells > 0 else ""


def pad(text: str, cells: int, *, right: bool = False) -> str:
    """Return the text filled with blanks to `cells` terminal cells, on the left when `right` is true."""
    blanks = " " * max(0, cells - width(text))
    return blanks + text if right else text + blanks

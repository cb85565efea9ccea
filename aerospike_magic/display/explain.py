"""A plan in words, and as a small table: a row a set in HTML, a line a property in a terminal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from aerospike_magic.display.grid import Grid, GridColumn
from aerospike_magic.display.style import page
from aerospike_magic.display.text import clean, count, escape, fit

if TYPE_CHECKING:
    from aerospike_magic.engines.base import Explanation, ScanExplanation

MAX_COLUMNS_NAMED = 12
LONG_NAMES = {"pushed": "pushed to the server"}
LEAST_CELLS = 20
NAMES = ("set", "access", "pushed", "checked here", "columns", "partitions", "records", "rows, at most")


def explain_grid(explanation: Explanation) -> Grid:
    """Lay out one line a scan: access, pushed, residual, columns, partitions, estimate."""
    columns = tuple(GridColumn(name, "", name in NAMES[5:]) for name in NAMES)
    return Grid(columns, tuple(_row(scan) for scan in explanation.scans), wrap=True)


def explain_bundle(explanation: Explanation, cells: int = 120) -> dict[str, str]:
    """Return the words and the table, by MIME type."""
    words = explanation.text()
    fragment = f'<pre class="aero-words">{escape_lines(words)}</pre>'
    if not explanation.scans:
        return {"text/plain": words, "text/html": page(fragment)}
    fragment += explain_grid(explanation).fragment()
    return {"text/plain": explain_text(explanation, cells), "text/html": page(fragment)}


def explain_text(explanation: Explanation, cells: int = 120) -> str:
    """Lay out a block a scan, a line a property, wrapped to `cells`; then the notes. Nothing is cut or left out."""
    blocks = ["\n".join(_block(_row(scan), cells)) for scan in explanation.scans]
    notes = [line for note in explanation.notes for line in _wrapped(clean(note), cells)]
    return "\n\n".join([*blocks, *(["\n".join(notes)] if notes else [])])


def _block(row: tuple[str, ...], cells: int) -> list[str]:
    labels = [f"{LONG_NAMES.get(name, name)}:" for name in NAMES[1:]]
    label = max(map(len, labels)) + 1
    lines = [fit(clean(row[0]), cells)]
    for name, value in zip(labels, row[1:], strict=True):
        first, *rest = _wrapped(clean(value), max(cells - label - 2, LEAST_CELLS))
        lines.append(f"  {name:<{label}}{first}")
        lines += [" " * (label + 2) + line for line in rest]
    return lines


def _wrapped(text: str, cells: int) -> list[str]:
    return textwrap.wrap(text, cells, break_on_hyphens=False) or [""]


def escape_lines(text: str) -> str:
    """Escape text whose line breaks are meant."""
    return "&#10;".join(escape(line) for line in text.split("\n"))


def _row(scan: ScanExplanation) -> tuple[str, ...]:
    named = ", ".join(scan.columns[:MAX_COLUMNS_NAMED])
    if len(scan.columns) > MAX_COLUMNS_NAMED:
        named += f" and {len(scan.columns) - MAX_COLUMNS_NAMED} more"
    return (
        scan.table,
        scan.access,
        scan.pushed or "nothing",
        scan.checked_here or "nothing",
        named or "none",
        count(scan.partitions),
        count(scan.objects),
        count(scan.estimated_rows),
    )

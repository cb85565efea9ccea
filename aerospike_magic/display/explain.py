"""A plan in words and in a small table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aerospike_magic.display.grid import Grid, GridColumn
from aerospike_magic.display.style import page
from aerospike_magic.display.text import count, escape

if TYPE_CHECKING:
    from aerospike_magic.engines.base import Explanation, ScanExplanation

MAX_COLUMNS_NAMED = 12


def explain_grid(explanation: Explanation) -> Grid:
    """Lay out one line a scan: access, pushed, residual, columns, partitions, estimate."""
    names = (
        "set",
        "access",
        "pushed",
        "checked here",
        "columns",
        "partitions",
        "records",
        "rows, about",
    )
    columns = tuple(GridColumn(name, "", name in names[5:]) for name in names)
    return Grid(columns, tuple(_row(scan) for scan in explanation.scans), wrap=True)


def explain_bundle(explanation: Explanation, cells: int = 120) -> dict[str, str]:
    """Return the words and the table, by MIME type."""
    words, grid = explanation.text(), explain_grid(explanation)
    fragment = f'<pre class="aero-words">{escape_lines(words)}</pre>'
    if not explanation.scans:
        return {"text/plain": words, "text/html": page(fragment)}
    return {"text/plain": f"{words}\n\n{grid.text(cells)}", "text/html": page(fragment + grid.fragment())}


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
        scan.residual or "nothing",
        named or "none",
        count(scan.partitions),
        count(scan.objects),
        count(scan.estimated_rows),
    )

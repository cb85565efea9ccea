"""A small table of strings, as escaped HTML or as aligned text; every table we show is one of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aerospike_magic.display.style import page
from aerospike_magic.display.text import clean, escape, fit, pad, plural, width

MAX_CELL_CHARS = 300
LEAST_CELLS = 12  # a cut column narrower than this says nothing
NULL = "NULL"


@dataclass(frozen=True, slots=True)
class GridColumn:
    """A heading: its name, a smaller second line (a type), and whether its cells are numbers."""

    name: str
    type: str = ""
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """Headings and rows of strings; a cell that is None is shown as NULL.

    Attributes:
        columns: the headings.
        rows: one tuple a row, as long as `columns`; text as it is, not escaped.
        title: a line above, or "".
        note: a line below, or "".
        wrap: whether long cells break into lines instead of being cut.
    """

    columns: tuple[GridColumn, ...]
    rows: tuple[tuple[str | None, ...], ...]
    title: str = ""
    note: str = ""
    wrap: bool = False

    def html(self) -> str:
        """Return the table as one self-contained, scrollable block of HTML."""
        return page(self.fragment())

    def fragment(self) -> str:
        """Return the table as HTML without the style sheet."""
        head = "".join(_heading(column) for column in self.columns)
        body = "".join(_row(self.columns, row) for row in self.rows)
        kind = "aero-grid aero-wrap" if self.wrap else "aero-grid"
        title = f'<div class="aero-title">{escape(self.title)}</div>' if self.title else ""
        note = f'<div class="aero-note">{escape(self.note)}</div>' if self.note else ""
        label = escape(self.title or "result")
        return (
            f'{title}<div class="aero-scroll" role="region" tabindex="0" aria-label="{label}">'
            f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{note}'
        )

    def text(self, cells: int = 120) -> str:
        """Return the table as aligned text.

        Args:
            cells: width of the terminal; columns that do not fit are left out and counted.
        """
        shown, left_out = self._fitting(cells)
        lines = [self.title] if self.title else []
        lines += _text_lines(shown, cells)
        notes = [self.note] if self.note else []
        if left_out:
            notes.append(f"{plural(left_out, 'more column')} not shown")
        return "\n".join([*lines, *notes])

    def bundle(self, cells: int = 120) -> dict[str, str]:
        """Return the table in both forms, by MIME type."""
        return {"text/html": self.html(), "text/plain": self.text(cells)}

    def _fitting(self, cells: int) -> tuple[list[tuple[GridColumn, list[str], int]], int]:
        shown: list[tuple[GridColumn, list[str], int]] = []
        used = 0
        for index, column in enumerate(self.columns):
            values = [_cut(NULL if row[index] is None else clean(row[index] or "")) for row in self.rows]
            wanted = max([width(clean(column.name)), width(column.type), *map(width, values), 1])
            left = cells - used
            is_last = index == len(self.columns) - 1
            needed = min(wanted, left if is_last else max(cells // 2, 20))
            if (shown and needed > left) or (is_last and needed < min(wanted, LEAST_CELLS)):
                return shown, len(self.columns) - index
            shown.append((column, values, needed))
            used += needed + 2
        return shown, 0


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CELL_CHARS else text[: MAX_CELL_CHARS - 1] + "…"


def _heading(column: GridColumn) -> str:
    kind = f'<span class="aero-type">{escape(column.type)}</span>' if column.type else ""
    side = ' class="aero-r"' if column.is_number else ""
    return f'<th scope="col"{side}>{escape(column.name)}{kind}</th>'


def _row(columns: Sequence[GridColumn], row: Sequence[str | None]) -> str:
    return "<tr>" + "".join(_cell(column, value) for column, value in zip(columns, row, strict=True)) + "</tr>"


def _cell(column: GridColumn, value: str | None) -> str:
    side = ' class="aero-r"' if column.is_number else ""
    if value is None:
        return f'<td{side}><span class="aero-null">{NULL}</span></td>'
    return f"<td{side}>{escape(_cut(value))}</td>"


def _text_lines(shown: list[tuple[GridColumn, list[str], int]], cells: int) -> list[str]:
    if not shown:
        return []

    def line(parts: list[str]) -> str:
        laid = [
            pad(fit(part, wide), wide, right=column.is_number)
            for part, (column, _, wide) in zip(parts, shown, strict=True)
        ]
        return fit("  ".join(laid).rstrip(), cells)

    lines = [line([clean(column.name) for column, _, _ in shown])]
    if any(column.type for column, _, _ in shown):
        lines.append(line([column.type for column, _, _ in shown]))
    lines.append(fit("  ".join("─" * wide for _, _, wide in shown), cells))
    lines += [line(list(parts)) for parts in zip(*(values for _, values, _ in shown), strict=True)]
    return lines

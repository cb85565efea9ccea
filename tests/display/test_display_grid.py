"""Tables: escaped, scrollable, typed; and aligned as text."""

from __future__ import annotations

import datetime

import pyarrow as pa

from aerospike_magic.display.grid import Grid, GridColumn
from aerospike_magic.display.style import style_sheet
from aerospike_magic.display.table import cell_text, result_grid, type_name


def test_a_result_shows_names_types_and_values() -> None:
    table = pa.table({"origin": ["JFK", None], "n": pa.array([1, 22], pa.int64())})
    grid = result_grid(table)
    assert grid.text() == (
        "origin      n\nstring  int64\n──────  ─────\nJFK         1\nNULL       22\n2 rows × 2 columns"
    )
    assert '<th scope="col">origin<span class="aero-type">string</span></th>' in grid.html()
    assert '<span class="aero-null">NULL</span>' in grid.html()


def test_markup_in_data_and_in_names_stays_text() -> None:
    evil = "</td><script>alert(1)</script>"
    html = result_grid(pa.table({evil: [evil]})).html()
    assert "<script>" not in html
    assert html.count("&lt;script&gt;") == 2


def test_more_rows_are_announced() -> None:
    grid = result_grid(pa.table({"a": [1]}), more=True, hint="-o NAME for all")
    assert grid.note == "first 1 row × 1 column; -o NAME for all"


def test_columns_that_do_not_fit_are_counted() -> None:
    grid = Grid(tuple(GridColumn(f"column{i}") for i in range(20)), (tuple("x" * 20),))
    text = grid.text(60)
    assert all(len(line) <= 60 for line in text.splitlines())
    assert text.endswith("more columns not shown")
    assert "column19" in grid.html()


def test_an_empty_result_keeps_its_columns() -> None:
    grid = result_grid(pa.table({"a": pa.array([], pa.int64())}))
    assert grid.text().endswith("0 rows × 1 column")


def test_repeated_names_and_no_columns_are_fine() -> None:
    assert "    3      4" in result_grid(pa.Table.from_arrays([pa.array([3]), pa.array([4])], names=["a", "a"])).text()
    assert result_grid(pa.table({})).text() == "0 rows × 0 columns"


def test_values_read_as_expected() -> None:
    assert cell_text(True) == "true"
    assert cell_text(2**53 + 1) == "9007199254740993"
    assert cell_text(0.1) == "0.1"
    assert cell_text(float("nan")) == "nan"
    assert cell_text(b"\x00\xff") == "0x00ff"
    assert cell_text({"a": [1, None, b"\x01"]}) == '{"a": [1, null, "0x01"]}'
    assert cell_text(datetime.date(2013, 1, 1)) == "2013-01-01"
    assert type_name(pa.list_(pa.int64())) == "list<item: int64>"


def test_long_values_are_cut() -> None:
    assert len(result_grid(pa.table({"a": ["x" * 10_000]})).text(2000).splitlines()[3]) <= 300


def test_the_style_sheet_is_one_line_without_comments() -> None:
    assert "\n" not in style_sheet()
    assert "/*" not in style_sheet()
    assert "--jp-content-font-color1" in style_sheet()

"""Errors: one line, a caret, a hint."""

from __future__ import annotations

from aerospike_magic.display.errors import error_lines, point_at
from aerospike_magic.errors import ScanTimeout, UnknownNameError


def test_a_caret_stands_under_the_place() -> None:
    sql = "SELECT\n  dep_dely FROM demo.flights"
    error = UnknownNameError("there is no column dep_dely", hint="did you mean dep_delay?", sql=sql, position=9)
    assert error_lines(error, colour=False) == [
        "there is no column dep_dely",
        "    dep_dely FROM demo.flights",
        "    ^",
        "  did you mean dep_delay?",
    ]


def test_a_long_line_is_shown_around_the_place() -> None:
    sql = "SELECT " + ", ".join(f"column_{i}" for i in range(100)) + ", wrong"
    line, caret = point_at(sql, sql.index("wrong"))
    assert len(line) <= 102
    assert line[caret:].startswith("wrong")


def test_a_place_beyond_the_end_is_the_end() -> None:
    assert point_at("SELECT 1", 99) == ("SELECT 1", 8)


def test_wide_characters_before_the_place_are_counted() -> None:
    assert point_at("SELECT '東京' x", 12)[1] == 14


def test_where_it_happened_is_said() -> None:
    error = ScanTimeout("the node stopped answering", node="BB9 10.0.0.1:3000", partition=7)
    assert error_lines(error, colour=False) == ["the node stopped answering (node BB9 10.0.0.1:3000, partition 7)"]


def test_an_error_cannot_steer_the_terminal() -> None:
    assert "\x1b[2J" not in "".join(error_lines(UnknownNameError("no set \x1b[2J"), colour=False))

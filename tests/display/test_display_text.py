"""Numbers as people say them, and text that can neither steer a terminal nor run in a page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aerospike_magic.display.text import clean, duration, escape, fit, pad, percent, plural, rate, size, width


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.214, "0.21 s"), (9.99, "9.99 s"), (59.4, "59 s"), (184, "3 min 04 s"), (7500, "2 h 05 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_rates_sizes_and_counts() -> None:
    assert rate(1_234_567) == "1.23 M/s"
    assert rate(0) == ""
    assert size(23_400_000) == "23.4 MB"
    assert size(12) == "12 B"
    assert plural(1, "row") == "1 row"
    assert plural(2000, "row") == "2,000 rows"


def test_a_hundred_percent_is_said_only_of_all() -> None:
    assert percent(0.9999) == "99 %"
    assert percent(1.0) == "100 %"


def test_control_characters_are_written_out() -> None:
    assert clean("a\x1b[2Jb\nc\u202e") == "a\\x1b[2Jb↵c\\u202e"


def test_markup_and_zeppelin_directives_are_escaped() -> None:
    assert escape('<img src=x onerror="1">%html') == "&lt;img src=x onerror=&quot;1&quot;&gt;&#37;html"


@given(st.text(max_size=60), st.integers(1, 40))
def test_fitted_text_is_never_wider_than_its_place(text: str, cells: int) -> None:
    fitted = fit(clean(text), cells)
    assert width(fitted) <= cells
    assert width(pad(fitted, cells)) == cells


@given(st.text())
def test_cleaned_text_is_printable_and_escaped_text_has_no_markup(text: str) -> None:
    assert clean(text).isprintable()
    assert not set("<>\"'%") & set(escape(text))

"""One line that says what a query does, and what it did."""

from __future__ import annotations

import io

from aerospike_magic.display.live import PlainView, TerminalView, ZeppelinView
from aerospike_magic.display.progress import (
    bar,
    live_line,
    mismatch_lines,
    stopped_words,
    summary_html,
    summary_line,
    total_fraction,
)
from aerospike_magic.display.text import width
from aerospike_magic.scan.progress import Mismatch


def test_a_finished_scan_is_one_line(snapshot) -> None:
    line = summary_line([snapshot()], 0.21)
    assert line == "336,776 scanned → 111,279 returned · origin = 'JFK' pushed · 0.21 s"


def test_the_scans_of_a_join_are_named(snapshot) -> None:
    scans = [snapshot(), snapshot(set_name="airlines", scanned=16, returned=16, pushed="")]
    assert summary_line(scans, 0.3) == (
        "demo.flights 336,776 scanned → 111,279 returned · origin = 'JFK' pushed"
        " + demo.airlines 16 scanned → 16 returned · 0.30 s"
    )


def test_a_residual_filter_a_lookup_and_retries_are_told(snapshot) -> None:
    line = summary_line([snapshot(access="key look-up", residual="x > 1.5", retries=2, throttled=True)], 1)
    assert "x > 1.5 checked here · key look-up · 2 partitions asked again · throttled" in line


def test_a_scan_that_was_stopped_is_not_called_whole(snapshot) -> None:
    assert "stopped at 25 % of the partitions" in summary_line([snapshot(0.25, state="cancelled")], 1)
    assert stopped_words([snapshot(0.25)]) == "25 % of 4,096 partitions, 84,194 scanned → 27,819 returned"
    assert stopped_words([]) == "nothing was read"


def test_predicates_are_escaped_in_html_and_cut_when_endless(snapshot) -> None:
    found = summary_html([snapshot(pushed="x = '<script>'")], 0.2, tail="df: 1 row")
    assert "<script>" not in found
    assert "&lt;script&gt;" in found
    assert 'role="status"' in found
    assert len(summary_line([snapshot(pushed="x" * 5000)], 1)) < 300


def test_the_live_line_fits_any_width(snapshot) -> None:
    scans = [snapshot(0.42, throttled=True)]
    for cells in (10, 40, 79, 120, 200):
        assert width(live_line(scans, 0.2, cells)) <= cells
    assert live_line(scans, 0.2, 200).startswith("█")
    assert "41 % · 141,445 scanned → 46,737" in live_line(scans, 0.2, 200)
    assert live_line([], 0.2) == "planning · 0.20 s"


def test_the_bar_fills_by_eighths() -> None:
    assert bar(0, 10) == "·" * 10
    assert bar(1, 10) == "█" * 10
    assert bar(0.55, 10) == "█████▌····"
    assert total_fraction([]) == 0


def test_mismatches_are_shown_with_an_example(snapshot) -> None:
    found = (Mismatch("dep_delay", 12, "x"), Mismatch("extra", 1, "", "unseen"))
    lines = mismatch_lines([snapshot(mismatches=found)])
    assert lines[0] == 'demo.flights, bin `dep_delay`: 12 values did not fit, now NULL, e.g. "x"'
    assert lines[1].startswith("demo.flights, bin `extra`: 1 value of a bin that the sample did not have")


def test_a_terminal_line_is_rewritten_in_place(snapshot) -> None:
    stream = io.StringIO()
    view = TerminalView(stream, cells=80)
    view.update([snapshot(0.5)], 0.1)
    view.update([snapshot(0.9)], 0.2)
    view.finish("done", "")
    written = stream.getvalue()
    assert written.count("\n") == 1
    assert written.endswith("\r\x1b[Kdone\n")


def test_elsewhere_only_the_last_line_is_written(snapshot) -> None:
    stream = io.StringIO()
    view = PlainView(stream)
    view.update([snapshot(0.5)], 0.1)
    view.finish("done", "")
    assert stream.getvalue() == "done\n"


def test_zeppelins_own_bar_moves(snapshot) -> None:
    class Context:
        seen: list[int]

        def setProgress(self, percent: int) -> None:
            self.seen.append(percent)

    context = Context()
    context.seen = []
    ZeppelinView(context).update([snapshot(0.5)], 0.1)
    ZeppelinView(None).update([snapshot(0.5)], 0.1)
    assert context.seen == [50]

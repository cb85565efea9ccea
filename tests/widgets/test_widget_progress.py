"""The traits of the progress widget; `tests/browser` has the map in a real JupyterLab."""

from __future__ import annotations

from typing import Any

from aerospike_magic.scan.progress import N_PARTITIONS, NodeProgress, PartitionState, ScanProgress
from aerospike_magic.widgets.progress import ProgressWidget, scan_words, widget_traits


def snapshot(done: int, **changes: Any) -> ScanProgress:
    states = bytes([PartitionState.DONE] * done + [PartitionState.WAITING] * (N_PARTITIONS - done))
    nodes = (NodeProgress("BB9", "10.0.0.1:3000", N_PARTITIONS, done, 500, 1000),)
    values = {
        "namespace": "demo",
        "set_name": "flights",
        "state": "running",
        "partitions": states,
        "owners": bytes(N_PARTITIONS),
        "nodes": nodes,
        "scanned": 1000,
        "records": 500,
        "returned": 400,
        "n_bytes": 1000,
        "elapsed_s": 1.0,
        "records_per_s": 1000.0,
        "eta_s": 3.0,
    }
    return ScanProgress(**{**values, **changes})


def test_the_traits_are_the_snapshots() -> None:
    traits = widget_traits([snapshot(1024), snapshot(2048, set_name="airlines")], 1.5)
    assert len(traits["states"]) == len(traits["owners"]) == 2 * N_PARTITIONS
    assert traits["fraction"] == 0.375
    assert traits["clock"] == "1.50 s · 3.00 s left"
    assert [scan["name"] for scan in traits["scans"]] == ["demo.flights", "demo.airlines"]
    assert set(traits) <= set(ProgressWidget.class_trait_names())


def test_a_screen_reader_hears_of_every_tenth_only() -> None:
    heard = {widget_traits([snapshot(done)], 1)["status"] for done in range(0, N_PARTITIONS + 1, 64)}
    assert len(heard) == 11


def test_words_cannot_carry_control_characters() -> None:
    assert scan_words(snapshot(0, pushed="x = '\x1b[2J'"))["pushed"] == "x = '\\x1b[2J'"


def test_planning_has_no_scan_yet() -> None:
    traits = widget_traits([], 0.1)
    assert (traits["scans"], traits["states"], traits["status"]) == ([], b"", "planning the query")

"""Every measurement runs, on little data, and gives figures of the promised shape. No figure is judged here."""

from __future__ import annotations

import importlib
import json

import pytest

from benchmarks import __main__ as program
from benchmarks.report import Figure

pytestmark = pytest.mark.slow  # a dozen fresh interpreters

RECORDS = 20_000


TARGETS = {
    "a": ["≤ 1.15 ×"],
    "b": ["≥ 7 ×", "≥ 20 ×", "≤ 0.25 ×"],
    "c": ["≥ 6 M records/s"],
    "d": [],
    "e": ["≤ 10 %"],
    "f": ["≤ 0.3 s"],
    "g": ["≤ 0.3 s", "≤ 0.3 s"],
    "h": ["≥ 100,000 records/s"],
    "i": ["≥ 3 ×"],
    "j": ["≥ 5 ×", "≥ 2 ×", "≥ 3 ×"],
    "k": ["≤ 1.5 s"],
    "l": ["≤ 1.25 ×", "≥ 2 ×"],
}


def needs(key, *marks):
    return pytest.param(key, marks=[pytest.mark.timeout(600), *marks], id=key)


@pytest.mark.parametrize(
    "key",
    [*"abcdefghi", needs("j"), needs("k"), needs("l", pytest.mark.trino("trino"))],
)
def test_a_measurement_runs_and_gives_figures(key, tmp_path, monkeypatch):
    monkeypatch.delenv("AEROSPIKE_TEST_HOST", raising=False)
    module = importlib.import_module(f"benchmarks.{program.MEASUREMENTS[key]}")
    if reason := getattr(module, "missing", str)():
        pytest.skip(reason)
    path = tmp_path / "figures.json"
    assert program.main(["--only", key, "--records", str(RECORDS), "--repeat", "1", "--json", str(path)]) == 0
    content = json.loads(path.read_text())
    assert content["records"] == RECORDS
    assert content["server"]["embedded"] is True
    (measurement,) = content["measurements"]
    assert measurement["key"] == key
    assert not measurement["failed"]
    assert measurement["title"]
    assert measurement["how"]
    assert measurement["samples"]
    assert all(values for values in measurement["samples"].values())
    for figure in measurement["figures"]:
        assert set(figure) == {"name", "value", "unit", "target", "met"}
        assert isinstance(figure["value"], int | float)
        assert figure["unit"]
        assert (figure["met"] is None) == (figure["target"] == "")
    assert [figure["target"] for figure in measurement["figures"] if figure["target"]] == TARGETS[key]


def test_every_measurement_has_its_targets_here():
    assert list(TARGETS) == list(program.MEASUREMENTS)


def test_a_figure_knows_whether_it_meets_its_target():
    assert Figure("ratio", 1.1, "×", at_most=1.15).is_met
    assert not Figure("ratio", 1.2, "×", at_most=1.15).is_met
    assert Figure("speed", 7.0, "M records/s", at_least=6).is_met
    assert Figure("time", 1.0).is_met is None


@pytest.mark.parametrize("arguments", [["--only", "a,z"], ["--records", "3"], ["--repeat", "0"]])
def test_arguments_that_make_no_sense_are_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        program.main(arguments)
    assert "usage: python -m benchmarks" in capsys.readouterr().err

"""Every measurement runs, on little data, and gives figures of the promised shape. No figure is judged here."""

from __future__ import annotations

import json

import pytest

from benchmarks import __main__ as program
from benchmarks import spark_session
from benchmarks.report import Figure

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # a dozen fresh interpreters, and Spark twice

RECORDS = 20_000
WITHOUT_FIGURES = {"j", "k"} if spark_session.missing() else set()


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("benchmarks") / "figures.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AEROSPIKE_TEST_HOST", raising=False)
        assert program.main(["--records", str(RECORDS), "--repeat", "1", "--json", str(path)]) == 0
    return json.loads(path.read_text())


def test_every_measurement_runs(content):
    assert [m["key"] for m in content["measurements"]] == list(program.MEASUREMENTS)
    assert not any(m["failed"] for m in content["measurements"])
    assert content["records"] == RECORDS
    assert content["server"]["embedded"] is True


def test_figures_are_numbers_with_a_unit(content):
    for measurement in content["measurements"]:
        assert measurement["title"]
        assert measurement["how"]
        assert bool(measurement["figures"]) == (measurement["key"] not in WITHOUT_FIGURES)
        for figure in measurement["figures"]:
            assert set(figure) == {"name", "value", "unit", "target", "met"}
            assert isinstance(figure["value"], int | float)
            assert figure["unit"]
            assert (figure["met"] is None) == (figure["target"] == "")


def test_every_target_of_the_project_is_measured(content):
    targets = {m["key"]: [f["target"] for f in m["figures"] if f["target"]] for m in content["measurements"]}
    assert targets == {
        "a": ["≤ 1.15 ×"],
        "b": ["≥ 7 ×", "≥ 20 ×", "≤ 0.25 ×"],
        "c": ["≥ 6 M records/s"],
        "d": [],
        "e": ["≤ 10 %"],
        "f": ["≤ 0.3 s"],
        "g": ["≤ 0.3 s", "≤ 0.3 s"],
        "h": ["≥ 100,000 records/s"],
        "i": ["≥ 3 ×"],
        "j": [] if WITHOUT_FIGURES else ["≥ 5 ×", "≥ 2 ×", "≥ 3 ×"],
        "k": [] if WITHOUT_FIGURES else ["≤ 1.5 s"],
    }


def test_samples_are_kept(content):
    for measurement in content["measurements"]:
        assert bool(measurement["samples"]) == (measurement["key"] not in WITHOUT_FIGURES)
        assert all(values for values in measurement["samples"].values())


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

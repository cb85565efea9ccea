"""The model of a large Spark job: its arithmetic, and that the docs show what it prints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import spark_model as model
from benchmarks.spark_model import Case, Costs

DOCS = Path(__file__).parent.parent.parent / "docs" / "spark.md"
EVEN = Costs(spread=0, query_threads=1_024, starts_a_second=1e9)
SMALL = Case(records=1e6, nodes=3, cores=10, hours=1)


def test_the_docs_show_what_it_prints(capsys):
    assert model.main([]) == 0
    assert f"```\n{capsys.readouterr().out}```\n" in DOCS.read_text(encoding="utf-8")


def test_every_assumption_can_be_set(capsys):
    model.main(["--record-bytes", "5000", "--nodes", "66", "--query-threads", "512"])
    printed = capsys.readouterr().out
    assert "5,000 bytes, 66 nodes" in printed
    assert "query-threads-limit 512" in printed


@pytest.mark.parametrize("name", model.Costs.__dataclass_fields__)
def test_each_cost_says_whether_it_was_measured(name):
    text = " ".join((Costs.__doc__ or "").split())
    assert name == "query_threads" or f"{name}: measured." in text or f"{name}: assumed." in text


def test_the_jobs_own_work_is_what_makes_it_take_so_long():
    for case in (SMALL, Case()):
        roomy = replace(Costs(), query_threads=case.cores)
        took = model.simulate(case, roomy, model.MOST_TASKS, model.own_work(case, Costs())).hours
        assert took == pytest.approx(case.hours, rel=0.01)


def test_equal_cores_do_equal_tasks_in_as_many_rounds_as_it_needs():
    ten = model.simulate(SMALL, EVEN, 10, own_work_us=36_000, seed=3)
    assert ten.queries == 4
    # One core in a hundred is slow, by chance none of these ten.
    assert ten.hours == pytest.approx(1, rel=0.02)
    eleven = model.simulate(SMALL, EVEN, 11, own_work_us=36_000, seed=3)
    assert eleven.hours == pytest.approx(20 / 11, rel=0.02)
    assert eleven.busy == pytest.approx(11 / 20, rel=0.02)


def test_no_more_tasks_run_than_the_nodes_have_room_for():
    run = model.simulate(SMALL, replace(EVEN, query_threads=1), 1_000, own_work_us=36_000, seed=3)
    assert run.queries == 1
    assert run.hours == pytest.approx(10 / 3, rel=0.02)


def test_slices_cost_walks_over_the_index_and_nothing_below_4096_tasks():
    def walks(tasks):
        found = {limit.name: limit.seconds for limit in model.limits(Case(), Costs(), tasks, 1.0)}
        return found["nodes: cores, passing over other slices"]

    assert walks(4_096) == 0
    assert walks(32_768) == pytest.approx(7 * walks(8_192))

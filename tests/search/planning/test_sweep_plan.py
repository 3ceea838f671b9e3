"""`spoofsweep plan`, from a study file to the words on the terminal."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from cluster.config import ClusterConfig
from cluster.errors import SpoofsweepError
from data_prep.shards import ShardSet
from search.planning.pass_timing import measure_pass
from search.planning.plan import Plan, count_places, make_plan, notes
from search.planning.plan_tables import print_plan
from search.study.study import Study

STUDY = """
[study]
name = "planned"
output = "{output}"
[corpus]
layout = "asvspoof2019-la"
root = "{root}"
[trial]
budget_passes = 27
[space]
model.dropout = {{ low = 0.0, high = 0.6 }}
optimizer.learning_rate = {{ low = 1e-4, high = 1e-2, log = true }}
"""


@pytest.fixture
def load(study_of: Callable[[str, str], Study]) -> Callable[..., Study]:
    return lambda more="": study_of(STUDY, more)


def planned(study: Study, workers: int | None = 2, seconds: float | None = 10.0) -> Plan:
    return make_plan(study, seconds, workers, Console(quiet=True))


def shown(plan: Plan) -> str:
    console = Console(file=io.StringIO(), width=80)
    print_plan(plan, console)
    return console.file.getvalue()


def test_rungs_hours_and_cost_fit_a_terminal(load, tmp_path: Path) -> None:
    plan = planned(
        load("[search]\nsampler = 'random'\nrung_trust = false\n[cluster]\ncpus_per_trial = 2\nprice_per_hour = 30.0\n")
    )
    text = shown(plan)
    assert not (tmp_path / "out").exists()
    assert max(map(len, text.splitlines())) <= 80
    lines = [line.split() for line in text.splitlines()]
    assert float(next(line for line in lines if line[:2] == ["1", "3"])[2]) > 39  # but for those that diverge before
    # Nine trainings of 27 passes of ten seconds, two cores each, two at a time; a sixtieth of 30 a minute.
    assert ["finalists,", "3", "x", "3", "seeds", "1.4", "22", "min", "11.25"] in lines
    assert ["search", "without", "pruning", "6", "1", "h", "30", "45.00"] in lines


def test_more_workers_than_trials_do_not_make_a_training_shorter(load) -> None:
    machines = "[cluster.prices]\nhead = 10.0\nworker = 20.0\n[cluster.launch]\nnum_workers = 4\n"
    study = load(f"[search]\nnum_trials = 5\nsampler = 'random'\nrung_trust = false\n{machines}")
    lines = [line.split() for line in shown(planned(study, workers=500)).splitlines()]
    assert next(line for line in lines if line[:3] == ["search", "without", "pruning"])[-3:] == ["4.5", "min", "6.75"]


def test_a_small_validation_set_and_a_small_budget_are_named(load) -> None:
    found = notes(planned(load("[search]\nnum_trials = 5\nrung_trust = false\n"), workers=8))
    assert any("8 workers for 5 trials" in note for note in found)
    assert any("5 of 5 trials begin before the first has ended, so auto cannot learn" in note for note in found)
    assert any("fewer than search.reduction_factor = 3" in note for note in found)
    assert any("dev is too small to rank by" in note and "16 bona fide and 48 spoofed" in note for note in found)


def test_trust_that_comes_too_late_is_named(load) -> None:
    found = notes(planned(load("[search]\nsampler = 'random'\nnum_trials = 12\n")))
    assert any("until a rung has earned trust it lets all through" in note for note in found)


def test_a_study_without_pruning_has_nothing_to_be_warned_of(load) -> None:
    plan = planned(load("[search]\npruning = 'none'\nsampler = 'random'\n"))
    assert notes(plan) == []
    assert "by luck:" not in shown(plan)


def test_a_gpu_study_is_planned_on_a_laptop(load) -> None:
    plan = planned(load("[cluster]\ngpus_per_trial = 0.5\n"), workers=16)
    assert "GPU-hours" in shown(plan)
    assert "16 at a time, each with 0.5 GPU and 1 CPU core" in shown(plan)


def test_folds_train_all_their_models_and_finalists_one(load) -> None:
    plain, folded = (planned(load(more + "[search]\nsampler = 'qmc'\n")) for more in ("", "[validation]\nfolds = 2\n"))
    assert folded.found.num_train == plain.found.num_train == 132
    assert folded.finalists_s[0] / plain.finalists_s[0] == pytest.approx(132 / folded.found.horizon.samples_per_pass)
    assert sum(folded.found.num_dev) < sum(plain.found.num_dev) == 64


def test_what_is_missing_is_said(load) -> None:
    with pytest.raises(SpoofsweepError, match=r"run `spoofsweep prep .* or give --seconds-per-pass"):
        planned(load(), seconds=None)
    with pytest.raises(SpoofsweepError, match=r"give --workers, or cluster.max_concurrent_trials"):
        planned(load("[cluster]\naddress = 'auto'\n"), workers=None)


def test_places_of_this_machine() -> None:
    assert count_places(ClusterConfig(num_cpus=7, cpus_per_trial=2)) == 3
    assert count_places(ClusterConfig(num_cpus=7, max_concurrent_trials=2)) == 2
    assert count_places(ClusterConfig(address="auto", max_concurrent_trials=5)) == 5
    with pytest.raises(SpoofsweepError, match="room for a trial"):
        count_places(ClusterConfig(num_cpus=1, cpus_per_trial=2))


def test_a_pass_is_measured_on_the_shards(tiny_study: Study, tiny_shards: ShardSet) -> None:
    one = measure_pass(tiny_study.config.trial, tiny_shards, (), 132, "cpu", 1, measured_s=0.3)
    assert 0 < one.train_s < 60
    assert 0 < one.validation_s < one.total_s
    two = measure_pass(tiny_study.config.trial, tiny_shards, (("A01",), ("A02",)), 13200, "cpu", 1, measured_s=0.3)
    assert two.train_s > 10 * one.train_s

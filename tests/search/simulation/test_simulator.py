"""Sweeps in virtual time, by the real conductor, ledger, sampler and pruner."""

import numpy as np
import pytest
from virtual_studies import DropoutCurves, virtual_study

from search.ledger.ledger import Ledger
from search.pruning.asha import Asha
from search.simulation.curves import Curve
from search.simulation.simulator import simulate
from search.simulation.virtual_sweep import virtual_sweep
from search.sweep.conductor import Conductor
from search.trials.trial_record import TrialRecord


def test_a_worker_trains_one_trial_after_another() -> None:
    config, horizon = virtual_study(num_trials=4, pruning="none")
    trials = list(virtual_sweep(config, horizon, DropoutCurves(), num_workers=1, seed=1, start_s=2.0))
    assert [trial.number for trial in trials] == [0, 1, 2, 3]
    assert [(trial.start_s, trial.end_s) for trial in trials] == [(0, 92), (92, 184), (184, 276), (276, 368)]
    assert all(trial.completed and trial.samples_seen == 900 for trial in trials)


def test_workers_run_side_by_side_and_fall_idle_when_trials_run_out() -> None:
    config, horizon = virtual_study(num_trials=5, pruning="none")
    trials = list(virtual_sweep(config, horizon, DropoutCurves(), num_workers=2, seed=1))
    assert [trial.start_s for trial in trials] == [0, 0, 90, 90, 180]
    assert len(list(virtual_sweep(config, horizon, DropoutCurves(), num_workers=100, seed=1))) == 5


def test_a_sweep_can_be_left_in_the_middle() -> None:
    config, horizon = virtual_study()
    trials = virtual_sweep(config, horizon, DropoutCurves(), num_workers=2, seed=1)
    whole = virtual_sweep(config, horizon, DropoutCurves(), num_workers=2, seed=1)
    assert [next(trials).number for _ in range(5)] == [trial.number for trial in whole][:5]


def test_a_pruned_trial_frees_its_worker_at_once() -> None:
    config, horizon = virtual_study()
    trials = list(virtual_sweep(config, horizon, DropoutCurves(), num_workers=3, seed=1))
    stopped = [trial for trial in trials if not trial.completed]
    assert {trial.samples_seen for trial in stopped} == {100, 300}
    assert {trial.end_s - trial.start_s for trial in stopped} == {10.0, 30.0}
    starts = sorted(trial.start_s for trial in trials)[3:]
    assert starts == sorted(trial.end_s for trial in trials)[: len(starts)]


def test_it_repeats_itself_and_another_seed_does_not() -> None:
    config, horizon = virtual_study()

    def course(seed: int) -> list[tuple[int, float, float]]:
        trials = list(virtual_sweep(config, horizon, DropoutCurves(), num_workers=4, seed=seed))
        return [(trial.number, trial.end_s, trial.dev_eer) for trial in trials]

    assert course(1) == course(1)
    assert course(1) != course(2)


def test_the_ledger_holds_what_a_real_sweep_would(ledger: Ledger) -> None:
    """The SQLite ledger of the tests: every report, true states, the rung that stopped a trial."""
    trials = list(simulate(Conductor(ledger, Asha([100, 300], 3), 12), DropoutCurves(), num_workers=2))
    records = ledger.trials()
    ended = {trial.number: trial for trial in trials}
    assert sorted(ended) == [record.number for record in records] == list(range(12))
    for record in records:
        trial = ended[record.number]
        assert record.samples_seen == trial.samples_seen
        assert record.reports[record.samples_seen] == trial.dev_eer
        assert record.state == ("COMPLETE" if trial.completed else "PRUNED")
        assert trial.completed or record.attributes["prune_rung"] == trial.samples_seen


def test_rungs_that_have_to_earn_trust_let_the_witnesses_through() -> None:
    config, horizon = virtual_study(rung_trust=True, trust_trials=5, trust_share=0.0, first_rung_passes=1)
    trials = list(virtual_sweep(config, horizon, DropoutCurves(), num_workers=1, seed=1))
    assert all(trial.completed for trial in trials[:5])
    assert 0 < sum(trial.completed for trial in trials[5:]) < len(trials[5:]) / 2


def test_a_diverged_course_ends_early_and_is_no_result(ledger: Ledger) -> None:
    class Diverging:
        def curve(self, trial: TrialRecord) -> Curve:
            eer = np.array([0.4, 1.0])
            return Curve(np.array([100, 200]), eer, eer, np.array([1.0, 2.0]), diverged=trial.number == 1)

    trials = list(simulate(Conductor(ledger, Asha([], 3), 2), Diverging(), num_workers=1))
    assert [trial.completed for trial in trials] == [True, False]
    assert [record.converged for record in ledger.trials()] == [True, False]


@pytest.mark.parametrize("num_workers", [1, 7])
def test_time_is_spent_on_reports_alone(num_workers: int) -> None:
    """Whatever the number of workers: none waits while trials are left."""
    config, horizon = virtual_study()
    trials = list(virtual_sweep(config, horizon, DropoutCurves(), num_workers, seed=1))
    assert sum(trial.end_s - trial.start_s for trial in trials) == sum(trial.samples_seen for trial in trials) / 10

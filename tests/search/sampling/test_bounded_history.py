"""TPE over a bounded part of a study: the same while the study is small, flat in cost when it is large."""

import math
from collections.abc import Iterator

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.sampling.bounded_history import MOST_FINISHED, BoundedHistory, BoundedTpe

AXIS = {"x": FloatDistribution(0.0, 1.0)}


def made_study(num_complete: int, num_pruned: int = 0, num_running: int = 0) -> Study:
    """Trials of every state, the worst first."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    points = [(i + 0.5) / (num_complete + num_pruned) for i in range(num_complete + num_pruned)]
    for i, x in enumerate(reversed(points)):
        state = TrialState.COMPLETE if i >= num_pruned else TrialState.PRUNED
        study.add_trial(
            create_trial(state=state, value=x, params={"x": x}, distributions=AXIS, intermediate_values={3: x})
        )
    study.add_trial(create_trial(state=TrialState.FAIL, params={"x": 0.5}, distributions=AXIS))
    for _ in range(num_running):
        study.ask().suggest_float("x", 0.0, 1.0)
    return study


def finished(trials: list[FrozenTrial]) -> Iterator[FrozenTrial]:
    return (trial for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED))


def seen(history: BoundedHistory, study: Study, number: int) -> list[FrozenTrial]:
    return history.view(study, number)._get_trials(deepcopy=False)


def test_a_small_study_is_seen_whole() -> None:
    study = made_study(MOST_FINISHED - 10, num_pruned=10, num_running=5)
    assert BoundedHistory(1).view(study, 300) is study


def test_of_a_large_one_the_good_trials_and_a_fair_share_of_the_rest_are_seen() -> None:
    study = made_study(600, num_pruned=400, num_running=100)
    view = seen(BoundedHistory(1), study, 1100)
    best = sorted(
        finished(study.get_trials(deepcopy=False)), key=lambda trial: (trial.state == TrialState.PRUNED, trial.value)
    )[:25]
    assert {trial.number for trial in best} <= {trial.number for trial in view}
    assert len(list(finished(view))) == MOST_FINISHED
    assert sum(trial.state == TrialState.RUNNING for trial in view) == round(100 * 103 / 975)
    assert [trial.number for trial in view] == sorted(trial.number for trial in view)
    assert sum(trial.state == TrialState.PRUNED for trial in view) / 103 == pytest.approx(400 / 975, abs=0.15)
    assert not any(trial.state == TrialState.FAIL for trial in view)


def test_a_view_is_a_function_of_the_trials_and_not_of_earlier_looks() -> None:
    study = made_study(400, num_running=20)
    looked, fresh = BoundedHistory(1), BoundedHistory(1)
    for number in range(401, 421):  # trials end in between, not in their order
        looked.view(study, number)
        study.tell(821 - number, math.cos(number))
    numbers = [trial.number for trial in seen(looked, study, 421)]
    assert numbers == [trial.number for trial in seen(fresh, study, 421)]
    assert numbers != [trial.number for trial in seen(fresh, study, 422)]


def test_scores_put_every_pruned_trial_behind_every_complete_one() -> None:
    """Though the pruned ones' last values are lower here."""
    trials = [create_trial(value=1.0 + x, params={"x": x}, distributions=AXIS) for x in (0.9, 0.1, 0.5)]
    trials += [
        create_trial(
            state=TrialState.PRUNED,
            params={"x": x},
            distributions=AXIS,
            intermediate_values={step: 0.01, step - 1: 0.5},
        )
        for x, step in ((0.3, 2), (0.4, 9))
    ]
    trials.append(create_trial(value=0.0))  # without the parameter
    study = optuna.create_study()
    study.add_trials(trials)
    view = BoundedHistory(1).scored(study, 6, ["x"])._get_trials(deepcopy=False)
    assert [trial.number for trial in sorted(view, key=lambda trial: trial.value)] == [1, 2, 0, 4, 3]
    assert {trial.state for trial in view} == {TrialState.COMPLETE}
    assert [trial.state for trial in study.get_trials()[3:5]] == [TrialState.PRUNED] * 2


def test_trials_of_earlier_studies_are_seen_as_older_ones() -> None:
    study, history = made_study(MOST_FINISHED + 50), BoundedHistory(1)
    history.learn([create_trial(value=value, params={"x": 0.5}, distributions=AXIS) for value in (-1.0, 2.0)])
    view = seen(history, study, 300)
    assert -1 in {trial.number for trial in view}
    assert len(list(finished(view))) == MOST_FINISHED
    small = BoundedHistory(1)
    small.learn([create_trial(value=-1.0, params={"x": 0.5}, distributions=AXIS)])
    assert [trial.number for trial in seen(small, made_study(3, num_running=1), 5)] == [-1, 0, 1, 2, 4]


def test_tpe_draws_as_ever_from_a_small_study_and_well_from_a_large_one() -> None:
    def drawn(study: Study, sampler: optuna.samplers.BaseSampler) -> float:
        study.sampler = sampler
        return study.ask().suggest_float("x", 0.0, 1.0)

    small, large = made_study(100), made_study(1000)
    assert drawn(small, BoundedTpe(BoundedHistory(1), seed=3)) == drawn(
        made_study(100), optuna.samplers.TPESampler(seed=3)
    )
    history = BoundedHistory(1)
    points = [drawn(large, BoundedTpe(history, seed=seed)) for seed in range(10)]
    assert max(points) < 0.1  # the best 25 of 1,000 lie below 0.025


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_conditional_parameters_and_running_trials_are_drawn_as_by_optuna() -> None:
    """One by one, to the bit, with trials that run on."""

    def points(make: type[optuna.samplers.TPESampler], *history: BoundedHistory) -> list[dict[str, object]]:
        study = optuna.create_study()
        for number in range(30):
            study.sampler = make(
                *history, multivariate=True, group=True, constant_liar=True, n_startup_trials=1, seed=number
            )
            trial = study.ask()
            x = trial.suggest_float("x", 0.0, 1.0)
            if trial.suggest_categorical("kind", ["plain", "deep"]) == "deep":
                x += trial.suggest_int("depth", 1, 8) / 8
            if number % 5:
                study.tell(trial, x)
        return [trial.params for trial in study.get_trials(deepcopy=False)]

    assert points(BoundedTpe, BoundedHistory(1)) == points(optuna.samplers.TPESampler)

"""Samplers: shares, determinism, and going on after a restart."""

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from cluster.errors import SpoofsweepError
from search.sampling.cube import place, scale
from search.sampling.sampler import make_sampler, sampler_notes
from search.study.config import ParameterConfig, SearchConfig
from search.study.space import SearchSpace
from trainable.config import TrialConfig

SPACE = SearchSpace(
    {
        "optimizer.learning_rate": ParameterConfig(low=1e-4, high=1e-2, log=True),
        "model.dropout": ParameterConfig(low=0.0, high=0.5),
        "spec_augment.time_masks": ParameterConfig(choices=(0, 1, 2)),
        "spec_augment.time_mask_s": ParameterConfig(low=0.1, high=0.5, when={"spec_augment.time_masks": [1, 2]}),
    }
)


def run(
    name: str, num_trials: int, restarts: tuple[int, ...] = (), seed: int = 5, sign: float = 1.0
) -> list[dict[str, Any]]:
    """Parameters of a study of one worker whose process ends before each of the trials in ``restarts``.

    Low dropout and a learning rate of 1e-3 are best, or with ``sign`` -1 worst.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    config = SearchConfig(sampler=name, startup_trials=4, random_share=0.25)
    study = optuna.create_study(sampler=make_sampler(config, seed, SPACE))
    for number in range(num_trials):
        if number in restarts:
            study.sampler = make_sampler(config, seed, SPACE)
        trial = study.ask()
        point = SPACE.suggest(trial, TrialConfig())
        value = sign * (point["model.dropout"] + abs(np.log10(point["optimizer.learning_rate"]) + 3))
        if value > sign * 0.5:  # as a rung would have it
            trial.report(value, 100)
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, value)
    return [trial.params for trial in study.trials]


@pytest.mark.parametrize("name", ["tpe", "cmaes", "qmc", "random"])
def test_same_seed_same_trials_across_restarts(name: str) -> None:
    trials = run(name, 24)
    assert run(name, 24, restarts=(3, 9, 17, 18)) == trials
    assert len({str(trial) for trial in trials}) == 24
    assert run(name, 3, seed=6) != trials[:3]


@pytest.mark.slow
def test_a_gaussian_process_learns_and_is_the_same_across_restarts() -> None:
    """A quarter of a second a draw."""
    trials = run("gp", 12)
    assert run("gp", 12, restarts=(6, 9)) == trials
    assert np.median([trial["model.dropout"] for trial in trials[4:]]) < 0.1


@pytest.mark.slow
def test_auto_begins_with_the_gaussian_process_and_goes_on_with_tpe(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of a second a draw of the process."""
    monkeypatch.setattr("search.sampling.sampler._MOST_KNOWN", 8)
    trials = run("auto", 12)
    assert trials[:8] == run("gp", 8)
    assert trials[8:] != run("gp", 12)[8:]
    assert run("auto", 12, restarts=(6, 9)) == trials
    monkeypatch.setattr("search.sampling.sampler._MOST_KNOWN", 0)
    assert run("auto", 12) == run("tpe", 12)


@pytest.mark.slow
def test_a_gaussian_process_that_fails_leaves_the_trial_to_tpe(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Torch, and a quarter of a second a draw."""
    import torch

    def fail(*_: Any) -> None:
        raise torch.linalg.LinAlgError("not positive-definite")

    monkeypatch.setattr(optuna.samplers.GPSampler, "_sample_relative_impl", fail)
    assert all(trial.keys() >= {"model.dropout", "optimizer.learning_rate"} for trial in run("gp", 8))
    assert "is left to TPE, the Gaussian process failed: not positive-definite" in caplog.text


def test_auto_leaves_two_objectives_to_tpe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("search.sampling.sampler.BoundedGp")
    config = SearchConfig(second_objective="num_parameters", startup_trials=1)
    study = optuna.create_study(sampler=make_sampler(config, 1, SPACE))
    for _ in range(3):
        study.tell(study.ask(SPACE.unconditional()), 0.5)


@pytest.mark.parametrize("name", ["tpe", "cmaes"])
def test_random_share_stays_random_throughout(name: str) -> None:
    """Quasi-random trials are those that stay the same whatever the sampler has learnt."""
    trials = zip(run(name, 60), run(name, 60, sign=-1.0), strict=True)
    is_random = [trial == other for trial, other in trials]
    assert all(is_random[:4])
    assert 0.15 < np.mean(is_random[4:]) < 0.35
    assert any(is_random[40:])


@pytest.mark.parametrize("name", ["tpe", "cmaes"])
def test_samplers_learn(name: str) -> None:
    trials = run(name, 60)
    late = np.mean([trial["model.dropout"] for trial in trials[30:]])
    assert late < 0.2  # 0.25 at random


def test_what_a_sampler_cannot_draw_is_said_before() -> None:
    assert sampler_notes(SearchConfig(sampler="tpe"), SPACE) == []
    (note,) = sampler_notes(SearchConfig(sampler="cmaes"), SPACE)
    assert note.endswith("leaves to TPE, each by itself: spec_augment.time_masks, spec_augment.time_mask_s")
    (note,) = sampler_notes(SearchConfig(sampler="gp"), SPACE)
    assert note.endswith("leaves to TPE, each by itself: spec_augment.time_mask_s")
    choices = SearchSpace({"model.gru_size": ParameterConfig(choices=(32, 64))})
    assert sampler_notes(SearchConfig(sampler="gp"), choices) == []
    for refuse in (sampler_notes, lambda config, space: make_sampler(config, 1, space)):
        with pytest.raises(SpoofsweepError, match=r"'cmaes' needs a range .* got model.gru_size"):
            refuse(SearchConfig(sampler="cmaes"), choices)


def test_quasi_random_points_cover_the_cube_evenly() -> None:
    values = np.array([trial["model.dropout"] for trial in run("qmc", 16)]) / 0.5
    assert sorted((values * 16).astype(int)) == list(range(16))


@pytest.mark.parametrize(
    ("distribution", "values"),
    [
        (CategoricalDistribution(["a", "b"]), {"a", "b"}),
        (IntDistribution(1, 7, step=3), {1, 4, 7}),
        (IntDistribution(1, 3, log=True), {1, 2, 3}),
        (FloatDistribution(0.0, 1.0, step=0.5), {0.0, 0.5, 1.0}),
    ],
)
def test_scale_reaches_every_value(distribution: Any, values: set[Any]) -> None:
    assert {scale(uniform, distribution) for uniform in np.linspace(0, 1, 101, endpoint=False)} == values


@pytest.mark.parametrize(
    "distribution",
    [
        CategoricalDistribution(["a", "b", "c"]),
        IntDistribution(1, 7, step=3),
        IntDistribution(1, 9, log=True),
        FloatDistribution(0.0, 1.0, step=0.25),
        FloatDistribution(1e-4, 1e-2, log=True),
        FloatDistribution(-2.0, 4.0),
        IntDistribution(3, 3),
    ],
)
def test_every_value_has_its_place(distribution: Any) -> None:
    for value in {scale(uniform, distribution) for uniform in np.linspace(0, 1, 21)}:
        assert 0.0 <= place(value, distribution) <= 1.0
        assert scale(place(value, distribution), distribution) == (
            pytest.approx(value) if isinstance(value, float) else value
        )


def test_scale_of_ranges() -> None:
    assert scale(0.5, FloatDistribution(1e-4, 1e-2, log=True)) == pytest.approx(1e-3)
    assert scale(0.25, FloatDistribution(2.0, 4.0)) == 2.5

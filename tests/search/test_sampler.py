"""Samplers: shares, determinism, and going on after a restart."""

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from search.config import ParameterConfig, SearchConfig
from search.sampler import make_sampler, scale
from search.space import SearchSpace
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
    config, names = SearchConfig(sampler=name, startup_trials=4, random_share=0.25), list(SPACE.parameters)
    study = optuna.create_study(sampler=make_sampler(config, seed, names))
    for number in range(num_trials):
        if number in restarts:
            study.sampler = make_sampler(config, seed, names)
        trial = study.ask()
        point = SPACE.suggest(trial, TrialConfig())
        study.tell(trial, sign * (point["model.dropout"] + abs(np.log10(point["optimizer.learning_rate"]) + 3)))
    return [trial.params for trial in study.trials]


@pytest.mark.parametrize("name", ["tpe", "qmc", "random"])
def test_same_seed_same_trials_across_restarts(name: str) -> None:
    trials = run(name, 16)
    assert run(name, 16, restarts=(3, 9)) == trials
    assert len({str(trial) for trial in trials}) == 16
    assert run(name, 3, seed=6) != trials[:3]


def test_random_share_stays_random_throughout() -> None:
    """Quasi-random trials are those that stay the same whatever TPE has learnt."""
    trials = zip(run("tpe", 60), run("tpe", 60, sign=-1.0), strict=True)
    is_random = [trial == other for trial, other in trials]
    assert all(is_random[:4])
    assert 0.15 < np.mean(is_random[4:]) < 0.35
    assert any(is_random[40:])


def test_tpe_learns() -> None:
    trials = run("tpe", 60)
    late = np.mean([trial["model.dropout"] for trial in trials[30:]])
    assert late < 0.2  # 0.25 at random


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


def test_scale_of_ranges() -> None:
    assert scale(0.5, FloatDistribution(1e-4, 1e-2, log=True)) == pytest.approx(1e-3)
    assert scale(0.25, FloatDistribution(2.0, 4.0)) == 2.5

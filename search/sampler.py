"""Which configuration comes next: TPE with a share of quasi-random draws, or quasi-random, or random."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import qmc

from search.bounded_history import BoundedHistory, BoundedTpe
from search.config import SearchConfig

Uniforms = Callable[[int], np.ndarray]
"""From a trial's number to its coordinates in the unit cube, one for each parameter of the space."""


def make_sampler(config: SearchConfig, seed: int, names: Sequence[str]) -> BaseSampler:
    """The sampler of a study over the parameters ``names``.

    A draw is a function of the seed, the trial's number and the trials known so far, and of nothing else: a study that
    is resumed goes on as if it had never stopped, and never repeats its first draws.
    """
    dimensions = {name: index for index, name in enumerate(sorted(names))}
    if config.sampler == "random":
        return CubeSampler(dimensions, lambda number: _rng(seed, number).random(len(dimensions)))
    if config.sampler == "qmc" or config.pruning == "population":
        return CubeSampler(dimensions, _sobol(seed, len(dimensions), lambda number: number))
    is_random = _random_trials(config, seed)
    rank = _count_before(is_random)
    return MixedSampler(CubeSampler(dimensions, _sobol(seed, len(dimensions), rank)), is_random, seed)


class CubeSampler(BaseSampler):
    """Draws that do not look at other trials: each trial is one point of the unit cube."""

    def __init__(self, dimensions: Mapping[str, int], uniforms: Uniforms) -> None:
        self._dimensions, self._uniforms = dimensions, uniforms

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return scale(float(self._uniforms(trial.number)[self._dimensions[param_name]]), param_distribution)


class MixedSampler(BaseSampler):
    """Optuna's TPE, but quasi-random for the trials that ``is_random`` names.

    TPE is multivariate, decomposed into groups for conditional parameters, and assumes the worst of trials that still
    run (constant liar). It is built anew for each trial, seeded by the trial's number.
    """

    def __init__(self, cube: CubeSampler, is_random: Callable[[int], bool], seed: int) -> None:
        self._cube, self._is_random, self._seed = cube, is_random, seed
        self._delegate: tuple[int, BaseSampler] = (-1, cube)
        self._history = BoundedHistory(seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._for(trial).before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._for(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._for(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._for(trial).sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self._cube.after_trial(study, trial, state, values)

    def _for(self, trial: FrozenTrial) -> BaseSampler:
        if self._delegate[0] != trial.number:
            sampler = self._cube if self._is_random(trial.number) else self._tpe(trial.number)
            self._delegate = (trial.number, sampler)
        return self._delegate[1]

    def _tpe(self, number: int) -> BaseSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `group`, since Optuna 2.8
            return BoundedTpe(
                self._history,
                multivariate=True,
                group=True,
                constant_liar=True,
                n_startup_trials=1,
                seed=int(_rng(self._seed, number).integers(2**31)),
            )


def scale(uniform: float, distribution: BaseDistribution) -> Any:
    """The value of ``distribution`` at the quantile ``uniform`` in [0, 1)."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[min(int(uniform * len(distribution.choices)), len(distribution.choices) - 1)]
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        raise TypeError(f"no rule to draw from {distribution!r}")
    low, high, step = distribution.low, distribution.high, distribution.step
    if distribution.log:
        # An integer owns the interval of half a unit to each side, as in Optuna.
        half = 0.5 if isinstance(distribution, IntDistribution) else 0.0
        value = float(np.exp(np.log(low - half) + uniform * (np.log(high + half) - np.log(low - half))))
        value = round(value) if half else value
    elif step is not None:
        value = low + step * int(uniform * (round((high - low) / step) + 1))
    else:
        value = low + uniform * (high - low)
    return type(low)(min(max(value, low), high))


def _rng(seed: int, number: int) -> np.random.Generator:
    return np.random.default_rng([seed, number])


def _random_trials(config: SearchConfig, seed: int) -> Callable[[int], bool]:
    def is_random(number: int) -> bool:
        return number < config.startup_trials or bool(_rng(seed + 1, number).random() < config.random_share)

    return is_random


def _count_before(is_random: Callable[[int], bool]) -> Callable[[int], int]:
    """How many quasi-random trials precede one, so that their points are consecutive in the sequence."""
    totals = [0]

    def rank(number: int) -> int:
        while len(totals) <= number:
            totals.append(totals[-1] + is_random(len(totals) - 1))
        return totals[number]

    return rank


def _sobol(seed: int, num_dimensions: int, rank: Callable[[int], int]) -> Uniforms:
    """Points of one Sobol sequence, scrambled (Owen 1998) as in ``scipy.stats.qmc``."""

    @lru_cache(maxsize=4)
    def point(index: int) -> np.ndarray:
        engine = qmc.Sobol(max(num_dimensions, 1), scramble=True, rng=np.random.default_rng(seed))
        if index > 0:  # SciPy cannot go forward by nothing
            engine.fast_forward(index)
        return engine.random(1)[0]

    return lambda number: point(rank(number))

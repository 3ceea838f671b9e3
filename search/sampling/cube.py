"""The unit cube of a search space, and draws from it that look at no other trial."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial
from scipy.stats import qmc

from search.trials.trial_record import REFUSED

Uniforms = Callable[[int], np.ndarray]
"""From a trial's number to its coordinates in the unit cube, one for each parameter of the space."""


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
        return scale(self._uniform(trial, param_name), param_distribution)

    def _uniform(self, trial: FrozenTrial, param_name: str) -> float:
        """The trial's coordinate; of a draw that takes the place of refused ones, their point moved around the cube.

        A random shift modulo 1, as Cranley and Patterson 1976 randomise lattices.
        """
        place, redraws = self._dimensions[param_name], num_redraws(trial)
        uniform = float(self._uniforms(trial.number)[place])
        if not redraws:
            return uniform
        return (uniform + float(trial_rng(redraws, trial.number).random(len(self._dimensions))[place])) % 1.0


def scale(uniform: float, distribution: BaseDistribution) -> Any:
    """The value of ``distribution`` at the quantile ``uniform`` in [0, 1]."""
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


def place(value: Any, distribution: BaseDistribution) -> float:
    """The quantile at which ``distribution`` has ``value``: where `scale` is a staircase, the middle of the step."""
    if isinstance(distribution, CategoricalDistribution):
        return (distribution.choices.index(value) + 0.5) / len(distribution.choices)
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        raise TypeError(f"no rule to place a value of {distribution!r}")
    low, high, step = distribution.low, distribution.high, distribution.step
    if low == high:
        return 0.5
    if distribution.log:
        half = 0.5 if isinstance(distribution, IntDistribution) else 0.0
        return float(np.log(value / (low - half)) / np.log((high + half) / (low - half)))
    if step is not None:
        return float(((value - low) / step + 0.5) / (round((high - low) / step) + 1))
    return float((value - low) / (high - low))


def random_points(seed: int, num_dimensions: int) -> Uniforms:
    """Pseudo-random points."""
    return lambda number: trial_rng(seed, number).random(num_dimensions)


def sobol_points(seed: int, num_dimensions: int, rank: Callable[[int], int]) -> Uniforms:
    """Points of one Sobol sequence, scrambled (Owen 1998) as in ``scipy.stats.qmc``; trials take them by ``rank``."""

    @lru_cache(maxsize=4)
    def point(index: int) -> np.ndarray:
        engine = qmc.Sobol(max(num_dimensions, 1), scramble=True, rng=np.random.default_rng(seed))
        if index > 0:  # SciPy cannot go forward by nothing
            engine.fast_forward(index)
        return engine.random(1)[0]

    return lambda number: point(rank(number))


def count_before(is_one: Callable[[int], bool]) -> Callable[[int], int]:
    """How many trials of a kind precede one, so that their points are consecutive in a sequence."""
    totals = [0]

    def rank(number: int) -> int:
        while len(totals) <= number:
            totals.append(totals[-1] + is_one(len(totals) - 1))
        return totals[number]

    return rank


def num_redraws(trial: FrozenTrial) -> int:
    """Draws of a trial that were refused so far."""
    return len(trial.user_attrs.get(REFUSED, ()))


def draw_seed(seed: int, number: int, redraws: int) -> int:
    """Seed of a sampler that draws a single trial, ``redraws`` times again."""
    rng = trial_rng(seed, number)
    return [int(rng.integers(2**31)) for _ in range(redraws + 1)][-1]


def trial_rng(seed: int, number: int) -> np.random.Generator:
    """Random numbers of one trial."""
    return np.random.default_rng([seed, number])

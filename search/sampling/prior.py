"""A prior: draws near the values that a study calls likely, fewer and fewer of them.

A share of draws that comes from a prior, beside random ones and those of a model, is the design of PriorBand (Mallik et
al. 2023); that the share decays with the trials, so that what is found outweighs what was believed, that of piBO
(Hvarfner et al. 2022). Here the share falls as 1 / (1 + n / 20): of any number of trials, few are drawn so.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from scipy.special import ndtr, ndtri

from search.sampling.bounded_history import rank
from search.sampling.cube import CubeSampler, Uniforms, place, scale, trial_rng

_HALVED_AFTER = 20
_SD = 0.2
"""Of a range, logarithmic if it is so, around the likely value; what lies beyond the range is cut off."""
_WEIGHT = 0.5
"""Of the likely one among choices; the others share the rest."""


class PriorSampler(CubeSampler):
    """Draws that do not look at other trials, near the likely values of the parameters that have one.

    Args:
        dimensions: place of each parameter among the coordinates.
        uniforms: coordinates by trial.
        likely: values by parameter, as Optuna holds them.
    """

    def __init__(self, dimensions: Mapping[str, int], uniforms: Uniforms, likely: Mapping[str, Any]) -> None:
        super().__init__(dimensions, uniforms)
        self._likely = likely

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        if param_name not in self._likely:
            return super().sample_independent(study, trial, param_name, param_distribution)
        return near(self._likely[param_name], self._uniform(trial, param_name), param_distribution)


class PriorTurns:
    """Which trials the prior draws.

    Args:
        share: of the first trials.
        seed: of the draws.
        num_first: trials from which the prior is judged: those before the sampler begins.
    """

    def __init__(self, share: float, seed: int, num_first: int) -> None:
        self._share, self._seed, self._num_first = share, seed, num_first

    def has_turn(self, number: int) -> bool:
        """Whether trial ``number`` is the prior's as long as that does no harm: a function of seed and number."""
        return bool(trial_rng(self._seed, number).random() < self._share / (1 + number / _HALVED_AFTER))

    def is_drawing(self, number: int, trials: Sequence[FrozenTrial]) -> bool:
        """Whether the prior draws trial ``number``, by what is known of all trials."""
        return self.has_turn(number) and (number < self._num_first or not self._is_misled(trials[: self._num_first]))

    def _is_misled(self, first: Sequence[FrozenTrial]) -> bool:
        """Whether, of the first trials, those by the prior rank worse on average than the quasi-random ones."""
        ended = [
            trial
            for trial in first
            if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) and "fixed_params" not in trial.system_attrs
        ]
        is_prior = np.array([self.has_turn(trial.number) for trial in sorted(ended, key=rank)], dtype=bool)
        places = np.arange(len(ended))
        if is_prior.all() or not is_prior.any():
            return False
        return bool(places[is_prior].mean() > places[~is_prior].mean())


def near(likely: Any, uniform: float, distribution: BaseDistribution) -> Any:
    """The value at the quantile ``uniform`` of a density around ``likely``."""
    if isinstance(distribution, CategoricalDistribution):
        others = [choice for choice in distribution.choices if choice != likely]
        if uniform < _WEIGHT or not others:
            return likely
        return others[min(int((uniform - _WEIGHT) / (1 - _WEIGHT) * len(others)), len(others) - 1)]
    centre = place(likely, distribution)
    low, high = ndtr(-centre / _SD), ndtr((1 - centre) / _SD)
    point = centre + _SD * float(ndtri(low + uniform * (high - low)))
    return scale(min(max(point, 0.0), 1.0), distribution)

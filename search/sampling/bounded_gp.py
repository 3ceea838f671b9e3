"""A Gaussian process over a bounded part of a study."""

import logging
from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from search.sampling.bounded_history import BoundedHistory

_logger = logging.getLogger("spoofsweep.sampler")


class BoundedGp(GPSampler):
    """Optuna's Gaussian process for a single trial, over a scored view of the study's history.

    Unlike Optuna's own it learns from pruned trials, by their rank, and knows from the start which parameters every
    trial has, where Optuna's takes those that every trial had so far.

    Args:
        history: what it learns from.
        distributions: of the parameters that every trial has.
        independent: draws the others.
        seed: of the draws.
    """

    def __init__(
        self,
        history: BoundedHistory,
        distributions: Mapping[str, BaseDistribution],
        independent: BaseSampler,
        seed: int,
    ) -> None:
        super().__init__(
            seed=seed, independent_sampler=independent, n_startup_trials=1, warn_independent_sampling=False
        )
        self._history, self._distributions = history, dict(distributions)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        view = self._history.scored(study, trial.number, search_space)
        try:
            return super().sample_relative(view, trial, search_space)
        except RuntimeError as error:  # torch.linalg.LinAlgError is one: a covariance that rounding made indefinite
            _logger.warning("trial %d is left to TPE, the Gaussian process failed: %s", trial.number, error)
            return {}

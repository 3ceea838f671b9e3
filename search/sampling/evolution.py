"""CMA-ES over the ranges that every trial has."""

import copy
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from cmaes import CMA, get_warm_start_mgd
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from search.sampling.bounded_history import EndedTrials, Rank, rank
from search.sampling.cube import draw_seed, num_redraws, place, scale

GENERATION = "spoofsweep:generation"
"""System attribute of a trial that CMA-ES drew: of which generation."""
_FEWEST = 10
"""Trials of earlier studies to begin from: the best tenth of them says where."""
_FIRST_SD = 1 / 6
"""Of a range, around its middle: as Optuna's."""


class Evolution:
    """The state of CMA-ES (Hansen 2016, "The CMA evolution strategy: a tutorial") as a function of the trials known.

    A trial remembers the generation that it was drawn in. A generation makes the next one as soon as the population's
    number of its trials has ended: those with the lowest numbers, compared by `Rank`, so that where most trials are
    pruned they teach, too. One with a low number that ends late mends what followed from its generation.

    Optuna's own sampler over the same library stores its state as a pickle with the trials, learns from complete ones
    alone or takes the last value of a pruned one for final, and falls silent once the parameters change.

    Args:
        distributions: of the parameters, all of them ranges.
        seed: of the draws.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution], seed: int) -> None:
        self.distributions, self._seed = dict(distributions), seed
        self._ended = EndedTrials()
        self._earlier: list[FrozenTrial] = []
        self._members: defaultdict[int, dict[int, tuple[Rank, NDArray[np.float64]]]] = defaultdict(dict)
        """Trials that have ended, by generation and number: rank and point in the unit cube."""
        self._bounds = np.tile([0.0, 1.0], (len(distributions), 1))
        self._states = [CMA(np.full(len(distributions), 0.5), _FIRST_SD, self._bounds)]
        """Of each generation; never asked themselves, since that moves their last bits."""

    def learn(self, earlier: Sequence[FrozenTrial]) -> None:
        """Begin where trials of earlier studies were good (Nomura et al. 2021, "Warm starting CMA-ES")."""
        self._earlier += [trial for trial in earlier if self.distributions.keys() <= trial.params.keys()]
        if len(self._earlier) >= _FEWEST:
            ranked = sorted(self._earlier, key=rank)
            mean, sigma, covariance = get_warm_start_mgd([(self._point(t), float(i)) for i, t in enumerate(ranked)])
            self._states = [CMA(mean, sigma, self._bounds, cov=covariance)]

    def draw(self, trials: Sequence[FrozenTrial], number: int, redraws: int = 0) -> tuple[dict[str, Any], int]:
        """Parameters of trial ``number``, drawn so many times again, and its generation."""
        for trial in self._ended.look(trials):
            self._take(trial)
        while len(self._members[len(self._states) - 1]) >= self._states[0].population_size:
            self._states.append(self._next())
        state = copy.deepcopy(self._states[-1])
        state.reseed_rng(draw_seed(self._seed, number, redraws))
        point = zip(self.distributions.items(), state.ask().tolist(), strict=True)
        return {name: scale(uniform, distribution) for (name, distribution), uniform in point}, state.generation

    def _take(self, trial: FrozenTrial) -> None:
        generation = trial.system_attrs.get(GENERATION)
        if generation is None or not self.distributions.keys() <= trial.params.keys():
            return
        self._members[generation][trial.number] = rank(trial), self._point(trial)
        del self._states[generation + 1 :]

    def _point(self, trial: FrozenTrial) -> NDArray[np.float64]:
        return np.array([place(trial.params[name], distribution) for name, distribution in self.distributions.items()])

    def _next(self) -> CMA:
        """The state after the last generation."""
        members = self._members[len(self._states) - 1]
        told = sorted(members)[: self._states[-1].population_size]
        told.sort(key=lambda number: members[number][0])
        state = copy.deepcopy(self._states[-1])
        state.tell([(members[number][1], float(index)) for index, number in enumerate(told)])
        return state


class EvolutionSampler(BaseSampler):
    """Draws a single trial by CMA-ES, and what that cannot draw by another sampler.

    Args:
        evolution: the state, shared by the trials of a study.
        independent: draws choices and conditional parameters, and what a queued configuration leaves open.
    """

    def __init__(self, evolution: Evolution, independent: BaseSampler) -> None:
        self._evolution, self._independent = evolution, independent

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        is_given = trial.params or "fixed_params" in trial.system_attrs  # one that goes on, or was queued
        return {} if is_given else self._evolution.distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not search_space:
            return {}
        params, generation = self._evolution.draw(study.get_trials(deepcopy=False), trial.number, num_redraws(trial))
        study._storage.set_trial_system_attr(trial._trial_id, GENERATION, generation)
        return params

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

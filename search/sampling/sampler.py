"""Which configuration comes next: a Gaussian process, TPE or CMA-ES with a share of quasi-random draws, or these."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from cluster.errors import SpoofsweepError
from search.sampling.bounded_gp import BoundedGp
from search.sampling.bounded_history import BoundedHistory, BoundedTpe
from search.sampling.cube import (
    CubeSampler,
    count_before,
    draw_seed,
    num_redraws,
    random_points,
    sobol_points,
    trial_rng,
)
from search.sampling.evolution import Evolution, EvolutionSampler
from search.sampling.pair_history import PairHistory
from search.sampling.prior import PriorSampler, PriorTurns
from search.study.config import SearchConfig
from search.study.space import SearchSpace

_JOINT = {"auto": (BaseDistribution,), "cmaes": (FloatDistribution, IntDistribution), "gp": (BaseDistribution,)}
"""Samplers that draw only parameters which every trial has, and of these only such ones."""
_MOST_KNOWN = 64
"""Trials that have ended after which `auto` leaves the Gaussian process for TPE."""
_MOST_GUIDED = 20
"""Refused draws of a trial after which the next come from all over the space: what prior or sampler seek may lie beyond
the study's limits altogether."""


class Choice(NamedTuple):
    """Samplers by trial."""

    sampler: Callable[[Study, int, int], BaseSampler]
    """From the study, a trial's number, and how many of its draws were refused, to the sampler that draws it."""
    learn: Callable[[Sequence[FrozenTrial]], None] = lambda earlier: None
    """Takes in trials of earlier studies."""
    refuse: Callable[[Sequence[FrozenTrial]], None] = lambda refused: None
    """Takes in refused draws."""


def make_sampler(config: SearchConfig, seed: int, space: SearchSpace) -> "MixedSampler":
    """The sampler of a study.

    A draw is a function of the seed, the trial's number and the trials known so far, and of nothing else: a study that
    is resumed goes on as if it had never stopped, and never repeats its first draws.

    Raises:
        SpoofsweepError: the sampler cannot draw from the space.
    """
    dimensions = {name: index for index, name in enumerate(sorted(space.parameters))}
    likely = space.likely()
    turns = PriorTurns(config.prior_share if likely else 0.0, seed + 2, config.startup_trials)
    prior = PriorSampler(dimensions, sobol_points(seed + 3, len(dimensions), count_before(turns.has_turn)), likely)
    if config.draws_blindly:
        points = (
            random_points(seed, len(dimensions))
            if config.sampler == "random"
            else sobol_points(seed, len(dimensions), lambda number: number)
        )
        blind = CubeSampler(dimensions, points)
        return MixedSampler(Choice(lambda *draw: blind), prior, turns)
    is_random = _random_trials(config, seed, turns)
    cube = CubeSampler(dimensions, sobol_points(seed, len(dimensions), count_before(is_random)))
    learner = _learner(config, seed, space)

    def drawing(study: Study, number: int, redraws: int) -> BaseSampler:
        return cube if redraws >= _MOST_GUIDED or is_random(number) else learner.sampler(study, number, redraws)

    return MixedSampler(learner._replace(sampler=drawing), prior, turns)


def sampler_notes(config: SearchConfig, space: SearchSpace) -> list[str]:
    """What is to be said of a sampler that cannot draw all parameters of a space.

    Raises:
        SpoofsweepError: it can draw none.
    """
    if config.sampler not in ("cmaes", "gp") or config.draws_blindly:
        return []
    together = _drawn_together(config, space)
    others = [path for path in space.parameters if path not in together]
    if not others:
        return []
    return [f"search.sampler = '{config.sampler}' leaves to TPE, each by itself: {', '.join(others)}"]


class MixedSampler(BaseSampler):
    """Several samplers, each trial drawn by one of them.

    Args:
        choice: the samplers; one that learns is built anew for each draw, seeded by the trial's number.
        prior: draws in the place of these where it has the turn, unless it has been misled, or refused many times.
        turns: whose turn it is.
    """

    def __init__(self, choice: Choice, prior: BaseSampler, turns: PriorTurns) -> None:
        self._choice, self._prior, self._turns = choice, prior, turns
        self._delegate: tuple[tuple[int, int], BaseSampler] = ((-1, 0), prior)

    def learn(self, earlier: Sequence[FrozenTrial]) -> None:
        """Take in trials of earlier studies that have ended, with parameters of this one; before the first draw."""
        self._choice.learn(earlier)

    def refuse(self, refused: Sequence[FrozenTrial]) -> None:
        """Take in draws that were refused, as pruned trials without a report: those that learn count them as worst.

        CMA-ES does not: draws that are repeated until one is accepted are how it deals with limits (Hansen 2016, B.5).
        """
        self._choice.refuse(refused)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._for(study, trial).before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._for(study, trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._for(study, trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._for(study, trial).sample_independent(study, trial, param_name, param_distribution)

    def _for(self, study: Study, trial: FrozenTrial) -> BaseSampler:
        draw = trial.number, num_redraws(trial)
        if self._delegate[0] != draw:
            may_guide = draw[1] < _MOST_GUIDED
            is_prior = may_guide and self._turns.is_drawing(trial.number, study.get_trials(deepcopy=False))
            self._delegate = (draw, self._prior if is_prior else self._choice.sampler(study, *draw))
        return self._delegate[1]


def _learner(config: SearchConfig, seed: int, space: SearchSpace) -> Choice:
    second = config.second_objective
    history = BoundedHistory(seed) if second is None else PairHistory(seed, second)
    together = _drawn_together(config, space)
    if config.sampler != "cmaes":
        most_known = _MOST_KNOWN if config.sampler == "auto" else math.inf

        def drawing(study: Study, *draw: int) -> BaseSampler:
            tpe = _tpe(history, seed, *draw)
            if not together or history.num_known(study) >= most_known:
                return tpe
            return BoundedGp(history, together, tpe, draw_seed(seed, *draw))

        return Choice(drawing, history.learn, history.learn)
    evolution = Evolution(together, seed)

    def learn(earlier: Sequence[FrozenTrial]) -> None:
        history.learn(earlier)
        evolution.learn(earlier)

    return Choice(lambda _, *draw: EvolutionSampler(evolution, _tpe(history, seed, *draw)), learn, history.learn)


def _drawn_together(config: SearchConfig, space: SearchSpace) -> Mapping[str, BaseDistribution]:
    """The parameters that CMA-ES, or the Gaussian process, draws together; TPE draws the others, each by itself."""
    kinds = () if config.second_objective is not None else _JOINT.get(config.sampler, ())
    distributions = {path: d for path, d in space.unconditional().items() if isinstance(d, kinds) and not d.single()}
    if not distributions and config.sampler in ("cmaes", "gp"):
        raise SpoofsweepError(
            f"search.sampler = '{config.sampler}' needs a {'range' if config.sampler == 'cmaes' else 'parameter'} in "
            "[space] that every trial has",
            ", ".join(space.parameters) or "an empty [space]",
            "take search.sampler = 'auto'",
        )
    return distributions


def _tpe(history: BoundedHistory, seed: int, number: int, redraws: int) -> BaseSampler:
    """Multivariate, decomposed into groups for conditional parameters; assumes the worst of trials that still run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `group`, since Optuna 2.8
        return BoundedTpe(
            history,
            multivariate=True,
            group=True,
            constant_liar=True,
            n_startup_trials=1,
            warn_independent_sampling=False,
            seed=draw_seed(seed, number, redraws),
        )


def _random_trials(config: SearchConfig, seed: int, turns: PriorTurns) -> Callable[[int], bool]:
    def is_random(number: int) -> bool:
        if turns.has_turn(number):
            return False
        return number < config.startup_trials or bool(trial_rng(seed + 1, number).random() < config.random_share)

    return is_random

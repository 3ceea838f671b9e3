"""The pruner that a study asks for, and what its trials have taught about its rungs."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pandas as pd

from search.pruning.asha import Asha, Leeway
from search.pruning.front_pruner import FrontPruner
from search.pruning.horizon import Horizon
from search.pruning.hyperband import Hyperband
from search.pruning.median_rule import MedianRule
from search.pruning.noise import Noise, dev_trials, eer_standard_error
from search.pruning.pasha import Pasha
from search.pruning.population import Population
from search.pruning.pruner import Pruner
from search.pruning.rung_trust import RungTrust
from search.study.config import SearchConfig, StudyConfig
from search.trials.trial_record import TrialRecord
from trainable.data.hold_out import Folds


def study_pruner(
    config: StudyConfig, horizon: Horizon, index: pd.DataFrame, folds: Folds, fact: Callable[[int, str], Any]
) -> Pruner:
    """The pruner of a study on these shards, without reports.

    Args:
        config: of the whole study.
        horizon: rungs and budget.
        index: the shards' index.
        folds: attacks held out, a group a model.
        fact: what is known of a trial, from its number and the fact's name; for ``search.second_objective`` alone.
    """
    noise = partial(eer_standard_error, trials=dev_trials(index, folds)) if config.search.noise_budget else None
    pruner, second = make_pruner(config.search, horizon, config.study.seed, noise), config.search.second_objective
    return pruner if second is None else FrontPruner(pruner, horizon.rungs, lambda trial: fact(trial, second))


def make_pruner(config: SearchConfig, horizon: Horizon, seed: int, noise: Noise | None = None) -> Pruner:
    """The pruner of a search, without reports.

    Args:
        config: which one, and its settings.
        horizon: rungs and budget.
        seed: of the study; what a pruner draws follows from it and the trial's number alone.
        noise: standard error of a trial's value; for ``search.noise_budget`` alone.
    """
    trust = _make_trust(config, horizon, seed)
    leeway = None if noise is None else Leeway(noise, config.noise_budget)
    if config.pruning == "hyperband":
        return Hyperband(horizon.rungs, horizon.budget, config.reduction_factor, seed, trust, leeway)
    if config.pruning == "median":
        return MedianRule(horizon.rungs, trust)
    if config.pruning == "population":
        return Population(horizon.rungs, config.num_trials, config.replaced_share, seed)
    if config.pruning == "pasha":
        return Pasha(horizon.rungs, config.reduction_factor)
    return Asha(horizon.rungs, config.reduction_factor, trust, leeway)  # without rungs it prunes nothing


def learnt_trust(config: SearchConfig, horizon: Horizon, seed: int, trials: Iterable[TrialRecord]) -> RungTrust | None:
    """What a study's trials say about its rungs; none where rungs need no trust."""
    trust = _make_trust(config, horizon, seed)
    if trust is None:
        return None
    for trial in trials:
        for samples_seen, value in sorted(trial.reports.items()):
            trust.observe(trial.number, samples_seen, value)
    return trust


def _make_trust(config: SearchConfig, horizon: Horizon, seed: int) -> RungTrust | None:
    if not config.has_witnesses:
        return None
    return RungTrust(horizon.rungs, horizon.budget, seed, config.trust_trials, config.trust_share)

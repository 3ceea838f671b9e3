"""The time axis of a study: its passes in samples seen."""

import math
from dataclasses import dataclass

from search.asha import geometric_rungs
from search.config import StudyConfig

_FIRST_RUNG_SHARE = 1 / 9
"""A first rung that ranks badly makes TPE worse than random search, and worse than no pruning."""


@dataclass(frozen=True)
class Horizon:
    """Counted in samples seen, so that trials with different batch sizes meet at the same rungs."""

    samples_per_pass: int
    """Utterances of the training split; over folds, those of all models together."""
    budget: int
    """Samples of a full training."""
    rungs: tuple[int, ...]
    """Samples at which trials are judged; empty without pruning."""


def horizon_of(config: StudyConfig, samples_per_pass: int) -> Horizon:
    """The horizon of a study whose trials see ``samples_per_pass`` utterances a pass."""
    budget_passes, search = config.trial.budget_passes, config.search
    budget = math.ceil(budget_passes * samples_per_pass)
    if search.pruning == "none":
        return Horizon(samples_per_pass, budget, ())
    first_passes = search.first_rung_passes or budget_passes * _FIRST_RUNG_SHARE
    first = max(1, int(first_passes * samples_per_pass))
    return Horizon(samples_per_pass, budget, tuple(geometric_rungs(first, budget, search.reduction_factor)))

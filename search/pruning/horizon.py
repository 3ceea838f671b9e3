"""The time axis of a study: its passes in samples seen."""

import math
from dataclasses import dataclass

from search.pruning.asha import geometric_rungs
from search.study.config import StudyConfig

_FIRST_RUNG_SHARE = 1 / 9
"""A first rung that ranks badly makes TPE worse than random search, and worse than no pruning."""
_FIRST_RUNG_SHARE_ON_TRUST = 1 / 27
"""Where a rung that ranks badly is skipped, an early one can do no harm; PASHA begins early too."""

_READY_SHARE = 1 / 9
"""Between two comparisons of a population: short enough for several, long enough to tell who learns."""


@dataclass(frozen=True)
class Horizon:
    """Counted in samples seen, so that trials with different batch sizes meet at the same rungs."""

    samples_per_pass: int
    """Utterances of the training split; over folds, those of all models together."""
    budget: int
    """Samples of a full training."""
    rungs: tuple[int, ...]
    """Samples at which trials are judged, and members of a population compared; empty without pruning."""


def horizon_of(config: StudyConfig, samples_per_pass: int) -> Horizon:
    """The horizon of a study whose trials see ``samples_per_pass`` utterances a pass."""
    budget_passes, search = config.trial.budget_passes, config.search
    budget = math.ceil(budget_passes * samples_per_pass)
    if search.pruning == "none":
        return Horizon(samples_per_pass, budget, ())
    if search.pruning == "population":
        ready = max(1, int((search.ready_passes or budget_passes * _READY_SHARE) * samples_per_pass))
        return Horizon(samples_per_pass, budget, tuple(range(ready, budget, ready)))
    first_passes = search.first_rung_passes or _first_rung_passes(config)
    first = max(1, int(first_passes * samples_per_pass))
    return Horizon(samples_per_pass, budget, tuple(geometric_rungs(first, budget, search.reduction_factor)))


def _first_rung_passes(config: StudyConfig) -> float:
    if not config.search.has_witnesses and config.search.pruning != "pasha":
        return config.trial.budget_passes * _FIRST_RUNG_SHARE
    # Rungs before the first report would all hold the same.
    return max(config.trial.budget_passes * _FIRST_RUNG_SHARE_ON_TRUST, config.trial.report_passes)

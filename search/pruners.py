"""The pruner that a study asks for."""

from search.asha import Asha
from search.config import SearchConfig
from search.horizon import Horizon
from search.pruner import Pruner


def make_pruner(config: SearchConfig, horizon: Horizon, seed: int) -> Pruner:
    """The pruner of a study, without reports.

    Args:
        config: which one, and its settings.
        horizon: rungs and budget.
        seed: of the study; what a pruner draws follows from it and the trial's number alone.
    """
    return Asha(horizon.rungs, config.reduction_factor)

"""The pruner that a study asks for, and what its trials have taught about its rungs."""

from collections.abc import Iterable

from search.asha import Asha
from search.config import SearchConfig
from search.horizon import Horizon
from search.pruner import Pruner
from search.rung_trust import RungTrust
from search.trial_record import TrialRecord


def make_pruner(config: SearchConfig, horizon: Horizon, seed: int) -> Pruner:
    """The pruner of a study, without reports.

    Args:
        config: which one, and its settings.
        horizon: rungs and budget.
        seed: of the study; what a pruner draws follows from it and the trial's number alone.
    """
    return Asha(horizon.rungs, config.reduction_factor, _make_trust(config, horizon, seed))


def learnt_trust(config: SearchConfig, horizon: Horizon, seed: int, trials: Iterable[TrialRecord]) -> RungTrust | None:
    """What a study's trials say about its rungs; none where rungs need no trust."""
    trust = _make_trust(config, horizon, seed)
    if trust is None:
        return None
    for trial in trials:
        for samples_seen, value in sorted(trial.reports.items() if trial.counts else ()):
            trust.observe(trial.number, samples_seen, value)
    return trust


def _make_trust(config: SearchConfig, horizon: Horizon, seed: int) -> RungTrust | None:
    if not config.rung_trust:
        return None
    return RungTrust(horizon.rungs, horizon.budget, seed, config.trust_trials, config.trust_share)

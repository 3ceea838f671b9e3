"""Draws the configurations of a study's trials, again and again where they are beyond its limits."""

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.study import Study
from optuna.trial import Trial

from search.sampling.limits import Limits, refused_trials
from search.sampling.sampler import MixedSampler
from search.sampling.translation import Translation
from search.storage.queue_storage import QueueStorage
from search.study.space import SearchSpace
from search.trials.trial_changes import TrialChanges
from search.trials.trial_record import REFUSED
from trainable.config import TrialConfig


class Drawing:
    """One study's draws, whose sampler learns from those that are refused.

    Args:
        study: the sampler's own copy.
        storage: the copy's.
        space: parameters to sample.
        defaults: trial configuration that the parameters vary.
        limits: what a configuration must keep within; none for no limits.
    """

    def __init__(
        self, study: Study, storage: QueueStorage, space: SearchSpace, defaults: TrialConfig, limits: Limits | None
    ) -> None:
        self._study, self._storage, self._limits = study, storage, limits
        self._space, self._defaults = space, defaults
        self._translation = Translation(space, defaults)
        for trial in study.get_trials(deepcopy=False):
            self._teach(trial.user_attrs.get(REFUSED, ()))

    def draw(self, trial: Trial) -> TrialConfig:
        """The configuration of a trial that has none; that of an heir, whose network is its parent's, is never refused.

        Raises:
            SpoofsweepError: hardly any configuration of the space is within the limits.
        """
        limits = None if "lineage" in trial.user_attrs else self._limits
        refusals: list[dict[str, Any]] = []
        while True:
            config = self._space.apply(self._defaults, self._space.suggest(trial, self._defaults))
            if limits is None or not (excess := limits.excess(config)):
                return config
            refusals.append({"params": trial.params, **excess})
            limits.require_room(refusals)
            self._teach(refusals[-1:])
            trial = self._anew(trial, refusals)

    def _anew(self, trial: Trial, refusals: Sequence[Mapping[str, Any]]) -> Trial:
        """The trial without its parameters, be they drawn or those that it was queued with."""
        self._storage.change_trial(trial._trial_id, TrialChanges({REFUSED: list(refusals)}))
        self._storage.forget_params(trial._trial_id)
        anew = Trial(self._study, trial._trial_id)
        anew._fixed_params = {}
        return anew

    def _teach(self, refusals: Sequence[Mapping[str, Any]]) -> None:
        if self._limits is not None and isinstance(self._study.sampler, MixedSampler):
            self._study.sampler.refuse(refused_trials(refusals, self._limits, self._translation))

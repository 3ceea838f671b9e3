"""Optuna's storage in memory, with a queue to which trials come back."""

import copy
from collections.abc import Sequence

from optuna.storages import InMemoryStorage
from optuna.trial import TrialState


class QueueStorage(InMemoryStorage):
    """A storage in memory whose trials may wait again: Optuna's own looks for those that wait from the last one on."""

    def forget_params(self, trial_id: int) -> None:
        """Let a trial that runs be drawn again."""
        with self._lock:
            trial = copy.copy(self._get_trial(trial_id))
            trial.params, trial.distributions = {}, {}
            self._set_trial(trial_id, trial)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        done = super().set_trial_state_values(trial_id, state, values)
        if state == TrialState.WAITING:
            for study_id in self._prev_waiting_trial_number:
                self._prev_waiting_trial_number[study_id] = 0
        return done

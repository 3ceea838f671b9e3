"""Optuna's storage in memory, with a queue to which trials come back."""

import copy

from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from search.trials.trial_changes import TrialChanges


class QueueStorage(InMemoryStorage):
    """A storage in memory whose trials may wait again: Optuna's own looks for those that wait from the last one on."""

    def forget_params(self, trial_id: int) -> None:
        """Let a trial that runs be drawn again."""
        with self._lock:
            trial = copy.copy(self._get_trial(trial_id))
            trial.params, trial.distributions = {}, {}
            self._set_trial(trial_id, trial)

    def begin_trial(self, study_id: int, template: FrozenTrial) -> int:
        """Make a trial like ``template``, which has the study's next number; returns its identifier."""
        with self._lock:
            trial_id = self.create_new_trial(study_id)  # of a template Optuna would make a deep copy
            trial = copy.copy(template)
            trial._trial_id = trial_id
            self._set_trial(trial_id, trial)
        return trial_id

    def change_trial(self, trial_id: int, changes: TrialChanges) -> None:
        """Write all of ``changes``."""
        with self._lock:
            before = self._get_trial(trial_id)
            self.check_trial_is_updatable(trial_id, before.state)
            trial = copy.copy(before)  # whoever was given the trial as it was goes on with that
            trial.user_attrs = {**before.user_attrs, **changes.attributes}
            trial.intermediate_values = {**before.intermediate_values, **changes.reports}
            trial.params = {**before.params, **{name: value for name, (value, _) in changes.params.items()}}
            trial.distributions = {**before.distributions, **{name: kind for name, (_, kind) in changes.params.items()}}
            self._set_trial(trial_id, trial)
            if changes.state is not None:
                self.set_trial_state_values(trial_id, changes.state, None if changes.value is None else [changes.value])
            if changes.state == TrialState.WAITING:
                for study_id in self._prev_waiting_trial_number:
                    self._prev_waiting_trial_number[study_id] = 0

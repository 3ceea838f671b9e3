"""The ledger of a study: Optuna's storage, with every trial, every intermediate value, and true states."""

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from cluster.errors import SpoofsweepError
from search.ledger.study_claim import claim, comparable, fixed_defaults
from search.sampling.drawing import Drawing
from search.sampling.limits import Limits
from search.sampling.translation import Translation
from search.storage.queue_storage import QueueStorage
from search.storage.storage import close_storage, open_ledger_storage, unreachable
from search.study.objective import EER
from search.study.space import SearchSpace
from search.trials.seeds import trial_seed
from search.trials.trial_changes import TrialChanges
from search.trials.trial_record import TrialRecord, is_run_key, run_key
from trainable.checkpoints.lineage import Ancestor, Lineage
from trainable.config import TrialConfig
from trainable.data.hold_out import Folds, named

PATIENCE_S = 600.0
"""How long a sweep waits for its database to come back."""
REQUEST = "spoofsweep:request"
"""System attribute of an Optuna study that holds what the user wants of a running sweep: system attributes are few, so
that they can be read all the time."""
_SPENT = "spoofsweep:spent"
_EARLIER = "earlier_studies"
_LEASE = "spoofsweep:driver"
Signature = Callable[[TrialConfig, int, Lineage], str]


class Ledger:
    """An Optuna study that is asked for trials and told their reports and ends; minimises a validation metric.

    One driver writes at a time. The sampler works on a copy of the study in memory, so that a new trial reaches the
    storage with all its parameters and attributes in one transaction, where Optuna's own ``ask`` takes one for each.
    The space may change between sweeps: the copy holds earlier trials as points of the present one.

    Args:
        storage_url: SQLAlchemy URL of the storage, or ``search.storage.storage.MEMORY``.
        study_name: name of the Optuna study; made if missing.
        space: parameters to sample.
        defaults: trial configuration that the parameters vary.
        sampler: Optuna sampler.
        seed: study seed, from which trial seeds derive.
        shard_set_id: identity of the data; a study never mixes two.
        folds: attacks held out of training, a group a model; part of the data in the same sense.
        signature: signature of a trial, from its configuration, seed and lineage.
        objective: name of what is minimised, see `search.study.objective`.
        second_objective: name of what is minimised besides; empty for nothing. Optuna knows of the first alone, which
            its reports are about; the second is an attribute of the trials.
        limits: configurations beyond are drawn again; none for no limits.

    Raises:
        SpoofsweepError: the storage cannot be opened, or holds a study of other shards, held-out attacks or fixed trial
            settings, or with another objective.
    """

    def __init__(
        self,
        storage_url: str,
        study_name: str,
        space: SearchSpace,
        defaults: TrialConfig,
        sampler: BaseSampler | None = None,
        seed: int = 0,
        shard_set_id: str = "",
        folds: Folds = (),
        signature: Signature | None = None,
        objective: str = EER.name,
        second_objective: str = "",
        limits: Limits | None = None,
    ) -> None:
        self._space, self._defaults, self._seed, self._signature = space, defaults, seed, signature
        self.translation, self.sampler = Translation(space, defaults), sampler
        self._lock = threading.RLock()
        self._url = storage_url
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # else Optuna prints a line for every trial
        self.storage = open_ledger_storage(storage_url, PATIENCE_S)
        with self._access():
            self.study = optuna.create_study(
                storage=self.storage, study_name=study_name, direction="minimize", load_if_exists=True
            )
            self._study_id = self.storage.get_study_id_from_name(study_name)
            facts = {
                "objective": objective,  # first, so that a study which lacks it is of before there was a choice
                "second_objective": second_objective,
                "shard_set_id": shard_set_id,
                "held_out": named(folds),
                "defaults": fixed_defaults(space, defaults),
            }
            claim(self.study, facts)
            self._ids = {trial.number: trial._trial_id for trial in self.study.get_trials(deepcopy=False)}
            self._run_ids = {key: value for key, value in self.study.user_attrs.items() if is_run_key(key)}
            self._copies = QueueStorage()
            self._copy = optuna.create_study(storage=self._copies, sampler=sampler, direction="minimize")
            self._copy.add_trials(self.translation.trial(trial) for trial in self.study.get_trials(deepcopy=False))
            self._drawing = Drawing(self._copy, self._copies, space, defaults, limits)

    def ask(self) -> TrialRecord:
        """Begin a trial: one that waits if there is any, with the reports that it has, else one from the sampler.

        Raises:
            SpoofsweepError: the storage failed, another driver runs the same study, or [space] hardly has any
                configuration within the study's limits.
        """
        with self._access():
            trial = self._copy.ask()
            known = self._copied(trial.number).user_attrs
            # Of a trial that goes on it stays as it was, whatever has become of the space since.
            is_known = "config" in known
            config = TrialConfig.model_validate(known["config"]) if is_known else self._drawing.draw(trial)
            seed = known.get("seed", trial_seed(self._seed, trial.number))
            attempt = known.get("attempt", 0) + 1
            facts = {"seed": seed, "config": config.model_dump(mode="json"), "attempt": attempt}
            if self._signature is not None:
                lineage = tuple(map(Ancestor.model_validate, known.get("lineage", ())))
                facts["signature"] = self._signature(config, seed, lineage)
            self._copies.change_trial(trial._trial_id, TrialChanges(facts))
            begun = self._copied(trial.number)
            self._store(begun, is_known)
        return TrialRecord.of(begun, self.run_id(trial.number))

    def enqueue(self, params: Mapping[str, Any], **attributes: Any) -> int:
        """Put a configuration in line, before any from the sampler; parameters left out are drawn by it.

        Returns:
            The trial's number.
        """
        with self._access():
            self._copy.enqueue_trial(dict(params), user_attrs=attributes)
            queued = self._copy.get_trials(deepcopy=False)[-1]
            self._store(queued)
        return queued.number

    def report(self, number: int, samples_seen: int, value: float, **attributes: Any) -> None:
        """Record an intermediate value of a running trial, and its attributes; NaN is kept as such."""
        with self._access():
            self._change(number, TrialChanges(attributes, reports={samples_seen: value}))

    def note(self, number: int, **attributes: Any) -> None:
        """Record facts about a running trial."""
        with self._access():
            self._change(number, TrialChanges(attributes))

    def fact(self, number: int, name: str) -> Any | None:
        """What was recorded of a trial under this name; none if nothing was."""
        with self._access():
            return self._copied(number).user_attrs.get(name)

    def finish(self, number: int, state: str, value: float | None = None, **attributes: Any) -> None:
        """End a running trial as COMPLETE (with its final value), PRUNED, or FAIL (give ``reason``)."""
        with self._access():
            if state == "PRUNED":  # as Optuna has it, the value of a pruned trial is its last report, if it is a number
                last = max(self._copied(number).intermediate_values.items(), default=(0, math.nan))[1]
                value = None if math.isnan(last) else last
            self._change(number, TrialChanges(attributes, state=TrialState[state], value=value))

    def earlier(self) -> dict[str, Any]:
        """What was kept of earlier studies, by reference; see `search.ledger.warm_start`."""
        with self._access():
            return dict(self.study.user_attrs.get(_EARLIER, {}))

    def keep_earlier(self, earlier: Mapping[str, Any]) -> None:
        """Keep what is to be known of earlier studies, whatever becomes of them."""
        with self._access():
            self.study.set_user_attr(_EARLIER, dict(earlier))

    def facts(self) -> dict[str, Any]:
        """What another study must have alike for its trials to compare with this one's."""
        with self._access():
            return comparable(self.study.user_attrs)

    def set_run_id(self, number: int | None, run_id: str) -> None:
        """Remember a trial's MLflow run, or the study's own (``None``).

        Held by the study, because Optuna refuses to touch a trial that has ended, and the tracking server may answer
        later than that.
        """
        with self._access():
            self.study.set_user_attr(run_key(number), run_id)
            self._run_ids[run_key(number)] = run_id

    def run_id(self, number: int | None) -> str | None:
        """The MLflow run of a trial, or of the study (``None``); none if no run was made yet."""
        return self._run_ids.get(run_key(number))

    def request(self) -> str | None:
        """What the user wants of this sweep; see `search.sweep.control`."""
        with self._access():
            return self.storage.get_study_system_attrs(self._study_id).get(REQUEST)

    def clear_request(self) -> None:
        """It was dealt with."""
        with self._access():
            self.storage.set_study_system_attr(self._study_id, REQUEST, None)

    def spent(self) -> dict[str, float]:
        """What the study's sweeps have spent, as `set_spent` left it."""
        with self._access():
            return dict(self.storage.get_study_system_attrs(self._study_id).get(_SPENT, {}))

    def set_spent(self, spent: Mapping[str, float]) -> None:
        """Keep what the study's sweeps have spent."""
        with self._access():
            self.storage.set_study_system_attr(self._study_id, _SPENT, dict(spent))

    def lease(self) -> dict[str, Any] | None:
        """Who runs the study; see `search.sweep.driver_lease`."""
        with self._access():
            return self.storage.get_study_system_attrs(self._study_id).get(_LEASE)

    def set_lease(self, lease: Mapping[str, Any] | None) -> None:
        """Say who runs the study from now on."""
        with self._access():
            self.storage.set_study_system_attr(self._study_id, _LEASE, None if lease is None else dict(lease))

    def requeue_unfinished(self) -> list[int]:
        """Let trials that a dead driver left RUNNING wait for their turn again; before the first is asked for.

        Returns:
            Numbers of those trials.
        """
        unfinished = [trial.number for trial in self.trials() if trial.state == "RUNNING"]
        for number in unfinished:
            self.postpone(number, "its driver ended before it did")
        return unfinished

    def postpone(self, number: int, reason: str, **attributes: Any) -> None:
        """Let a trial that was begun wait for its turn again; it keeps its number, its reports and its run."""
        with self._access():
            self._change(number, TrialChanges({**attributes, "postponed": reason}, state=TrialState.WAITING))

    def trial(self, number: int) -> TrialRecord:
        """One trial."""
        with self._access():
            return TrialRecord.of(self._copied(number), self.run_id(number))

    def trials(self) -> list[TrialRecord]:
        """Every trial, by number."""
        with self._access():
            trials = self.study.get_trials(deepcopy=False)
        return [TrialRecord.of(trial, self.run_id(trial.number)) for trial in trials]

    def num_counted(self) -> int:
        """Trials that use up the study's ``num_trials``."""
        return sum(trial.counts for trial in self.trials())

    def reports(self) -> Iterator[tuple[int, int, float]]:
        """Every ``(trial, samples_seen, value)``, to rebuild the rungs from."""
        for trial in self.trials():
            for samples_seen, value in sorted(trial.reports.items()):
                yield trial.number, samples_seen, value

    def close(self) -> None:
        """Let go of the database."""
        close_storage(self.storage)

    def _copied(self, number: int) -> FrozenTrial:
        return self._copies.get_trial(self._copied_id(number))

    def _copied_id(self, number: int) -> int:
        return self._copies.get_trial_id_from_study_id_trial_number(self._copy._study_id, number)

    def _change(self, number: int, changes: TrialChanges) -> None:
        self.storage.change_trial(self._ids[number], changes)
        self._copies.change_trial(self._copied_id(number), changes)

    def _store(self, trial: FrozenTrial, is_known: bool = False) -> None:
        """Bring a trial that just began, or was queued, into the storage, which may know its parameters."""
        if trial.number not in self._ids:
            self._ids[trial.number] = self.storage.begin_trial(self._study_id, trial)
        else:
            drawn = {} if is_known else {path: (trial.params[path], kind) for path, kind in trial.distributions.items()}
            changes = TrialChanges(trial.user_attrs, drawn, state=TrialState.RUNNING)
            self.storage.change_trial(self._ids[trial.number], changes)

    @contextmanager
    def _access(self) -> Iterator[None]:
        try:
            with self._lock:  # the tracking thread writes too
                yield
        except optuna.exceptions.StorageInternalError as error:
            raise unreachable(self._url, error) from error
        except optuna.exceptions.UpdateFinishedTrialError as error:
            raise SpoofsweepError(
                "a study must be run by one driver at a time", str(error), "stop the other sweep of this study"
            ) from error

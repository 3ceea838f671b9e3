"""The ledger of a study: Optuna's storage, with every trial, every intermediate value, and true states."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna
from optuna.distributions import check_distribution_compatibility
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial, TrialState
from scipy.stats import spearmanr

from cluster.errors import SpoofsweepError
from deploy.tracking_store import sqlite_file
from search.space import SearchSpace
from search.storage import open_storage, unreachable
from trainable.config import TrialConfig
from trainable.hold_out import Folds, named

Signature = Callable[[TrialConfig, int], str]
INTERRUPTED = "interrupted"
"""User attribute of a FAIL trial that its driver left unfinished; its configuration is queued again."""


@dataclass(frozen=True)
class TrialRecord:
    """One trial as the ledger knows it. ``state`` is RUNNING, COMPLETE, PRUNED, FAIL or WAITING, as in Optuna."""

    number: int
    state: str
    params: dict[str, Any]
    """Sampled values by dotted path, lists as JSON text."""
    reports: dict[int, float]
    """Validation EER by samples seen."""
    value: float | None
    """Final validation EER of a COMPLETE trial."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """``config``, ``seed``, ``signature``, ``mlflow_run_id``, ``metrics`` (last report), ``reason``, ``prune_rung``,
    ``diverged``; those that do not apply are absent."""

    @property
    def config(self) -> TrialConfig:
        """The trial's whole configuration."""
        return TrialConfig.model_validate(self.attributes["config"])

    @property
    def seed(self) -> int:
        return int(self.attributes["seed"])

    @property
    def samples_seen(self) -> int:
        """Training samples at the last report."""
        return max(self.reports, default=0)

    @property
    def counts(self) -> bool:
        """Whether the trial uses up one of the study's trials: all but waiting and interrupted ones do."""
        return self.state != "WAITING" and not self.attributes.get(INTERRUPTED, False)


class Ledger:
    """An Optuna study that is asked for trials and told their reports and ends; minimises the validation EER.

    One driver writes at a time. The sampler works on a copy of the study in memory, so that a new trial reaches the
    storage with all its parameters and attributes in one transaction, where Optuna's own ``ask`` takes one for each.

    Args:
        storage_url: SQLAlchemy URL of the storage.
        study_name: name of the Optuna study; made if missing.
        space: parameters to sample.
        defaults: trial configuration that the parameters vary.
        sampler: Optuna sampler.
        seed: study seed, from which trial seeds derive.
        shard_set_id: identity of the data; a study never mixes two.
        folds: attacks held out of training, a group a model; part of the data in the same sense.
        signature: signature of a trial, from its configuration and seed.

    Raises:
        SpoofsweepError: the storage cannot be opened, or holds a study of other shards, held-out attacks or fixed trial
            settings, or of a space that contradicts this one.
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
    ) -> None:
        self._space, self._defaults, self._seed, self._signature = space, defaults, seed, signature
        self._running: dict[int, Trial] = {}
        self._lock = threading.RLock()
        self._url = storage_url
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # else Optuna prints a line for every trial
        self.storage = open_storage(storage_url)
        with self._access():
            self.study = optuna.create_study(
                storage=self.storage, study_name=study_name, direction="minimize", load_if_exists=True
            )
            self._study_id = self.storage.get_study_id_from_name(study_name)
            self._claim({"shard_set_id": shard_set_id, "held_out": named(folds), "defaults": self._fixed_defaults()})
            self._require_compatible_space()
            self._ids = {trial.number: trial._trial_id for trial in self.study.get_trials(deepcopy=False)}
            self._copy = optuna.create_study(sampler=sampler, direction="minimize")
            self._copy.add_trials(self.study.get_trials(deepcopy=False))

    def ask(self) -> TrialRecord:
        """Begin a trial: a queued configuration if there is one, else one from the sampler.

        Raises:
            SpoofsweepError: the storage failed, or another driver runs the same study.
        """
        with self._access():
            trial = self._copy.ask()
            config = self._space.apply(self._defaults, self._space.suggest(trial, self._defaults))
            seed = trial.user_attrs.get("seed", trial_seed(self._seed, trial.number))
            facts = {"seed": seed, "config": config.model_dump(mode="json")}
            if self._signature is not None:
                facts["signature"] = self._signature(config, seed)
            for name, fact in facts.items():
                trial.set_user_attr(name, fact)
            self._running[trial.number] = trial
            self._store(self._copy.get_trials(deepcopy=False)[trial.number])
        return TrialRecord(trial.number, "RUNNING", trial.params, {}, None, trial.user_attrs)

    def enqueue(self, params: Mapping[str, Any], **attributes: Any) -> None:
        """Put a configuration first in line; parameters left out are drawn by the sampler."""
        with self._access():
            self._copy.enqueue_trial(dict(params), user_attrs=attributes)
            self._store(self._copy.get_trials(deepcopy=False)[-1])

    def report(self, number: int, samples_seen: int, value: float) -> None:
        """Record an intermediate value of a running trial; NaN is kept as such."""
        with self._access():
            self.storage.set_trial_intermediate_value(self._ids[number], samples_seen, value)
            self._running[number].report(value, samples_seen)

    def finish(self, number: int, state: str, value: float | None = None, **attributes: Any) -> None:
        """End a running trial as COMPLETE (with its final value), PRUNED, or FAIL (give ``reason``)."""
        with self._access():
            for name, attribute in attributes.items():
                self.storage.set_trial_user_attr(self._ids[number], name, attribute)
            self._copy.tell(number, value, TrialState[state])
            # As Optuna has it, the value of a pruned trial is its last finite report.
            values = self._copy.get_trials(deepcopy=False)[number].values
            self.storage.set_trial_state_values(self._ids[number], TrialState[state], values)
            self._running.pop(number, None)

    def set_run_id(self, number: int | None, run_id: str) -> None:
        """Remember a trial's MLflow run, or the study's own (``None``).

        Held by the study, because Optuna refuses to touch a trial that has ended, and the tracking server may answer
        later than that.
        """
        with self._access():
            self.study.set_user_attr(_run_key(number), run_id)

    def run_id(self, number: int | None) -> str | None:
        """The MLflow run of a trial, or of the study (``None``); none if no run was made yet."""
        with self._access():
            return self.study.user_attrs.get(_run_key(number))

    def requeue_interrupted(self) -> list[int]:
        """End trials that a dead driver left RUNNING, and queue their configurations again with the same seeds.

        Returns:
            Numbers of the trials that were ended.
        """
        abandoned = [t.number for t in self.trials() if t.state == "RUNNING" and t.number not in self._running]
        for number in abandoned:
            self.interrupt(number, "its driver ended before it did")
        return abandoned

    def interrupt(self, number: int, reason: str) -> None:
        """End a running trial whose training was cut off, and queue its configuration again with the same seed."""
        trial = self.trials()[number]
        self.finish(number, "FAIL", reason=reason, **{INTERRUPTED: True})
        self.enqueue(trial.params, seed=trial.attributes.get("seed", trial_seed(self._seed, number)), replaces=number)

    def trials(self) -> list[TrialRecord]:
        """Every trial, by number."""
        with self._access():
            runs = self.study.user_attrs
            trials = self.study.get_trials(deepcopy=False)
        return [_record(trial, runs.get(_run_key(trial.number))) for trial in trials]

    def num_counted(self) -> int:
        """Trials that use up the study's ``num_trials``."""
        return sum(trial.counts for trial in self.trials())

    def reports(self) -> Iterator[tuple[int, int, float]]:
        """Every ``(trial, samples_seen, value)``, to rebuild the rungs from.

        Interrupted trials are left out: their queued twins, with the same seed and so the same values, would lose the
        tie against them.
        """
        for trial in filter(lambda trial: trial.counts, self.trials()):
            for samples_seen, value in sorted(trial.reports.items()):
                yield trial.number, samples_seen, value

    def close(self) -> None:
        """Let go of the database."""
        self.storage.remove_session()
        self.storage.engine.dispose()

    def _store(self, trial: FrozenTrial) -> None:
        """Bring a trial that just began, or was queued, from the copy into the storage."""
        if trial.number not in self._ids:
            trial_id = self.storage.create_new_trial(self._study_id, trial)
            if self.storage.get_trial_number_from_id(trial_id) != trial.number:
                raise SpoofsweepError(
                    "a study must be run by one driver at a time",
                    self.study.study_name,
                    "stop the other sweep of this study",
                )
            self._ids[trial.number] = trial_id
            return
        trial_id = self._ids[trial.number]  # it was queued
        self.storage.set_trial_state_values(trial_id, TrialState.RUNNING)
        for path, distribution in trial.distributions.items():
            self.storage.set_trial_param(
                trial_id, path, distribution.to_internal_repr(trial.params[path]), distribution
            )
        for name, fact in trial.user_attrs.items():
            self.storage.set_trial_user_attr(trial_id, name, fact)

    def _fixed_defaults(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in _flatten(self._defaults.model_dump(mode="json"))
            if name not in self._space.parameters
        }

    def _claim(self, facts: Mapping[str, Any]) -> None:
        """Store what must never change in a study, or compare with what is stored."""
        known = self.study.user_attrs
        for name, value in facts.items():
            if name not in known:
                self.study.set_user_attr(name, value)
            elif _difference(known[name], value):
                raise SpoofsweepError(
                    f"study '{self.study.study_name}' must go on with the {_FACTS[name]} it began with",
                    _difference(known[name], value),
                    "give the study a new name, or restore what was changed",
                )

    def _require_compatible_space(self) -> None:
        # A range may grow or shrink; Optuna cannot compare other choices, or a logarithm with none.
        for trial in self.study.get_trials(deepcopy=False):
            for path, known in trial.distributions.items():
                if path in self._space.parameters:
                    try:
                        check_distribution_compatibility(known, self._space.distribution(path))
                    except ValueError as error:
                        raise SpoofsweepError(
                            f"[space] '{path}' of study '{self.study.study_name}' must go on as it began",
                            str(self._space.distribution(path)),
                            f"give the study a new name, or restore {known}",
                        ) from error

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


_FACTS = {"shard_set_id": "shards", "held_out": "held-out attacks", "defaults": "trial settings"}


def read_trials(storage_url: str, study_name: str) -> tuple[list[TrialRecord], str, str]:
    """A study's trials, the identity of its shards and its held-out attacks as `named` has them.

    Read without laying claim to the study.

    Raises:
        SpoofsweepError: there is no such study, or the storage cannot be reached.
    """
    file = sqlite_file(storage_url)
    if file is not None and not file.exists():  # opening would make it
        raise _not_started(study_name)
    storage = open_storage(storage_url)
    try:
        study = optuna.load_study(storage=storage, study_name=study_name)
        runs = study.user_attrs
        trials = [_record(trial, runs.get(_run_key(trial.number))) for trial in study.get_trials()]
        return trials, str(runs["shard_set_id"]), str(runs.get("held_out", ""))
    except KeyError as error:
        raise _not_started(study_name) from error
    except optuna.exceptions.StorageInternalError as error:
        raise unreachable(storage_url, error) from error
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _not_started(study_name: str) -> SpoofsweepError:
    return SpoofsweepError("the study must have been started", study_name, "run `spoofsweep sweep STUDY`")


def trial_seed(study_seed: int, number: int) -> int:
    """Seed of a trial, from the study's seed and the trial's number alone."""
    return int(np.random.SeedSequence([study_seed, number]).generate_state(1)[0])


def rank_correlations(trials: list[TrialRecord], rungs: list[int]) -> dict[int, tuple[float, int]]:
    """How well each rung foretells the final score: Spearman's rho over COMPLETE trials, and their number.

    Trials that were stopped have no final score, so only survivors are compared: read small numbers with care.
    NaN where fewer than three trials, or constant values, leave it undefined.
    """
    correlations = {}
    for rung in rungs:
        pairs = [
            (min((step, value) for step, value in trial.reports.items() if step >= rung)[1], trial.value)
            for trial in trials
            if trial.value is not None and trial.samples_seen >= rung
        ]
        columns = list(zip(*pairs, strict=True))
        defined = len(pairs) >= 3 and all(len(set(column)) > 1 for column in columns)
        correlations[rung] = (float(spearmanr(*columns).statistic) if defined else float("nan"), len(pairs))
    return correlations


def _record(trial: FrozenTrial, run_id: str | None) -> TrialRecord:
    value = trial.value if trial.state == TrialState.COMPLETE else None
    attributes = trial.user_attrs if run_id is None else {**trial.user_attrs, "mlflow_run_id": run_id}
    return TrialRecord(trial.number, trial.state.name, trial.params, trial.intermediate_values, value, attributes)


def _run_key(number: int | None) -> str:
    return "mlflow_run_id" if number is None else f"mlflow_run_id:{number}"


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _difference(known: Any, value: Any) -> str:
    """What changed, in words; empty if nothing did. Settings that moved into or out of the space may."""
    if not isinstance(known, dict):
        return "" if known == value else f"{value or 'none'} after {known or 'none'}"
    changed = [name for name in known if name in value and known[name] != value[name]]
    return ", ".join(f"{name} = {value[name]!r} after {known[name]!r}" for name in changed)

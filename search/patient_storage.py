"""Optuna's storage in a database, waiting out what passes: a restart, a lost connection, a lock, a full disk.

What belongs together is written in one transaction, and by few statements: Optuna's own methods take several for every
parameter, attribute and report of a trial.
"""

import functools
import itertools
import json
import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.orm import Session

from search.trial_changes import TrialChanges

T = TypeVar("T")
_logger = logging.getLogger("spoofsweep.ledger")
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.5, 10.0
_SQLITE_PASSES = ("database is locked", "database or disk is full", "disk I/O error", "unable to open database file")
_DISCONNECTED = (sqlalchemy.exc.OperationalError, sqlalchemy.exc.InterfaceError)


class PatientStorage(RDBStorage):
    """What a sweep reads and writes through, repeated while the database is away.

    Args:
        url: SQLAlchemy URL.
        patience_s: how long a call may wait for the database.
        engine_kwargs: for SQLAlchemy.

    Every method may raise what Optuna's does, at once where waiting would change nothing.
    """

    def __init__(self, url: str, patience_s: float, engine_kwargs: dict[str, Any]) -> None:
        self._patience_s = patience_s
        self._template: FrozenTrial | None = None
        """Of the trial that was made last, or was to be."""
        super().__init__(url, engine_kwargs=engine_kwargs)

    def begin_trial(self, study_id: int, template: FrozenTrial) -> tuple[int, int]:
        """Make a trial like ``template``; returns its identifier and its number."""
        made = self._wait_out(lambda _: self._create_new_trial(study_id, template))
        return made._trial_id, made.number

    def change_trial(self, trial_id: int, changes: TrialChanges) -> None:
        """Write all of ``changes``, or nothing; to have ended is no error where the end was confirmed to nobody."""

        def change(is_repetition: bool) -> None:
            try:
                self._change(trial_id, changes)
            except UpdateFinishedTrialError:
                if not (is_repetition and changes.state is not None):
                    raise

        self._wait_out(change)

    def _change(self, trial_id: int, changes: TrialChanges) -> None:
        with _create_scoped_session(self.scoped_session) as session:
            trial: Any = models.TrialModel.find_or_raise_by_id(trial_id, session, for_update=changes.state is not None)
            self.check_trial_is_updatable(trial_id, trial.state)
            _put(session, models.TrialParamModel, trial_id, "param_name", _parameters(changes.params))
            _put(session, models.TrialUserAttributeModel, trial_id, "key", _attributes(changes.attributes))
            _put(session, models.TrialIntermediateValueModel, trial_id, "step", _reports(changes.reports))
            if changes.value is not None:
                stored, kind = models.TrialValueModel.value_to_stored_repr(changes.value)
                row = {"objective": 0, "value": stored, "value_type": kind}
                _put(session, models.TrialValueModel, trial_id, "objective", [row])
            if changes.state is not None:
                trial.state = changes.state
                if changes.state.is_finished():
                    trial.datetime_complete = datetime.now()
                elif changes.state == TrialState.RUNNING:
                    trial.datetime_start = datetime.now()

    def _get_prepared_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None, session: Session
    ) -> models.TrialModel:
        if template_trial is None:
            return super()._get_prepared_new_trial(study_id, None, session)
        # Optuna repeats the making of a trial by itself. One whose making was confirmed to nobody is found again.
        is_repetition, self._template = template_trial is self._template, template_trial
        if is_repetition:
            known = session.query(models.TrialModel).filter_by(study_id=study_id, number=template_trial.number).first()
            if known is not None and _user_attributes(known) == template_trial.user_attrs:
                return known
        trial: Any = models.TrialModel(study_id=study_id, state=template_trial.state)
        trial.datetime_start = template_trial.datetime_start
        session.add(trial)
        session.flush()  # gives it its identifier
        drawn = {
            name: (template_trial.params[name], distribution)
            for name, distribution in template_trial.distributions.items()
        }
        _insert(session, models.TrialParamModel, trial.trial_id, _parameters(drawn))
        _insert(session, models.TrialUserAttributeModel, trial.trial_id, _attributes(template_trial.user_attrs))
        _insert(session, models.TrialSystemAttributeModel, trial.trial_id, _attributes(template_trial.system_attrs))
        trial.number = trial.count_past_trials(session)
        return trial

    def _wait_out(self, act: Callable[[bool], T]) -> T:
        """Call ``act``, telling it whether it was called before, until it succeeds or patience is at its end."""
        delay_s, deadline_s = _FIRST_DELAY_S, time.monotonic() + self._patience_s
        for attempt in itertools.count():
            try:
                return act(attempt > 0)
            except StorageInternalError as error:
                if not _passes(error.__cause__) or time.monotonic() + delay_s > deadline_s:
                    raise
                _logger.warning("the study's storage is away, trying again in %.1f s: %s", delay_s, error.__cause__)
                time.sleep(delay_s)
                delay_s = min(2 * delay_s, _LONGEST_DELAY_S)
        raise AssertionError("never reached")


def _patient(name: str) -> Callable[..., Any]:
    original = getattr(RDBStorage, name)

    @functools.wraps(original)
    def method(self: PatientStorage, *args: Any, **kwargs: Any) -> Any:
        return self._wait_out(lambda _: original(self, *args, **kwargs))

    return method


# Harmless to repeat, each of them.
for _name in (
    "_get_trials",
    "get_study_system_attrs",
    "get_study_user_attrs",
    "set_study_system_attr",
    "set_study_user_attr",
):
    setattr(PatientStorage, _name, _patient(_name))


def _put(session: Session, model: Any, trial_id: int, key: str, rows: list[dict[str, Any]]) -> None:
    """Write rows of a trial, in the place of those that are there under the same keys."""
    if rows:
        table = model.__table__
        is_there = table.c[key].in_([row[key] for row in rows])
        session.connection().execute(sqlalchemy.delete(table).where(table.c.trial_id == trial_id, is_there))
    _insert(session, model, trial_id, rows)


def _insert(session: Session, model: Any, trial_id: int, rows: list[dict[str, Any]]) -> None:
    if rows:
        whole = [{"trial_id": trial_id, **row} for row in rows]
        session.connection().execute(sqlalchemy.insert(model.__table__), whole)


def _parameters(params: Mapping[str, tuple[Any, BaseDistribution]]) -> list[dict[str, Any]]:
    return [
        {
            "param_name": name,
            "param_value": distribution.to_internal_repr(value),
            "distribution_json": distribution_to_json(distribution),
        }
        for name, (value, distribution) in params.items()
    ]


def _attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value_json": json.dumps(value)} for name, value in attributes.items()]


def _reports(reports: Mapping[int, float]) -> list[dict[str, Any]]:
    represent = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr
    columns = ("intermediate_value", "intermediate_value_type")
    return [{"step": step, **dict(zip(columns, represent(value), strict=True))} for step, value in reports.items()]


def _passes(error: BaseException | None) -> bool:
    """Whether a database error is about the connection or the room, and not about what was asked."""
    if not isinstance(error, _DISCONNECTED):
        return False
    text = str(error.orig)
    if "sqlite3" in type(error.orig).__module__:
        return any(words in text for words in _SQLITE_PASSES)
    return error.connection_invalidated or "connect" in text or "shutting down" in text or "starting up" in text


def _user_attributes(trial: models.TrialModel) -> dict[str, Any]:
    return {attribute.key: json.loads(attribute.value_json) for attribute in trial.user_attributes}

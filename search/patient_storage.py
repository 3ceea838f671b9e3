"""Optuna's storage in a database, waiting out what passes: a restart, a lost connection, a lock, a full disk."""

import functools
import itertools
import json
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import sqlalchemy
from optuna.distributions import BaseDistribution
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.orm import Session

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

    def _get_prepared_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None, session: Session
    ) -> models.TrialModel:
        # Optuna repeats the making of a trial by itself. One whose making was confirmed to nobody is found again.
        is_repetition, self._template = template_trial is self._template, template_trial
        if is_repetition and template_trial is not None:
            known = session.query(models.TrialModel).filter_by(study_id=study_id, number=template_trial.number).first()
            if known is not None and _user_attributes(known) == template_trial.user_attrs:
                return known
        return super()._get_prepared_new_trial(study_id, template_trial, session)

    def _set_trial_param_without_commit(
        self,
        session: Session,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
        previous_distribution: BaseDistribution | None = None,
    ) -> None:
        # A space may change between sweeps. Optuna would ask the database for the study's first such parameter, and
        # refuse one with other choices; given a previous distribution it compares with that.
        super()._set_trial_param_without_commit(
            session, trial_id, param_name, param_value_internal, distribution, previous_distribution or distribution
        )

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Set the state; to have ended is no error where the end was confirmed to nobody."""

        def end(is_repetition: bool) -> bool:
            try:
                return RDBStorage.set_trial_state_values(self, trial_id, state, values)
            except UpdateFinishedTrialError:
                if not is_repetition:
                    raise
                return True

        return self._wait_out(end)

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


# Harmless to repeat, each of them, the making of a trial as it is above.
for _name in (
    "_get_trials",
    "create_new_trial",
    "get_study_system_attrs",
    "get_study_user_attrs",
    "get_trial_number_from_id",
    "set_study_system_attr",
    "set_study_user_attr",
    "set_trial_intermediate_value",
    "set_trial_param",
    "set_trial_user_attr",
):
    setattr(PatientStorage, _name, _patient(_name))


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

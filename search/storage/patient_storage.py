"""Optuna's storage in a database, waiting out what passes: a restart, a lost connection, a lock, a full disk.

What belongs together is written in one transaction, and by few statements: Optuna's own methods take several for every
parameter, attribute and report of a trial.
"""

import functools
import itertools
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import sqlalchemy
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection

from cluster.errors import SpoofsweepError
from search.trials.trial_changes import TrialChanges

T = TypeVar("T")
_logger = logging.getLogger("spoofsweep.ledger")
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.5, 10.0
_SQLITE_PASSES = ("database is locked", "database or disk is full", "disk I/O error", "unable to open database file")
_DISCONNECTED = (sqlalchemy.exc.OperationalError, sqlalchemy.exc.InterfaceError)


class _Rows:
    """The rows of trials in one table, told apart by ``key``; statements are made once, which takes longest of all."""

    def __init__(self, model: Any, key: str) -> None:
        table = model.__table__
        keys = table.c[key].in_(sqlalchemy.bindparam("keys", expanding=True))
        self._key = key
        self._delete = sqlalchemy.delete(table).where(table.c.trial_id == sqlalchemy.bindparam("trial"), keys)
        self._insert = sqlalchemy.insert(table)

    def insert(self, connection: Connection, trial_id: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows to a trial that has none of their keys."""
        if rows:
            connection.execute(self._insert, [{"trial_id": trial_id, **row} for row in rows])

    def put(self, connection: Connection, trial_id: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows to a trial, in the place of what it has under their keys."""
        if rows:
            connection.execute(self._delete, {"trial": trial_id, "keys": [row[self._key] for row in rows]})
        self.insert(connection, trial_id, rows)


_PARAMETERS = _Rows(models.TrialParamModel, "param_name")
_ATTRIBUTES = _Rows(models.TrialUserAttributeModel, "key")
_SYSTEM_ATTRIBUTES = _Rows(models.TrialSystemAttributeModel, "key")
_REPORTS = _Rows(models.TrialIntermediateValueModel, "step")
_VALUES = _Rows(models.TrialValueModel, "objective")
_STUDIES: Any = models.StudyModel.__table__
_TRIALS: Any = models.TrialModel.__table__
_OF_STUDY = _TRIALS.c.study_id == sqlalchemy.bindparam("study")
_LOCK_STUDY = (  # SQLite knows no SELECT FOR UPDATE; what changes nothing locks there, too
    sqlalchemy.update(_STUDIES)
    .where(_STUDIES.c.study_id == sqlalchemy.bindparam("study"))
    .values(study_name=_STUDIES.c.study_name)
)
_COUNT_TRIALS = sqlalchemy.select(sqlalchemy.func.count(_TRIALS.c.trial_id)).where(_OF_STUDY)
_INSERT_TRIAL = sqlalchemy.insert(_TRIALS)
_STATE_OF = (
    sqlalchemy.select(_TRIALS.c.state).where(_TRIALS.c.trial_id == sqlalchemy.bindparam("trial")).with_for_update()
)


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
        try:
            super().__init__(url, engine_kwargs=engine_kwargs)
        except BaseException:
            if hasattr(self, "engine"):
                self.engine.dispose()  # Optuna leaves its connections open
            raise

    def begin_trial(self, study_id: int, template: FrozenTrial) -> int:
        """Make a trial like ``template``, which has the study's next number; returns its identifier.

        One whose making was confirmed to nobody is found again.

        Raises:
            SpoofsweepError: somebody else made a trial of this number; nothing is written.
        """
        return self._wait_out(lambda is_repetition: self._begin(study_id, template, is_repetition))

    def change_trial(self, trial_id: int, changes: TrialChanges) -> None:
        """Write all of ``changes``, or nothing; to have ended is no error where the end was confirmed to nobody."""

        def change(is_repetition: bool) -> None:
            try:
                self._change(trial_id, changes)
            except UpdateFinishedTrialError:
                if not (is_repetition and changes.state is not None):
                    raise

        self._wait_out(change)

    def _begin(self, study_id: int, template: FrozenTrial, is_repetition: bool) -> int:
        start = template.datetime_start
        started = {} if start is None else {"datetime_start": start.astimezone(UTC).replace(tzinfo=None)}
        row = {"study_id": study_id, "number": template.number, "state": template.state, **started}
        params = {name: (template.params[name], kind) for name, kind in template.distributions.items()}
        with self._transaction() as connection:
            connection.execute(_LOCK_STUDY, {"study": study_id})  # whoever else makes one waits
            if connection.execute(_COUNT_TRIALS, {"study": study_id}).scalar_one() != template.number:
                known = _found(connection, study_id, template) if is_repetition else None
                if known is None:
                    raise SpoofsweepError(
                        "a study must be run by one driver at a time",
                        f"trial {template.number} of another one",
                        "stop the other sweep of this study",
                    )
                return known
            made: Any = connection.execute(_INSERT_TRIAL, row).inserted_primary_key
            trial_id: int = made[0]
            _PARAMETERS.insert(connection, trial_id, _parameters(params))
            _ATTRIBUTES.insert(connection, trial_id, _attributes(template.user_attrs))
            _SYSTEM_ATTRIBUTES.insert(connection, trial_id, _attributes(template.system_attrs))
        return trial_id

    def _change(self, trial_id: int, changes: TrialChanges) -> None:
        with self._transaction() as connection:
            state = connection.execute(_STATE_OF, {"trial": trial_id}).scalar_one()
            self.check_trial_is_updatable(trial_id, state)
            _PARAMETERS.put(connection, trial_id, _parameters(changes.params))
            _ATTRIBUTES.put(connection, trial_id, _attributes(changes.attributes))
            _REPORTS.put(connection, trial_id, _reports(changes.reports))
            if changes.value is not None:
                stored, kind = models.TrialValueModel.value_to_stored_repr(changes.value)
                _VALUES.put(connection, trial_id, [{"objective": 0, "value": stored, "value_type": kind}])
            if changes.state is not None:
                turn = "datetime_complete" if changes.state.is_finished() else "datetime_start"
                moved = {} if changes.state == TrialState.WAITING else {turn: datetime.now(UTC).replace(tzinfo=None)}
                update = sqlalchemy.update(_TRIALS).where(_TRIALS.c.trial_id == trial_id)
                connection.execute(update.values(state=changes.state, **moved))

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """A connection whose statements all hold, or none; faults are those of Optuna's own sessions."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise StorageInternalError(f"the study's storage did not take a change: {error}") from error

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


def _found(connection: Connection, study_id: int, template: FrozenTrial) -> int | None:
    """The trial of the template's number, where it is this one."""
    by_number = sqlalchemy.select(_TRIALS.c.trial_id).where(_OF_STUDY, _TRIALS.c.number == template.number)
    trial_id = connection.execute(by_number, {"study": study_id}).scalar()
    attributes: Any = models.TrialUserAttributeModel.__table__
    of_trial = sqlalchemy.select(attributes.c.key, attributes.c.value_json).where(attributes.c.trial_id == trial_id)
    known = {row.key: row.value_json for row in connection.execute(of_trial)}
    return trial_id if known == {row["key"]: row["value_json"] for row in _attributes(template.user_attrs)} else None

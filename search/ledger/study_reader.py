"""Reads a study's trials without laying claim to the study."""

from typing import NamedTuple

import optuna

from cluster.errors import SpoofsweepError
from deploy.tracking_store import sqlite_file
from search.ledger.study_claim import comparable
from search.storage.storage import open_storage, unreachable
from search.trials.trial_record import TrialRecord, run_key


class BegunStudy(NamedTuple):
    """What the ledger holds of a study."""

    trials: list[TrialRecord]
    shard_set_id: str
    held_out: str
    """As `trainable.data.hold_out.named` has it."""
    objective: str
    """Name of what is minimised, see `search.study.objective`."""
    second_objective: str
    """Name of what is minimised besides; empty for nothing."""


def read_trials(storage_url: str, study_name: str) -> BegunStudy:
    """A study's trials, and what it began with; may be read while a sweep runs.

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
        trials = [TrialRecord.of(trial, runs.get(run_key(trial.number))) for trial in study.get_trials()]
        facts = {name: str(fact) for name, fact in comparable(runs).items()}
        return BegunStudy(trials, **facts | {"shard_set_id": str(runs["shard_set_id"])})
    except KeyError as error:
        raise _not_started(study_name) from error
    except optuna.exceptions.StorageInternalError as error:
        raise unreachable(storage_url, error) from error
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _not_started(study_name: str) -> SpoofsweepError:
    return SpoofsweepError("the study must have been started", study_name, "run `spoofsweep sweep STUDY`")

"""Opens the Optuna storage of a study."""

import time
from collections.abc import Callable
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import BaseStorage, RDBStorage

from cluster.errors import SpoofsweepError
from cluster.uris import shown
from deploy.tracking_store import sqlite_file
from search.storage.patient_storage import PatientStorage
from search.storage.queue_storage import QueueStorage

MEMORY = "memory:"
"""In the place of a storage's URL: none, for sweeps in virtual time."""
_MADE_BY_OTHERS = ("already exists", "UNIQUE constraint failed", "duplicate key value")
"""What SQLite and PostgreSQL say to the second who makes a table, or writes down its version."""


def open_ledger_storage(url: str, patience_s: float) -> PatientStorage | QueueStorage:
    """As `open_storage`, or a storage that ends with the process where ``url`` is ``MEMORY``."""
    return QueueStorage() if url == MEMORY else open_storage(url, patience_s)


def close_storage(storage: BaseStorage) -> None:
    """Let go of the database, if there is one."""
    storage.remove_session()
    if isinstance(storage, RDBStorage):
        storage.engine.dispose()


def open_storage(url: str, patience_s: float = 0.0) -> PatientStorage:
    """Optuna's storage at ``url``; an SQLite file is opened for one writer and many readers.

    Args:
        patience_s: how long a call may wait while the database is away, once it was reached.

    Raises:
        SpoofsweepError: it cannot be reached.
    """
    is_sqlite = url.startswith("sqlite")
    connect_args = {"timeout": 60} if is_sqlite else {}
    try:
        file = sqlite_file(url)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        settings = {"connect_args": connect_args, "pool_pre_ping": not is_sqlite}
        storage = _with_tables(lambda: PatientStorage(url, patience_s, settings))
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError, ImportError, OSError) as error:
        raise unreachable(url, error) from error
    if is_sqlite:
        sqlalchemy.event.listen(storage.engine, "connect", _tune_sqlite)
        storage.engine.dispose()
    return storage


def _with_tables(open_it: Callable[[], PatientStorage], num_tries: int = 6) -> PatientStorage:
    """Try again while others, who came at the same time, make the tables of a new database."""
    try:
        return open_it()
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        if num_tries == 1 or not any(words in f"{error} {error.__cause__}" for words in _MADE_BY_OTHERS):
            raise
    time.sleep(0.5)
    return _with_tables(open_it, num_tries - 1)


def check_writable(url: str) -> None:
    """Open the storage as a sweep does, and leave it; an SQLite file is made if missing.

    Raises:
        SpoofsweepError: it cannot be reached.
    """
    close_storage(open_storage(url))


def holds_study(url: str, name: str) -> bool:
    """Whether the storage at ``url`` has a study of this name; makes neither file nor tables.

    Raises:
        SpoofsweepError: the storage cannot be reached.
    """
    file = sqlite_file(url)
    if file is not None and not file.exists():
        return False
    try:
        engine = sqlalchemy.create_engine(url)
        try:
            with engine.connect() as connection:
                if not sqlalchemy.inspect(connection).has_table("studies"):
                    return False
                query = sqlalchemy.text("SELECT 1 FROM studies WHERE study_name = :name")
                return connection.execute(query, {"name": name}).first() is not None
        finally:
            engine.dispose()
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        raise unreachable(url, error) from error


def _tune_sqlite(connection: Any, record: object) -> None:
    # Write-ahead logging: readers (the dashboard) never block the sweep, and a killed driver loses nothing.
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def unreachable(url: str, error: Exception) -> SpoofsweepError:
    """The error to raise when the storage at ``url`` failed; passwords are not shown."""
    cause = str(error.__cause__ or error).splitlines()[0]
    return SpoofsweepError(
        "the study's Optuna storage must be reachable", f"{shown(url)} ({cause})", "check study.storage"
    )

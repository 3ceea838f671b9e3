"""Opens the Optuna storage of a study."""

from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import RDBStorage

from cluster.errors import SpoofsweepError
from cluster.uris import shown


def open_storage(url: str) -> RDBStorage:
    """Optuna's storage at ``url``; an SQLite file is opened for one writer and many readers.

    Raises:
        SpoofsweepError: it cannot be reached.
    """
    file = sqlite_file(url)
    is_sqlite = sqlalchemy.make_url(url).get_backend_name() == "sqlite"
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    connect_args = {"timeout": 60} if is_sqlite else {}
    try:
        storage = RDBStorage(url, engine_kwargs={"connect_args": connect_args, "pool_pre_ping": not is_sqlite})
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError, ImportError) as error:
        raise unreachable(url, error) from error
    if is_sqlite:
        sqlalchemy.event.listen(storage.engine, "connect", _tune_sqlite)
        storage.engine.dispose()
    return storage


def sqlite_file(url: str) -> Path | None:
    """The file behind an SQLite URL; none of a server, or of a database in memory."""
    parsed = sqlalchemy.make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


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

"""The MLflow store of runs and models: opened in seconds, or said at once that it cannot be reached.

Libraries are imported only where they are needed: every command loads this file, and most do without them.
"""

import os
import shlex
import socket
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cluster.errors import AwayError, SpoofsweepError
from cluster.uris import masked, shown

if TYPE_CHECKING:
    from mlflow import MlflowClient

DEFAULT_URI = "sqlite:///results/mlflow.db"
"""Of commands that are told of no other."""
NO_PROGRESS_BARS = ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
"""Environment variable and value: MLflow would draw a bar for each of our few small files."""
_TIMEOUT_S = 5.0
_DEFAULT_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}


def new_client(tracking_uri: str) -> "MlflowClient":
    """A client of the tracking store and model registry, without asking whether anybody is there.

    It gives up on a silent server in seconds: MLflow's own would try for minutes.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ.setdefault(*NO_PROGRESS_BARS)
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # a line for every run that ends
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)


def open_client(tracking_uri: str) -> "MlflowClient":
    """A client of a store that is there.

    Raises:
        SpoofsweepError: the database file does not exist, or the store does not answer.
    """
    file = sqlite_file(tracking_uri)
    if file is not None and not file.exists():
        raise unreachable(tracking_uri, FileNotFoundError("no such file"))
    check_reachable(tracking_uri)
    return new_client(tracking_uri)


def check_reachable(tracking_uri: str) -> None:
    """Make sure that an MLflow server or database answers within ten seconds; an SQLite file is made if missing.

    Raises:
        SpoofsweepError: it does not.
    """
    import requests
    import sqlalchemy
    from mlflow.exceptions import MlflowException

    try:
        parts = urlsplit(tracking_uri)
        scheme = parts.scheme.split("+")[0]
        if parts.hostname is not None:
            port = parts.port or _DEFAULT_PORTS.get(scheme, 443)
            socket.create_connection((parts.hostname, port), _TIMEOUT_S).close()
        if scheme in ("http", "https"):
            requests.get(f"{tracking_uri.rstrip('/')}/health", timeout=_TIMEOUT_S).raise_for_status()
            return
        file = sqlite_file(tracking_uri)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        new_client(tracking_uri).search_experiments(max_results=1)
    # A port may be no number, and a database may want a driver that is not installed.
    except (OSError, ValueError, ImportError, MlflowException, sqlalchemy.exc.SQLAlchemyError) as error:
        raise unreachable(tracking_uri, error) from error


def open_experiment(client: "MlflowClient", name: str, artifact_folder: Path | None) -> str:
    """Identifier of the experiment, made if missing; a store without a server keeps artefacts in ``artifact_folder``.

    Raises:
        SpoofsweepError: the store does not answer, or the experiment was deleted.
    """
    import requests
    from mlflow.exceptions import MlflowException

    location = None if artifact_folder is None else artifact_folder.resolve().as_uri()
    try:
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            return client.create_experiment(name, artifact_location=location)
    except (MlflowException, requests.RequestException) as error:
        raise unreachable(client.tracking_uri, error) from error
    if experiment.lifecycle_stage != "active":
        raise SpoofsweepError(
            "the MLflow experiment must be active", f"'{name}', deleted", "restore it, or change mlflow.experiment"
        )
    return str(experiment.experiment_id)


def uri_option(tracking_uri: str) -> str:
    """What a command must add to use this store; empty where it is the default, or is left to the environment.

    The environment keeps addresses with a password, which is not shown.
    """
    file, default = sqlite_file(tracking_uri), sqlite_file(DEFAULT_URI)
    is_default = file is not None and default is not None and file.absolute() == default.absolute()
    is_secret = shown(tracking_uri) != tracking_uri
    return "" if is_default or is_secret else f" --tracking-uri {shlex.quote(tracking_uri)}"


def sqlite_file(url: str) -> Path | None:
    """The file behind an SQLite URL; none of a server, of a database in memory, or of what is no URL."""
    import sqlalchemy

    try:
        database = sqlalchemy.make_url(url).database if url.startswith("sqlite") else None
    except sqlalchemy.exc.ArgumentError:  # whoever opens it will say so
        return None
    return Path(database) if database else None


def unreachable(tracking_uri: str, error: Exception) -> AwayError:
    """The error to raise when the store at ``tracking_uri`` failed; passwords are not shown."""
    return AwayError(
        "the MLflow tracking store must be reachable",
        masked(f"{tracking_uri} ({str(error).splitlines()[0]})", tracking_uri),
        "start the server, or name another store: mlflow.tracking_uri in a study, --tracking-uri, MLFLOW_TRACKING_URI",
    )

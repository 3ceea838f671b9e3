"""Opens the MLflow store of a study, or says at once that it cannot be reached."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

import requests
import sqlalchemy
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from cluster.errors import SpoofsweepError
from cluster.uris import masked, shown
from deploy.models import new_client

_TIMEOUT_S = 5.0
_DEFAULT_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}


def check_reachable(tracking_uri: str) -> None:
    """Make sure that an MLflow server or database answers within ten seconds; an SQLite file is made if missing.

    Raises:
        SpoofsweepError: it does not.
    """
    parts = urlsplit(tracking_uri)
    scheme = parts.scheme.split("+")[0]
    try:
        if parts.hostname is not None:
            socket.create_connection(
                (parts.hostname, parts.port or _DEFAULT_PORTS.get(scheme, 443)), _TIMEOUT_S
            ).close()
        if scheme in ("http", "https"):
            requests.get(f"{tracking_uri.rstrip('/')}/health", timeout=_TIMEOUT_S).raise_for_status()
        elif scheme == "sqlite":
            _sqlite_path(tracking_uri).parent.mkdir(parents=True, exist_ok=True)
        if scheme not in ("http", "https"):
            new_client(tracking_uri).search_experiments(max_results=1)
    except (OSError, requests.RequestException, MlflowException, sqlalchemy.exc.SQLAlchemyError) as error:
        raise unreachable(tracking_uri, error) from error


def open_experiment(client: MlflowClient, name: str, artifact_folder: Path | None) -> str:
    """Identifier of the experiment, made if missing; a store without a server keeps artefacts in ``artifact_folder``.

    Raises:
        SpoofsweepError: the store does not answer, or the experiment was deleted.
    """
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


def _sqlite_path(tracking_uri: str) -> Path:
    return Path(sqlalchemy.make_url(tracking_uri).database or "mlflow.db")


def unreachable(tracking_uri: str, error: Exception) -> SpoofsweepError:
    """The error to raise when the store at ``tracking_uri`` failed; passwords are not shown."""
    return SpoofsweepError(
        "the MLflow tracking store must be reachable",
        f"{shown(tracking_uri)} ({masked(str(error).splitlines()[0], tracking_uri)})",
        "start the server, or change mlflow.tracking_uri (left out, results go to a local file)",
    )

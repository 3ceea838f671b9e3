"""What of a study means nothing on other machines, found before it is submitted to them."""

import os
import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from cluster.errors import SpoofsweepError
from data_prep.remote_files import is_uri
from deploy.tracking_store import sqlite_file
from search.ledger.warm_start import split_reference
from search.study.shipped import SHIPPED
from search.study.study import Study

_VARIABLE = re.compile(r"\$\{?(\w+)")


def check_launchable(study: Study, target: str) -> list[str]:
    """Notes on what must be so on the nodes of a cluster.

    Raises:
        SpoofsweepError: something that several machines share lies where only this one sees it.
    """
    launch = study.config.cluster.launch
    if target == "kuberay" and launch.forward:
        remedy = "put them into a Secret and name it in cluster.launch.kuberay.secret"
        raise SpoofsweepError("Kubernetes takes no variables from this shell", ", ".join(launch.forward), remedy)
    shared = PurePosixPath(launch.shared_folder or "/")
    for name, path in _written(study).items():
        _require_shared(name, path, shared)
    read = _read(study)
    for name, path in read.items():
        is_relative = not is_uri(path) and not path.startswith(("/", "$"))
        if is_relative and study.path.parent != SHIPPED:
            remedy = "write it as the nodes see it: absolute, or as a URI"
            raise SpoofsweepError(f"{name} of a launched study must not depend on this machine", path, remedy)
    uri_notes = _tracking_notes(study) if target == "kuberay" else []
    return [*uri_notes, *_variable_notes(study, read), *_folder_notes(read, shared), *_ledger_notes(study)]


def _written(study: Study) -> dict[str, str]:
    """Local paths to which a study writes, and the ledgers that it starts from, by their settings."""
    config = study.config
    databases = {"study.storage": config.study.storage, "mlflow.tracking_uri": config.mlflow.tracking_uri}
    databases |= {f"search.start_from {name}": url for url, name in map(split_reference, config.search.start_from)}
    files = {name: str(file) for name, uri in databases.items() if uri and (file := sqlite_file(uri)) is not None}
    store = {} if config.shards.store is None or is_uri(config.shards.store) else {"shards.store": config.shards.store}
    return {"study.output": config.study.output, **store, **files}


def _read(study: Study) -> dict[str, str]:
    """Paths that a study reads, by their settings."""
    corpus, policies = study.config.corpus, study.config.augmentation.policies
    roots = {"corpus.root": corpus.root, **{f"corpus.extra {extra.name}": extra.root for extra in corpus.extra}}
    folders = {
        f"augmentation.policies.{name}": folder
        for name, policy in policies.items()
        for step in policy.steps
        if (folder := getattr(step, "folder", None))
    }
    return {**roots, **folders}


def _require_shared(name: str, path: str, shared: PurePosixPath) -> None:
    """Relative paths start in the shared folder; others must lead there."""
    is_relative = not path.startswith(("/", "~", "$"))
    if is_relative or path.startswith("$") or PurePosixPath(path).is_relative_to(shared):
        return
    remedy = "write it relative to cluster.launch.shared_folder, or name a server"
    raise SpoofsweepError(f"{name} must lie where every node sees it, in {shared}", path, remedy)


def _variable_notes(study: Study, read: Mapping[str, str]) -> list[str]:
    known = {*study.config.cluster.launch.environment, *study.config.cluster.launch.forward}
    used = {variable for path in (*read.values(), *_written(study).values()) for variable in _VARIABLE.findall(path)}
    return [f"{one} must be set on every node, or in cluster.launch.environment" for one in sorted(used - known)]


def _tracking_notes(study: Study) -> list[str]:
    if study.config.mlflow.tracking_uri is not None or "MLFLOW_TRACKING_URI" not in os.environ:
        return []
    return ["MLFLOW_TRACKING_URI of this shell does not reach Kubernetes: set mlflow.tracking_uri"]


def _folder_notes(read: Mapping[str, str], shared: PurePosixPath) -> list[str]:
    outside = {name: path for name, path in read.items() if path.startswith("/")}
    return [
        f"{name} must be at {path} on every node: it is not in the shared folder {shared}"
        for name, path in outside.items()
        if not PurePosixPath(path).is_relative_to(shared)
    ]


def _ledger_notes(study: Study) -> list[str]:
    storage = study.config.study.storage
    if storage is not None and not storage.startswith("sqlite"):
        return []
    return [
        "the ledger is an SQLite file in the shared folder: only the head opens it, but network file systems lock "
        'badly; a database server is safer: study.storage = "postgresql+psycopg://USER@HOST/optuna"'
    ]

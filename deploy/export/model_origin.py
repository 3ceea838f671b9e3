"""A model with where it comes from: its run, and the registered version that it is."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.models import CHAMPION, champion_version, find_run, is_detector, resolve, version_folder
from deploy.tracking_store import open_client
from trainable.checkpoints.atomic_folder import readable_folder

STUDY_TAG = "spoofsweep.study"
"""Of a run: the study that it belongs to."""
_SPLITS = ("dev_", "eval_")


@dataclass(frozen=True)
class ModelOrigin:
    """A model folder, and what the tracking store knows of it; nothing of a folder that was given as such."""

    folder: Path
    run_id: str = ""
    name: str = ""
    """Of the registered model, else the study, else the folder."""
    version: str = ""
    """Of the registered model."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Of the run, about dev and eval."""


def find_origin(reference: str, tracking_uri: str, model_name: str | None = None) -> ModelOrigin:
    """The model that ``reference`` names, see `deploy.models.resolve`.

    Raises:
        SpoofsweepError: there is no such model, or more than one.
    """
    name, _, study = reference.partition("@")
    if name == CHAMPION:
        client = open_client(tracking_uri)
        version = champion_version(client, tracking_uri, study or model_name)
        folder, run = version_folder(client, version), client.get_run(version.run_id)
        return ModelOrigin(folder, str(version.run_id), version.name, str(version.version), _metrics(run))
    folder = resolve(reference, tracking_uri)
    if readable_folder(Path(reference).expanduser()).is_dir():
        return ModelOrigin(folder, name=folder.resolve().name)
    return _of_run(folder, find_run(reference, tracking_uri), tracking_uri)


def _of_run(folder: Path, run: Any, tracking_uri: str) -> ModelOrigin:
    client, run_id = open_client(tracking_uri), str(run.info.run_id)
    found = client.search_model_versions(f"run_id = '{run_id}'")
    versions = [version for version in found if not is_detector(client.get_registered_model(version.name))]
    study = run.data.tags.get(STUDY_TAG, run_id[:6])
    if not versions:
        return ModelOrigin(folder, run_id, study, metrics=_metrics(run))
    newest = max(versions, key=lambda version: int(version.version))
    return ModelOrigin(folder, run_id, newest.name, str(newest.version), _metrics(run))


def _metrics(run: Any) -> dict[str, float]:
    return {name: value for name, value in sorted(run.data.metrics.items()) if name.startswith(_SPLITS)}

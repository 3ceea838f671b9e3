"""Registers an exported detector in MLflow, as a model that loads without torch."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.errors import SpoofsweepError
from deploy.detector_card import DetectorCard
from deploy.detector_folder import ARTIFACT, CARD, MODEL_FILES, STREAM, UTTERANCE
from deploy.models import CHAMPION, DETECTOR_TAG
from deploy.packaging import global_store, model_parts
from deploy.tracking_store import open_client

if TYPE_CHECKING:
    from mlflow import MlflowClient

SUFFIX = "-detector"
"""Of the registered model, behind the study's name."""
REQUIREMENTS = ("mlflow", "numpy", "onnxruntime", "pandas", "soundfile", "soxr")
"""All that loading and scoring import."""


def register_detector(folder: Path, card: DetectorCard, run_id: str, tracking_uri: str) -> tuple[str, str]:
    """Log an exported folder to the run that trained the model, and register it with the alias ``champion``.

    Args:
        run_id: empty for a model that no run is known of.

    Returns:
        Name and version of the registered model.

    Raises:
        SpoofsweepError: there is no run, or the store does not answer.
    """
    if not run_id:
        raise SpoofsweepError(
            "a registered detector belongs to an MLflow run",
            "a model folder, of which no run is known",
            "export `champion` or a run id",
        )
    client, name = open_client(tracking_uri), card.name + SUFFIX
    info = _logged(folder, card, run_id, tracking_uri)
    _make_registered_model(client, name, card.name)
    tags = {
        "spoofsweep.model_version": card.version,
        "spoofsweep.signature": card.signature,
        "spoofsweep.shard_set_id": card.shard_set_id,
        "spoofsweep.code_version": card.code_version,
        "spoofsweep.threshold": f"{card.threshold:.6f}",
    }
    with global_store(tracking_uri):
        version = client.create_model_version(name, info.model_uri, run_id, tags=tags, model_id=info.model_id)
    client.set_registered_model_alias(name, CHAMPION, version.version)
    return name, str(version.version)


def _logged(folder: Path, card: DetectorCard, run_id: str, tracking_uri: str) -> Any:
    import mlflow

    with global_store(tracking_uri), mlflow.start_run(run_id=run_id), _parts(folder, card) as parts:
        return mlflow.pyfunc.log_model(name=ARTIFACT, **parts)


def _make_registered_model(client: "MlflowClient", name: str, study: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name, tags=dict([DETECTOR_TAG]) | {"spoofsweep.study": study})
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _parts(folder: Path, card: DetectorCard) -> AbstractContextManager[dict[str, Any]]:
    files = [folder / name for name in (UTTERANCE, STREAM, CARD, *MODEL_FILES) if (folder / name).exists()]
    identity = {"signature": card.signature, "shard_set_id": card.shard_set_id}
    return model_parts(files, REQUIREMENTS, card.sample_rate, identity)

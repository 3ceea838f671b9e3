"""Finds the model that a user names: the champion, a run, or a folder."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.errors import SpoofsweepError
from cluster.uris import masked, shown
from deploy.detector_folder import ARTIFACT
from deploy.tracking_store import open_client, uri_option
from trainable.checkpoints.atomic_folder import readable_folder
from trainable.data.hold_out import fold_path

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION = "champion"
"""Alias of the registered model version to use; also the word by which a user asks for it."""
RUN_ARTIFACT = "model_folder"
"""Where a run keeps its model folder, among its artefacts."""
DETECTOR_TAG = ("spoofsweep.kind", "detector")
"""Of registered models that are exported detectors; their alias ``champion`` is not the trained model's."""


def resolve(reference: str, tracking_uri: str, model_name: str | None = None) -> Path:
    """The model folder that ``reference`` names, downloaded if it lies on a server.

    Args:
        reference: ``champion``, ``champion@STUDY``, a run id (whole, or its first six characters or more), or a folder.
        tracking_uri: the MLflow server or database; not asked for a folder.
        model_name: the study whose champion is meant, unless ``reference`` says so.

    Raises:
        SpoofsweepError: there is no such model, or more than one.
    """
    name, _, study = reference.partition("@")
    if name == CHAMPION:
        client = open_client(tracking_uri)
        return version_folder(client, champion_version(client, tracking_uri, study or model_name))
    folder = readable_folder(Path(reference).expanduser())
    if folder.is_dir():
        return _model_folder(folder)
    if not re.fullmatch(r"[0-9a-f]{6,32}", reference):
        raise SpoofsweepError(
            "a model is 'champion', 'champion@STUDY', a run id (six characters of it at least) or a model folder",
            reference,
        )
    return _run_folder(tracking_uri, find_run(reference, tracking_uri).info.run_id)


def find_run(reference: str, tracking_uri: str) -> Any:
    """The MLflow run whose id begins with ``reference``, or the run that the champion came from.

    Raises:
        SpoofsweepError: no such run, or several.
    """
    client = open_client(tracking_uri)
    name, _, study = reference.partition("@")
    if name == CHAMPION:
        return client.get_run(champion_version(client, tracking_uri, study or None).run_id)
    if not re.fullmatch(r"[0-9a-f]{6,32}", reference):
        raise SpoofsweepError("a run is 'champion', 'champion@STUDY' or a run id (six characters at least)", reference)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments, f"attributes.run_id LIKE '{reference}%'", max_results=3)
    if not runs:
        raise SpoofsweepError(
            f"the run must be in {shown(tracking_uri)}", reference, "see `spoofsweep leaderboard STUDY`"
        )
    if len(runs) > 1:
        ids = ", ".join(run.info.run_id for run in runs)
        raise SpoofsweepError("a run id must name one run", f"{reference}, which begins {ids}", "give more characters")
    return runs[0]


def champion_version(client: "MlflowClient", tracking_uri: str, model_name: str | None) -> Any:
    """The registered model version that bears the alias ``champion``.

    Raises:
        SpoofsweepError: there is none, or several studies have one and ``model_name`` chooses none of them.
    """
    champions = {
        model.name: model.aliases[CHAMPION]
        for model in client.search_registered_models(max_results=1000)
        if CHAMPION in model.aliases and model_name in (None, model.name) and not is_detector(model)
    }
    if not champions:
        asked = f"study {model_name} in {shown(tracking_uri)}" if model_name else shown(tracking_uri)
        raise SpoofsweepError("a champion must be registered", f"none for {asked}", "run `spoofsweep sweep STUDY`")
    if len(champions) > 1:
        names = ", ".join(f"champion@{name}" for name in sorted(champions))
        raise SpoofsweepError("'champion' must mean one model", f"{len(champions)} studies", f"say which: {names}")
    (name,) = champions
    return client.get_model_version_by_alias(name, CHAMPION)


def version_folder(client: "MlflowClient", version: Any) -> Path:
    """The model folder of a registered version, downloaded if it lies on a server.

    Raises:
        SpoofsweepError: it is not where MLflow says.
    """
    source = client.get_model_version_download_uri(version.name, version.version)
    return _model_folder(_download(client.tracking_uri, artifact_uri=f"{source}/artifacts/{ARTIFACT}"))


def is_detector(model: Any) -> bool:
    """Whether a registered model is an exported detector."""
    name, value = DETECTOR_TAG
    return bool(model.tags.get(name) == value)


def _run_folder(tracking_uri: str, run_id: str) -> Path:
    if not open_client(tracking_uri).list_artifacts(run_id, RUN_ARTIFACT):
        raise SpoofsweepError(
            "the run must have kept its model",
            run_id,
            f"train it again with `spoofsweep reproduce {run_id} --save DIR{uri_option(tracking_uri)}` (and --shards, "
            "if they lie elsewhere), then use DIR as the model",
        )
    return _model_folder(_download(tracking_uri, run_id=run_id, artifact_path=RUN_ARTIFACT))


def _download(tracking_uri: str, **source: str) -> Path:
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        return Path(download_artifacts(tracking_uri=tracking_uri, **source))
    except (MlflowException, OSError) as error:
        raise SpoofsweepError(
            "the model's files must be where MLflow says", masked(f"{source} ({error})", tracking_uri)
        ) from error


def _model_folder(folder: Path) -> Path:
    if not (folder / "model.json").is_file():
        if fold_path(folder, 0).is_dir():
            raise SpoofsweepError(
                "a detector is one model",
                f"{folder}, one for each fold of a trial",
                "choose a finalist, or one fold's folder",
            )
        raise SpoofsweepError("a model folder must hold model.json and model.safetensors", folder)
    return folder

"""Registers a study's champion as an MLflow model version with its alias, figures and card."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from cluster.errors import SpoofsweepError
from data_prep.shards import ShardSet
from deploy.models import CHAMPION
from deploy.packaging import global_store, log_model
from search.finalists.finalists import Finalist, Standing
from search.reporting import figures
from search.reporting.model_card import Provenance, description, model_card
from search.study.commands import Commands
from trainable.data.hold_out import folds_of, named

MODEL_ARTIFACT = "champion"
"""Where the champion's run keeps its card and figures."""
CARD_ARTIFACT = f"{MODEL_ARTIFACT}/model_card.md"


@dataclass(frozen=True)
class Champion:
    """The registered winner."""

    finalist: Finalist
    run_id: str
    model_name: str
    version: str


def register_champion(
    client: MlflowClient, study_name: str, shards: ShardSet, ranking: list[Standing], run_ids: dict[str, str]
) -> Champion:
    """Register the best seed of the best mean, and give it the alias ``champion``.

    A study that was extended gets a new version; a training that was champion before keeps its version, and only the
    card is written anew: what it says of the other seeds may have changed. So it is harmless to repeat.

    Args:
        client: of the tracking store, which is the model registry too.
        study_name: name of the study and of the registered model.
        shards: what the champion was trained on.
        ranking: from `search.finalists.finalists.standings`.
        run_ids: MLflow runs by the name of the candidate.

    Raises:
        SpoofsweepError: the best seed of the best mean diverged, as then every finalist did, or most of them.
    """
    finalist = ranking[0].best
    if not finalist.splits:
        raise SpoofsweepError(
            "a champion must not diverge",
            f"finalist {finalist.candidate.name}",
            "lower the learning rates of the space",
        )
    run_id = run_ids[finalist.candidate.name]
    version = _version_of(client, study_name, run_id) or _new_version(client, study_name, finalist, run_id)
    provenance = Provenance(
        corpus_layout=shards.manifest.layout,
        corpus_identity=shards.manifest.corpus_identity,
        study_name=study_name,
        run_id=run_id,
        version=version,
        commands=Commands(study_name, client.tracking_uri, shards.folder.parent),
    )
    card = model_card(ranking, provenance)
    client.log_text(run_id, card, CARD_ARTIFACT)
    _log_figures(client, run_id, finalist)
    client.update_model_version(study_name, version, description=description(card, f"{CARD_ARTIFACT} of run {run_id}"))
    client.set_registered_model_alias(study_name, CHAMPION, version)
    return Champion(finalist, run_id, study_name, version)


def _version_of(client: MlflowClient, study_name: str, run_id: str) -> str | None:
    """The version that was made of a run, if any was."""
    found = client.search_model_versions(f"name = '{study_name}' and run_id = '{run_id}'")
    return max((str(version.version) for version in found), key=int, default=None)


def _new_version(client: MlflowClient, study_name: str, finalist: Finalist, run_id: str) -> str:
    info = log_model(finalist.folder, run_id, client.tracking_uri)
    try:
        client.create_registered_model(study_name, tags={"spoofsweep.study": study_name})
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    tags = {
        "spoofsweep.signature": finalist.record.signature,
        "spoofsweep.shard_set_id": finalist.record.shard_set_id,
        "spoofsweep.held_out": named(folds_of(finalist.record.held_out)),
        "spoofsweep.objective": finalist.candidate.objective.name,
        "spoofsweep.code_version": finalist.record.code_version,
        "spoofsweep.trial_number": str(finalist.candidate.trial_number),
    }
    for split in finalist.splits:
        told = {"eer": finalist.summary(split).eer} | finalist.costs(split)
        tags |= {f"spoofsweep.{split}_{name}": f"{value:.6f}" for name, value in told.items()}
    with global_store(client.tracking_uri):
        version = client.create_model_version(study_name, info.model_uri, run_id, tags=tags, model_id=info.model_id)
    return str(version.version)


def _log_figures(client: MlflowClient, run_id: str, finalist: Finalist) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for path in score_figures(finalist, Path(folder)):
            client.log_artifact(run_id, str(path), MODEL_ARTIFACT)


def score_figures(finalist: Finalist, folder: Path) -> list[Path]:
    """DET curves and score histograms of the scored splits, as PNG files in ``folder``."""
    splits = [figures.ScoredSplit.of(split, finalist.scores(split)) for split in finalist.splits]
    threshold = finalist.summary("dev").threshold
    return [
        figures.save(figures.det_figure(splits), folder / "det.png"),
        figures.save(figures.histogram_figure(splits, threshold), folder / "scores.png"),
    ]

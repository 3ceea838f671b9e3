"""The scores that a trained model gave the dev split: kept by its training, or computed anew from the shards."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from cluster.errors import SpoofsweepError
from data_prep.shards import ShardSet, is_complete
from deploy.export.model_origin import ModelOrigin
from deploy.tracking_store import open_client
from trainable.checkpoints.checkpoint import ModelRecord
from trainable.data.feature_store import FeatureStore
from trainable.data.hold_out import hold_out
from trainable.scores.score_file import read_scores
from trainable.scores.scores import ScoreTable
from trainable.scores.scoring import score_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

SCORES_ARTIFACT = "scores"
"""Where a finalist's run keeps its scores, among its artefacts."""


def score_path(folder: Path, split: str) -> Path:
    """Where a finalist's folder keeps the scores of a split."""
    return folder / f"{split}.scores.txt"


def kept_scores(origin: ModelOrigin, tracking_uri: str) -> ScoreTable | None:
    """Scores that lie beside the model, or with its run; none where there are not any."""
    beside = score_path(origin.folder, "dev")
    if beside.is_file():
        return read_scores(beside)
    return _run_scores(open_client(tracking_uri), origin.run_id) if origin.run_id else None


def computed_scores(model: nn.Module, record: ModelRecord, shards: Path) -> ScoreTable:
    """Score the dev split as validation did.

    Args:
        shards: folder of shard sets, or the shard set itself.

    Raises:
        SpoofsweepError: they are not the model's.
    """
    shard_set = open_shards(shards, record.shard_set_id)
    index = hold_out(shard_set.index, record.held_out)
    store = FeatureStore(shard_set, "dev", torch.device("cpu"), clean_only=True, index=index)
    return ScoreTable.of(store.utterances, score_store(model, store, record.trial.validation, record.features))


def open_shards(shards: Path, shard_set_id: str) -> ShardSet:
    """The shard set of that identity.

    Args:
        shards: folder of shard sets, or the shard set itself.

    Raises:
        SpoofsweepError: it is not there.
    """
    folder = shards if is_complete(shards) else shards / shard_set_id
    shard_set = ShardSet.open(folder) if is_complete(folder) else None
    if shard_set is None or shard_set.shard_set_id != shard_set_id:
        raise SpoofsweepError(
            "the shards must be those that the run was trained on",
            f"{shards} without {shard_set_id}",
            "give --shards, the folder of the study's shard sets, or make them with `spoofsweep prep STUDY`",
        )
    return shard_set


def _run_scores(client: "MlflowClient", run_id: str) -> ScoreTable | None:
    wanted = score_path(Path(SCORES_ARTIFACT), "dev").as_posix()
    if wanted not in (artifact.path for artifact in client.list_artifacts(run_id, SCORES_ARTIFACT)):
        return None
    from mlflow.artifacts import download_artifacts

    return read_scores(Path(download_artifacts(run_id=run_id, artifact_path=wanted, tracking_uri=client.tracking_uri)))

"""A tiny model trained on the sample corpus, and an MLflow store that holds it; made once a session."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient

from data_prep.config import CorpusConfig, FeaturesConfig, PrepConfig
from data_prep.prepare import prepare
from data_prep.shards import ShardSet
from deploy.models import CHAMPION, RUN_ARTIFACT
from deploy.packaging import global_store, log_model
from trainable.config import TrialConfig
from trainable.scores.scores import ScoreTable
from trainable.training.training import Training

TRIAL = TrialConfig.model_validate(
    {
        "model": {"channels": (4, 6), "gru_size": 8},
        "batch": {"size": 16, "crop_s": 1.0},
        "validation": {"num_resamples": 20, "window_s": 1.0},
        "budget_passes": 2.0,
    }
)


@dataclass(frozen=True)
class TrainedModel:
    """A model folder, and what its training said of the dev split."""

    folder: Path
    dev_scores: ScoreTable
    dev_eer: float
    audio: Path
    """Folder of the dev split's files."""
    shards: ShardSet

    def path(self, utterance_id: str) -> Path:
        return self.audio / f"{utterance_id}.flac"


@pytest.fixture(scope="session")
def trained(tmp_path_factory, sample_root, ray_session) -> TrainedModel:
    corpus = CorpusConfig(layout="asvspoof2019-la", root=str(sample_root))
    config = PrepConfig(corpus=corpus, features=FeaturesConfig(kind="logmel", num_filters=20))
    shards = prepare(config, sample_root, tmp_path_factory.getbasetemp() / "results", progress=False)
    training = Training(TRIAL, shards, seed=1)
    *_, last = training
    folder = tmp_path_factory.mktemp("model") / "trained"
    training.save(folder)
    audio = sample_root / "ASVspoof2019_LA_dev" / "flac"
    return TrainedModel(folder, training.score("dev"), last.metrics["dev_eer"], audio, shards)


@dataclass(frozen=True)
class Store:
    """An MLflow store with a champion of study "one", its run, and a run that kept no model."""

    uri: str
    run_id: str
    empty_run_id: str
    model_folder: Path
    """The MLflow model that was logged."""


@pytest.fixture(scope="session")
def store(tmp_path_factory, trained) -> Store:
    folder = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(uri, uri)
    experiment = client.create_experiment("test", artifact_location=(folder / "artifacts").as_uri())
    run, empty = (client.create_run(experiment).info.run_id for _ in range(2))
    for name in ("model.json", "model.safetensors"):
        client.log_artifact(run, str(trained.folder / name), RUN_ARTIFACT)
    info = log_model(trained.folder, run, uri)
    register(client, "one", info, run)
    logged = Path(client.get_logged_model(info.model_id).artifact_location.removeprefix("file://"))
    return Store(uri, run, empty, logged)


def register(client: MlflowClient, name: str, info, run_id: str) -> None:
    client.create_registered_model(name)
    with global_store(client.tracking_uri):
        version = client.create_model_version(name, info.model_uri, run_id, model_id=info.model_id)
    client.set_registered_model_alias(name, CHAMPION, version.version)

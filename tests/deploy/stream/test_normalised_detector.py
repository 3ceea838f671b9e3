"""Normalised features from corpus to verdict: detection does what training did."""

from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from data_prep.config import CorpusConfig, FeaturesConfig, PrepConfig
from data_prep.prepare import prepare
from deploy.detector_folder import ARTIFACT
from deploy.packaging import log_model
from deploy.torch_detector import TorchDetector
from trainable.config import TrialConfig
from trainable.training.training import Training

TRIAL = TrialConfig.model_validate(
    {
        "model": {"channels": (4,), "gru_size": 8},
        "batch": {"size": 16, "crop_s": 1.0},
        "validation": {"num_resamples": 20, "window_s": 1.0},
        "budget_passes": 0.5,
    }
)


@pytest.fixture(scope="module", params=["utterance", "global"])
def normalised(request, tmp_path_factory, sample_root, ray_session):
    """Model folder and validation scores."""
    corpus = CorpusConfig(layout="asvspoof2019-la", root=str(sample_root))
    features = FeaturesConfig(kind="logmel", num_filters=20, cmvn=request.param)
    shards = prepare(
        PrepConfig(corpus=corpus, features=features), sample_root, tmp_path_factory.mktemp("results"), progress=False
    )
    training = Training(TRIAL, shards, seed=1)
    next(training)
    folder = tmp_path_factory.mktemp("model") / request.param
    training.write_model(folder)
    return folder, training.score("dev")


def test_scores_of_files_are_the_validation_scores(normalised, sample_root):
    folder, table = normalised
    detector = TorchDetector.load(folder)
    names = list(table.utterance_id[:20])
    paths = [sample_root / "ASVspoof2019_LA_dev" / "flac" / f"{name}.flac" for name in names]
    scores = np.array([detector.score_file(path).score for path in paths])
    assert len(set(scores)) == 20
    # Windows share other batches there, so float32 sums come in another order.
    np.testing.assert_allclose(scores, table.score[:20], atol=1e-5)


def test_the_mlflow_model_holds_all_that_the_detector_needs(normalised, store):
    folder, _ = normalised
    wave = np.random.default_rng(5).normal(0, 0.1, 12000).astype(np.float32)
    client = MlflowClient(store.uri, store.uri)
    run = client.create_run(client.get_run(store.run_id).info.experiment_id).info.run_id
    info = log_model(folder, run, store.uri)
    logged = Path(client.get_logged_model(info.model_id).artifact_location.removeprefix("file://"))
    packed = TorchDetector.load(logged / "artifacts" / ARTIFACT)
    assert packed.score(wave, 16000).score == TorchDetector.load(folder).score(wave, 16000).score

"""Global normalisation as a fixed layer that travels with the weights."""

from dataclasses import replace

import pytest
import torch
from toy_shards import NUM_BINS

from data_prep.config import FeaturesConfig
from data_prep.global_statistics import measure_statistics
from data_prep.shards import ShardSet
from trainable.checkpoint import read_model
from trainable.feature_store import FeatureStore
from trainable.models.cnn_gru import CnnGru
from trainable.training import Training


@pytest.fixture(scope="module")
def shards(toy_shards) -> ShardSet:
    """The toy shards as a study with global normalisation would have them."""
    features = FeaturesConfig(kind="logmel", num_filters=NUM_BINS, cmvn="global")
    update = {"features": features, "statistics": measure_statistics(toy_shards)}
    return replace(toy_shards, manifest=toy_shards.manifest.model_copy(update=update))


def test_the_network_sees_normalised_clean_frames(shards, toy_trial):
    """All frames of the training split at once, as the store gathers them."""
    training = Training(toy_trial(), shards, seed=1)
    store = FeatureStore(shards, "train", torch.device("cpu"), clean_only=True)
    frames = [
        store.gather(store.first_view_U[u : u + 1], store.first_view_U[:1] * 0, int(n))[0]
        for u, n in enumerate(store.num_frames_V)
    ]
    seen = training.model.cmvn(torch.cat(frames)[None])[0]
    torch.testing.assert_close(seen.mean(dim=0), torch.zeros(NUM_BINS), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen.std(dim=0, correction=0), torch.ones(NUM_BINS), atol=1e-4, rtol=0)


def test_training_leaves_the_statistics_alone(shards, toy_trial):
    training = Training(toy_trial(budget_passes=1.0), shards, seed=1)
    next(training)
    assert training.model.cmvn.mean_F.tolist() == pytest.approx(shards.manifest.statistics.mean)
    assert training.model.cmvn.std_F.tolist() == pytest.approx(shards.manifest.statistics.std)
    assert not [name for name, _ in training.model.named_parameters() if name.startswith("cmvn")]


def test_killed_training_resumes_bit_for_bit(shards, toy_trial, tmp_path):
    whole = Training(toy_trial(budget_passes=2.0), shards, seed=3)
    expected = [report.metrics["train_loss"] for report in whole]
    killed = Training(toy_trial(budget_passes=2.0), shards, seed=3)
    for _ in range(3):
        killed.step()
    killed.save(tmp_path / "checkpoint")
    resumed = Training.resume(tmp_path / "checkpoint", shards)
    assert [report.metrics["train_loss"] for report in resumed] == expected
    weights = resumed.model.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in whole.model.state_dict().items())


def test_a_model_folder_carries_the_statistics(shards, toy_trial, tmp_path):
    training = Training(toy_trial(budget_passes=1.0), shards, seed=4)
    next(training)
    training.write_model(tmp_path / "model")
    record, model = read_model(tmp_path / "model")
    assert record.features.cmvn == "global"
    features = torch.randn(3, 60, NUM_BINS)
    assert torch.equal(model(features), training.model.eval()(features))


def test_without_it_there_is_no_such_layer(toy_shards, toy_trial):
    assert type(Training(toy_trial(), toy_shards, seed=1).model) is CnnGru

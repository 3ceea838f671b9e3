"""Global normalisation as a fixed layer that travels with the weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from courses import assert_resumes_exactly
from toy_shards import NUM_BINS

from data_prep.config import FeaturesConfig
from data_prep.shards import ShardSet, index_table, write_frames, write_index
from trainable.checkpoints.checkpoint import read_model
from trainable.data.feature_store import FeatureStore
from trainable.models.cnn_gru import CnnGru
from trainable.training.training import Training


@pytest.fixture(scope="module")
def shards(toy_shards) -> ShardSet:
    """The toy shards as a study with global normalisation would have them."""
    features = FeaturesConfig(kind="logmel", num_filters=NUM_BINS, cmvn="global")
    return replace(toy_shards, manifest=toy_shards.manifest.model_copy(update={"features": features}))


def clean_training_frames(shards: ShardSet, without: str = "") -> np.ndarray:
    """Straight from the index; the attack ``without`` is left out."""
    index = shards.index
    rows = index[(index["split"] == "train") & (index["view"] == 0) & (index["attack"] != without)]
    places = zip(rows["shard"], rows["offset"], rows["num_frames"], strict=True)
    return np.concatenate([shards.frames(s)[o : o + n].numpy().astype(np.float64) for s, o, n in places])


@pytest.mark.parametrize("held_out", [(), ("A02",)])
def test_statistics_are_those_of_the_clean_frames_trained_on(shards, toy_trial, held_out):
    """Neither augmented views nor what is held out count."""
    cmvn = Training(toy_trial(), shards, seed=1, held_out=held_out).model.cmvn
    frames = clean_training_frames(shards, *held_out)
    np.testing.assert_allclose(cmvn.mean_F, frames.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(cmvn.std_F, frames.std(axis=0), rtol=1e-6)


def test_the_network_sees_normalised_frames(shards, toy_trial):
    frames = torch.from_numpy(clean_training_frames(shards)).float()
    seen = Training(toy_trial(), shards, seed=1).model.cmvn(frames[None])[0]
    torch.testing.assert_close(seen.mean(dim=0), torch.zeros(NUM_BINS), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen.std(dim=0, correction=0), torch.ones(NUM_BINS), atol=1e-4, rtol=0)


def test_a_bin_that_never_moves_is_not_divided_by_nothing(toy_shards, tmp_path):
    index, manifest = toy_shards.index, toy_shards.manifest
    for number, rows in index.groupby("shard"):
        write_frames(tmp_path, number, torch.full((rows["num_frames"].sum(), NUM_BINS), -7.5, dtype=torch.float16))
    write_index(tmp_path, [index_table(index.to_dict("records"))])
    mean_F, std_F = FeatureStore(ShardSet(tmp_path, manifest), "train", torch.device("cpu")).clean_moments()
    assert set(mean_F.tolist()) == {-7.5}
    torch.testing.assert_close(std_F, torch.full((NUM_BINS,), 1e-3))


def test_training_leaves_the_statistics_alone(shards, toy_trial):
    training = Training(toy_trial(budget_passes=1.0), shards, seed=1)
    before = {name: value.clone() for name, value in training.model.cmvn.named_buffers()}
    next(training)
    assert all(torch.equal(value, before[name]) for name, value in training.model.cmvn.named_buffers())
    assert not [name for name, _ in training.model.named_parameters() if name.startswith("cmvn")]


def test_killed_training_resumes_bit_for_bit(shards, toy_trial, tmp_path):
    assert_resumes_exactly(toy_trial(budget_passes=2.0), shards, tmp_path / "checkpoint", steps=3)


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

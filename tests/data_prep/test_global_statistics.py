"""Statistics of global normalisation against numpy."""

import numpy as np
import pytest
import torch
from miniature import make_la, prep_config

from data_prep.config import FeaturesConfig
from data_prep.global_statistics import measure_statistics
from data_prep.prepare import prepare
from data_prep.shards import ShardSet, index_table, write_frames, write_index


@pytest.fixture(scope="module")
def shard_set(tmp_path_factory, ray_session) -> ShardSet:
    """Three bona fide and three spoofed utterances a split, two augmented views of those for training."""
    root = make_la(tmp_path_factory.mktemp("corpus") / "LA")
    config = prep_config(root, features=FeaturesConfig(cmvn="global"), utterances_per_shard=4)
    return prepare(config, root, tmp_path_factory.mktemp("output"), progress=False)


def clean_training_frames(shard_set: ShardSet) -> np.ndarray:
    index = shard_set.index
    rows = index[(index["split"] == "train") & (index["view"] == 0)]
    parts = [
        shard_set.frames(s)[o : o + n]
        for s, o, n in zip(rows["shard"], rows["offset"], rows["num_frames"], strict=True)
    ]
    assert len(parts) == 6
    return np.concatenate([part.numpy().astype(np.float64) for part in parts])


def test_the_manifest_holds_the_statistics_of_the_clean_training_frames(shard_set: ShardSet) -> None:
    frames, statistics = clean_training_frames(shard_set), shard_set.manifest.statistics
    assert statistics is not None
    np.testing.assert_allclose(statistics.mean, frames.mean(axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(statistics.std, frames.std(axis=0), rtol=1e-9)


def test_normalised_training_frames_have_zero_mean_and_unit_variance(shard_set: ShardSet) -> None:
    statistics = shard_set.manifest.statistics
    assert statistics is not None
    normal = (clean_training_frames(shard_set) - statistics.mean) / statistics.std
    np.testing.assert_allclose(normal.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(normal.std(axis=0), 1, atol=1e-9)


def test_they_survive_the_manifest_bit_for_bit(shard_set: ShardSet) -> None:
    assert ShardSet.open(shard_set.folder).manifest.statistics == measure_statistics(shard_set)


def test_a_bin_that_never_moves_is_not_divided_by_nothing(shard_set: ShardSet, tmp_path) -> None:
    index = shard_set.index
    for number in range(len(shard_set.manifest.shards)):
        num_frames = int(index.loc[index["shard"] == number, "num_frames"].sum())
        still_FN = torch.full((num_frames, shard_set.manifest.features.num_bins), -7.5, dtype=torch.float16)
        write_frames(tmp_path, number, still_FN)
    write_index(tmp_path, [index_table(index.to_dict("records"))])
    statistics = measure_statistics(ShardSet(tmp_path, shard_set.manifest))
    assert set(statistics.mean) == {-7.5}
    assert set(statistics.std) == {1e-3}


def test_other_normalisations_measure_nothing(tmp_path, la_root, ray_session) -> None:
    shard_set = prepare(prep_config(la_root), la_root, tmp_path, progress=False)
    assert shard_set.manifest.statistics is None

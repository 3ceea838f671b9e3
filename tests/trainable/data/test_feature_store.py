import numpy as np
import pytest
import torch

from cluster.errors import SpoofsweepError
from data_prep.shards import ShardSet
from trainable.data.feature_store import FeatureStore

CPU = torch.device("cpu")


def frames_of(shards, utterance_id, view):
    row = shards.index[(shards.index["utterance_id"] == utterance_id) & (shards.index["view"] == view)].iloc[0]
    return shards.frames(int(row["shard"]))[row["offset"] : row["offset"] + row["num_frames"]].float()


def test_gather_returns_the_crops_asked_for(toy_shards):
    store = FeatureStore(toy_shards, "train", CPU)
    utterances = np.array([0, 1, 38, 39, 7])  # of both shards
    views = store.first_view_U[utterances] + np.array([0, 2, 1, 0, 2])
    batch = store.gather(views, np.array([0, 3, 5, 1, 2]), 15)
    assert batch.dtype == torch.float32
    for row, (utterance, view, start) in enumerate(zip(utterances, (0, 2, 1, 0, 2), (0, 3, 5, 1, 2), strict=True)):
        expected = frames_of(toy_shards, store.utterances["utterance_id"][utterance], view)
        assert torch.equal(batch[row], expected[start : start + 15])


def test_crops_wrap_round_at_the_end_of_the_view(toy_shards):
    store = FeatureStore(toy_shards, "dev", CPU)
    whole = frames_of(toy_shards, store.utterances["utterance_id"][3], 0)
    length = len(whole)
    crop = store.gather(store.first_view_U[[3]], np.array([length - 4]), 2 * length)[0]
    assert torch.equal(crop, whole[(length - 4 + np.arange(2 * length)) % length])


def test_the_order_of_the_index_is_irrelevant(toy_shards):
    shuffled = ShardSet(toy_shards.folder, toy_shards.manifest)
    shuffled.__dict__["index"] = toy_shards.index.sample(frac=1, random_state=3)
    first, second = FeatureStore(toy_shards, "train", CPU), FeatureStore(shuffled, "train", CPU)
    views, starts = np.arange(20), np.zeros(20, dtype=np.int64)
    assert torch.equal(first.gather(views, starts, 9), second.gather(views, starts, 9))


def test_labels_follow_the_index(toy_shards):
    store = FeatureStore(toy_shards, "train", CPU)
    assert (store.label_U.sum(), len(store.label_U)) == (12, 40)
    assert set(store.utterances["attack"][store.label_U == 1]) == {"-"}


def test_views_may_be_missing_but_not_the_clean_one(toy_shards):
    index = toy_shards.index
    first = index["utterance_id"] == "train-000"
    partial = ShardSet(toy_shards.folder, toy_shards.manifest)
    partial.__dict__["index"] = index[~(first & (index["view"] == 1))]
    assert FeatureStore(partial, "train", CPU).num_views_U.tolist() == [2] + [3] * 39
    partial.__dict__["index"] = index[~(first & (index["view"] == 0))]
    with pytest.raises(SpoofsweepError, match="train-000"):
        FeatureStore(partial, "train", CPU)


def test_a_split_without_one_class_is_refused(toy_shards):
    one_class = ShardSet(toy_shards.folder, toy_shards.manifest)
    one_class.__dict__["index"] = toy_shards.index[toy_shards.index["label"] == "spoof"]
    with pytest.raises(SpoofsweepError, match="0 bona fide and 28 spoofed"):
        FeatureStore(one_class, "train", CPU)
    with pytest.raises(SpoofsweepError, match="split 'test'"):
        FeatureStore(toy_shards, "test", CPU)

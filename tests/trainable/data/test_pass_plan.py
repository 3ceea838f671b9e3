import numpy as np
import pytest
import torch

from cluster.errors import SpoofsweepError
from data_prep.shards import ShardSet
from trainable.config import BatchConfig
from trainable.data.feature_store import FeatureStore
from trainable.data.pass_plan import PassPlan


@pytest.fixture(scope="module")
def store(toy_shards):
    return FeatureStore(toy_shards, "train", torch.device("cpu"))


def plan(store, seed=1, crop_frames=30, **batch):
    return PassPlan(store, BatchConfig(**batch), crop_frames, seed)


def test_a_pass_shows_every_utterance_once(store):
    drawn = plan(store).draw_pass(0)
    assert sorted(drawn.utterance) == list(range(40))


def test_passes_and_seeds_differ_and_repeat(store):
    orders = [
        plan(store, seed).draw_pass(number).utterance.tolist() for seed, number in ((1, 0), (1, 1), (2, 0), (1, 0))
    ]
    assert orders[0] == orders[3]
    assert orders[0] != orders[1] != orders[2] != orders[0]


@pytest.mark.parametrize("size", [7, 40, 100])
def test_batches_cut_the_stream_without_loss(store, size):
    """Batches of any size, also beyond a pass, are slices of one stream: position is all that resuming needs."""
    stream = np.concatenate([plan(store).draw_pass(number).view for number in range(8)])
    cut = [plan(store, size=size).batch(start).view for start in range(0, 3 * size, size)]
    assert [len(part) for part in cut] == [size] * 3
    assert np.array_equal(np.concatenate(cut), stream[: 3 * size])


def test_clean_views_only_without_augmented_share(store):
    drawn = plan(store, augmented_share=0.0).draw_pass(0)
    assert np.array_equal(drawn.view, store.first_view_U[drawn.utterance])


def test_augmented_views_are_drawn_alike(store):
    passes = [plan(store, augmented_share=0.5).draw_pass(number) for number in range(100)]
    view = np.concatenate([drawn.view - store.first_view_U[drawn.utterance] for drawn in passes])
    assert np.bincount(view, minlength=3) / len(view) == pytest.approx([0.5, 0.25, 0.25], abs=0.03)
    everything = plan(store, augmented_share=1.0).draw_pass(0)
    assert (everything.view > store.first_view_U[everything.utterance]).all()


def test_no_policies_means_all_of_them(store):
    """Bit for bit: trials of before the choice are repeated by it."""
    everything = plan(store).draw_pass(3)
    named = plan(store, policies=["policy2", "policy1"]).draw_pass(3)
    assert all(np.array_equal(one, other) for one, other in zip(everything, named, strict=True))


def test_views_of_the_named_policies_alone_are_drawn(store):
    passes = [plan(store, augmented_share=0.5, policies=["policy2"]).draw_pass(number) for number in range(50)]
    view = np.concatenate([drawn.view for drawn in passes])
    assert set(store.policy_V[view]) == {"clean", "policy2"}
    assert np.mean(store.policy_V[view] == "clean") == pytest.approx(0.5, abs=0.05)
    owner = np.concatenate([drawn.utterance for drawn in passes])
    assert np.array_equal(np.searchsorted(store.first_view_U, view, side="right") - 1, owner)


def test_an_empty_list_of_policies_is_off(store):
    drawn = plan(store, augmented_share=1.0, policies=[]).draw_pass(0)
    assert np.array_equal(drawn.view, store.first_view_U[drawn.utterance])
    order = plan(store, augmented_share=1.0).draw_pass(0).utterance
    assert np.array_equal(drawn.utterance, order)


def test_utterances_without_such_a_view_stay_clean(toy_shards):
    index = toy_shards.index
    partial = ShardSet(toy_shards.folder, toy_shards.manifest)
    partial.__dict__["index"] = index[~((index["utterance_id"] == "train-039") & (index["policy"] == "policy2"))]
    store = FeatureStore(partial, "train", torch.device("cpu"))
    drawn = plan(store, augmented_share=1.0, policies=["policy2"]).draw_pass(0)
    last = store.utterances["utterance_id"][drawn.utterance] == "train-039"
    assert store.policy_V[drawn.view][last].tolist() == ["clean"]
    assert set(store.policy_V[drawn.view][~last]) == {"policy2"}


def test_a_policy_that_the_shards_lack_is_named(store):
    with pytest.raises(SpoofsweepError, match=r"'polcy1' \(did you mean 'policy1'\?\)"):
        plan(store, policies=["polcy1"])


def test_crops_lie_inside_long_views_and_anywhere_in_short_ones(store):
    passes = [plan(store, crop_frames=50).draw_pass(number) for number in range(60)]
    start = np.concatenate([drawn.start for drawn in passes])
    num_frames = store.num_frames_V[np.concatenate([drawn.view for drawn in passes])]
    long = num_frames >= 50
    assert (start[long] + 50 <= num_frames[long]).all()
    assert (start[long] + 50 == num_frames[long]).any()
    assert (start[~long] < num_frames[~long]).all()
    assert start[~long].max() > 30


@pytest.mark.parametrize("size", [8, 10])
def test_balanced_batches_hold_as_many_of_each_class(store, size):
    balanced = plan(store, balanced=True, size=size)
    for start in range(0, 120, size):
        assert store.label_U[balanced.batch(start).utterance].sum() == size // 2
    assert balanced.bonafide_share == 0.5
    assert plan(store).bonafide_share == 12 / 40


def test_balancing_repeats_the_rarer_class_evenly(store):
    drawn = plan(store, balanced=True).draw_pass(0).utterance
    assert len(drawn) == 40
    counts = np.bincount(drawn, minlength=40)
    assert set(counts[store.label_U == 1]) == {1, 2}
    assert set(counts[store.label_U == 0]) == {0, 1}

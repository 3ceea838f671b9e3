import torch
from courses import equal_weights, numbers, weights

from trainable.config import BatchConfig
from trainable.data.batch_stream import BatchStream
from trainable.data.feature_store import FeatureStore
from trainable.data.frames import Frames
from trainable.data.pass_plan import PassPlan
from trainable.training.training import Training

CPU = torch.device("cpu")


def stream(shards, kind):
    store = FeatureStore(shards, "train", CPU, frames=Frames.of_training(shards, CPU, kind))
    return BatchStream(store, PassPlan(store, BatchConfig(size=12), 20, seed=4), 20)


def test_batches_collected_ahead_are_the_same_in_any_order(toy_shards):
    """A rehearsal asks for the first batch twice; a resume jumps."""
    plain, ahead = stream(toy_shards, "mapped"), stream(toy_shards, "streamed")
    for samples_seen in (0, 0, 12, 24, 240, 252, 12):
        for expected, found in zip(plain.batch(samples_seen), ahead.batch(samples_seen), strict=True):
            assert torch.equal(expected, found)


def test_where_the_frames_lie_does_not_change_a_training(toy_shards, toy_trial):
    courses = []
    for kind in ("mapped", "resident", "streamed"):
        training = Training(
            toy_trial(budget_passes=2.0), toy_shards, seed=1, frames=Frames.of_training(toy_shards, CPU, kind)
        )
        courses.append((numbers(training), weights(training)))
        assert training.frames.placement.kind == kind
    for course in courses[1:]:
        assert course[0] == courses[0][0]
        assert equal_weights(course[1], courses[0][1])

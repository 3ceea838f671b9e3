"""What two trainings that ought to be equal are compared by."""

from pathlib import Path

import torch

from data_prep.shards import ShardSet
from trainable.config import TrialConfig
from trainable.training.training import Training

TIMINGS = {"utterances_per_s", "epoch_s"}


def numbers(reports):
    """Everything about reports but how long they took."""
    return [
        (r.samples_seen, r.passes, r.final, {k: v for k, v in r.metrics.items() if k not in TIMINGS}) for r in reports
    ]


def weights(training):
    return {name: tensor.clone() for name, tensor in training.model.state_dict().items()}


def equal_weights(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def assert_resumes_exactly(config: TrialConfig, shards: ShardSet, folder: Path, steps: int) -> None:
    """A training saved after ``steps``, before its first report, and resumed: as if it had never been stopped."""
    whole, killed = Training(config, shards, seed=3), Training(config, shards, seed=3)
    for _ in range(steps):
        killed.step()
    killed.save(folder)
    resumed = Training.resume(folder, shards)
    assert numbers(resumed) == numbers(whole)
    assert equal_weights(weights(resumed), weights(whole))
    assert equal_weights(resumed.scored_model.state_dict(), whole.scored_model.state_dict())

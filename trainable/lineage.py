"""Trainings that go on from another's weights: what a training grew out of, and what may change on the way."""

from pydantic import Field

from cluster.settings import Settings
from trainable.config import TrialConfig


class Ancestor(Settings):
    """A training whose weights and optimiser another one took over."""

    trial: TrialConfig
    seed: int
    until: int = Field(gt=0)
    """Samples seen when it was taken over, at one of its reports."""


Lineage = tuple[Ancestor, ...]
"""From the first ancestor on; empty for a training that began with weights of its own."""

_FREE = (
    "optimizer.",
    "loss.",
    "batch.",
    "spec_augment.",
    "model.dropout",
    "model.cnn_dropout",
    "model.gru_input_dropout",
    "model.stochastic_depth",
)
_HELD = ("loss.kind", "batch.micro_size", "batch.split_when_full", "model.cnn_dropout_kind")


def may_change(path: str) -> bool:
    """Whether a field of a trial, by its dotted path, may differ between a training and its ancestors.

    Not what decides the network's shape or its last layer, nor how long trials train and how they are judged.
    """
    return path.startswith(_FREE) and path not in _HELD

"""Trainings that begin with another's weights: what a training grew out of, and what may change on the way."""

from pydantic import Field

from cluster.settings import Settings
from trainable.config import ModelConfig, TrialConfig


class Ancestor(Settings):
    """A training whose weights and optimiser another one took over."""

    trial: TrialConfig
    seed: int
    until: int = Field(gt=0)
    """Samples seen when it was taken over, at one of its reports."""


Lineage = tuple[Ancestor, ...]
"""From the first ancestor on; empty for a training that began with weights of its own."""


class Larger(Settings):
    """A network of which another training began with the most important units, see `deploy.compress.pruning`."""

    signature: str
    """Of the training that made it."""
    model: ModelConfig
    num_parameters: int
    samples_seen: int
    dev_eer: float | None


PrunedFrom = tuple[Larger, ...]
"""From the first and largest on; empty for a network that began with random weights."""

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

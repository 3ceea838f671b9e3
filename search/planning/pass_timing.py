"""How long a pass over the training split takes, from a short measured stretch of training."""

import time
from dataclasses import dataclass

import torch

from data_prep.shards import ShardSet
from trainable.config import TrialConfig
from trainable.data.hold_out import Folds
from trainable.scores.validation import validation_metrics
from trainable.training.training import Training

MEASURED_S = 20.0
"""How long a plan measures."""
_WARM_UP_STEPS = 3


@dataclass(frozen=True)
class PassTime:
    """Seconds of a trial's pass: all its models together."""

    train_s: float
    validation_s: float
    """Of the reports that fall into a pass."""

    @property
    def total_s(self) -> float:
        return self.train_s + self.validation_s


def measure_pass(
    config: TrialConfig,
    shards: ShardSet,
    folds: Folds,
    samples_per_pass: int,
    device: str,
    num_threads: int,
    measured_s: float = MEASURED_S,
) -> PassTime:
    """Train a configuration for a while on this machine, validate it once, and work out a pass.

    Over folds one model is measured, and the others are taken to be like it.

    Args:
        config: the trial.
        shards: its data.
        folds: attacks that its models do without.
        samples_per_pass: utterances of all models together.
        device: ``cpu`` or ``cuda``.
        num_threads: of PyTorch on the CPU.
        measured_s: how long it trains.

    Raises:
        SpoofsweepError: the trial does not fit the GPU's memory.
    """
    torch.set_num_threads(num_threads)
    training = Training(config, shards, seed=0, device=device, held_out=folds[0] if folds else ())
    for _ in range(_WARM_UP_STEPS):
        training.step()
    start_s, start_samples = _now_s(device), training.samples_seen
    while time.perf_counter() - start_s < measured_s:
        training.step()
    trained_s, samples = _now_s(device) - start_s, training.samples_seen - start_samples
    start_s = _now_s(device)
    validation_metrics(training.score("dev"), config.validation)
    validation_s = (_now_s(device) - start_s) * max(1, len(folds))
    return PassTime(trained_s / samples * samples_per_pass, validation_s / config.report_passes)


def _now_s(device: str) -> float:
    """The time when everything that was asked of the device is done."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()

"""Smaller networks out of a trained one: the least important units are taken out, and the rest is trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from cluster.errors import SpoofsweepError
from data_prep.shards import ShardSet
from deploy.compress.footprint import Footprint
from deploy.compress.importance import importance
from deploy.compress.slicing import Width, check_sliceable, sliced, widths_of
from trainable.checkpoints.checkpoint import read_model
from trainable.checkpoints.lineage import Larger
from trainable.config import ModelConfig, TrialConfig
from trainable.data.frames import Frames
from trainable.hardware.device import device_named
from trainable.models import build_model
from trainable.models.losses import head_of
from trainable.scores.scoring import frames_in
from trainable.scores.validation import validation_metrics
from trainable.training.training import Training

LEAST_UNITS = 8
"""Of a GRU, see `ModelConfig.gru_size`."""


@dataclass(frozen=True)
class Rate:
    """An EER on dev with its bootstrap interval, fractions."""

    eer: float
    low: float
    high: float

    @classmethod
    def of(cls, metrics: Mapping[str, float]) -> "Rate":
        """From the metrics of a validation."""
        return cls(metrics["dev_eer"], metrics["dev_eer_low"], metrics["dev_eer_high"])


@dataclass(frozen=True)
class Level:
    """A network of one size."""

    name: str
    model: ModelConfig
    footprint: Footprint
    before: Rate
    """After the cut, before anything was trained."""
    after: Rate
    """After fine-tuning; the same for the model to begin with."""


@dataclass(frozen=True)
class FineTuning:
    """How a network trains on after units were taken out."""

    passes: float
    """Over the training split."""
    learning_rate: float | None = None
    """Peak rate; none means the model's own. The schedule is the model's own too: to rewind the rate does better than
    to go on with the last small one (Renda, Frankle and Carbin 2020)."""

    def of(self, trial: TrialConfig, model: ModelConfig) -> TrialConfig:
        """The trial that trains ``model`` on."""
        optimizer = trial.optimizer
        if self.learning_rate is not None:
            optimizer = optimizer.model_copy(update={"learning_rate": self.learning_rate})
        changes = {"model": model, "optimizer": optimizer, "budget_passes": self.passes, "report_passes": self.passes}
        return trial.model_copy(update=changes)


class Pruner:
    """Prunes one model again and again, each level out of the one before ("iterative").

    Args:
        folder: the model.
        shards: those that it was trained on.
        device: ``cpu`` or ``cuda``.

    Raises:
        SpoofsweepError: the folder holds no model, one of other shards, or one whose units cannot be taken out,
            or there is no such device.
    """

    def __init__(self, folder: Path, shards: ShardSet, device: str = "cpu") -> None:
        self.record, self.model = read_model(folder)
        check_sliceable(self.record.trial.model)
        if self.record.shard_set_id != shards.shard_set_id:
            found = f"a model of shards {self.record.shard_set_id}, and shards {shards.shard_set_id}"
            raise SpoofsweepError("a model is pruned with the shards that it was trained on", found)
        self._shards, self._frames = shards, Frames.of_training(shards, device_named(device))

    def start(self) -> Level:
        """The model as it is."""
        rate = self.rate(self.record.trial, self.model)
        return Level("unpruned", self.record.trial.model, self.footprint(self.model), rate, rate)

    def rate(self, trial: TrialConfig, model: nn.Module) -> Rate:
        """What a network does on dev.

        Args:
            trial: whose network it is.
        """
        return _rate(self._training(trial, model.state_dict()))

    def prune(self, name: str, target: ModelConfig, tuning: FineTuning, folder: Path) -> Level:
        """Cut the network down to ``target``, train it, and write it as ``folder``; the next call goes on from it.

        Raises:
            SpoofsweepError: the target is larger somewhere.
        """
        training = self.cut(target, tuning)
        before = _rate(training)
        *_, last = training
        training.write_model(folder)
        self.record, self.model = read_model(folder)
        return Level(name, target, self.footprint(self.model), before, Rate.of(last.metrics))

    def footprint(self, model: nn.Module) -> Footprint:
        """What a network takes that scores these features."""
        num_frames = frames_in(self.record.trial.validation.window_s, self.record.features)
        return Footprint.of(model, num_frames, self.record.num_bins)

    def footprint_of_share(self, keep: float) -> Footprint:
        """What the network would take with this share of every layer's units."""
        record, cmvn = self.record, getattr(self.model, "cmvn", None)
        smaller = build_model(shrunk(record.trial.model, keep), record.num_bins, cmvn, head_of(record.trial.loss))
        return self.footprint(smaller)

    def cut(self, target: ModelConfig, tuning: FineTuning) -> Training:
        """The training that begins with the most important units of the network.

        Raises:
            SpoofsweepError: the target is larger somewhere.
        """
        model = self.model.to(self._frames.device)
        widths = widths_of(model, self.record.trial.model)
        values = importance(model, self.record, widths, self._shards, self._frames)
        kept = {width.name: most_important(values[width.name], width, target) for width in widths}
        weights = sliced(model.state_dict(), widths, kept)
        larger = Larger(
            signature=self.record.signature,
            model=self.record.trial.model,
            num_parameters=sum(parameter.numel() for parameter in model.parameters()),
            samples_seen=self.record.samples_seen,
            dev_eer=self.record.dev_eer,
        )
        return self._training(tuning.of(self.record.trial, target), weights, larger)

    def _training(self, config: TrialConfig, weights: Mapping[str, Tensor], *larger: Larger) -> Training:
        return Training(
            config,
            self._shards,
            self.record.seed,
            str(self._frames.device),
            self.record.held_out,
            self._frames,
            weights=weights,
            pruned_from=(*self.record.pruned_from, *larger),
        )


def shrunk(config: ModelConfig, keep: float) -> ModelConfig:
    """The network with this share of every layer's units."""
    channels = {
        name: tuple(max(1, round(keep * size)) for size in getattr(config, name))
        for name in ("channels", "edge_channels")
    }
    gru_size = max(LEAST_UNITS, round(keep * config.gru_size))
    return config.model_copy(update={**channels, "gru_size": gru_size})


def most_important(value_U: Tensor, width: Width, target: ModelConfig) -> Tensor:
    """Which units of a width stay, bool ``[U]``.

    Raises:
        SpoofsweepError: the target has more.
    """
    wanted = width.size_in(target)
    if wanted > width.size:
        raise SpoofsweepError("a pruned network is nowhere larger", f"{wanted} units in {width.name} of {width.size}")
    kept_U = torch.zeros(width.size, dtype=torch.bool)
    kept_U[value_U.topk(wanted).indices] = True
    return kept_U


def _rate(training: Training) -> Rate:
    """
    Raises:
        SpoofsweepError: scores are not finite.
    """
    metrics = validation_metrics(training.score("dev"), training.config.validation)
    if metrics is None:
        raise SpoofsweepError("scores of the model that is pruned must be finite", "others")
    return Rate.of(metrics)

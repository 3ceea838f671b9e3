"""A trial as Ray Tune runs it: the only file of this room that knows Ray."""

import logging
from pathlib import Path
from typing import Any

import torch
from ray import tune
from safetensors import SafetensorError

from cluster.errors import SpoofsweepError
from cluster.settings import parse_settings
from data_prep.remote_files import to_path
from data_prep.shards import ShardSet
from trainable.checkpoints.checkpoint import write_if_possible
from trainable.checkpoints.lineage import Ancestor
from trainable.checkpoints.signature import trial_signature
from trainable.config import TrialConfig
from trainable.data.frames import Frames
from trainable.hardware.gpu_share import GpuShare
from trainable.hardware.release import ReleaseCheck
from trainable.scores.scoring import frames_in
from trainable.sizing.latency import latency_ms
from trainable.training.folds import FoldedTraining, begin, resume
from trainable.training.training import Training

_logger = logging.getLogger("spoofsweep.trials")


class TrialActor(tune.Trainable):
    """Steps through the reports of one training after another.

    The configuration holds ``trial`` (a `TrialConfig` as plain values), ``seed``, ``shards`` (folder or URI),
    ``shard_set_id``, ``folds`` (attacks held out, a list a model), ``device`` (``cpu`` or ``cuda``), ``gpu_share`` (of
    a GPU that several trials share), ``num_threads``, ``output`` (folder for the finished trial's model, or none),
    ``checkpoint`` (folder that is written at every report, beside those of earlier attempts, or none), ``reported``
    (samples seen at the last report that is known of those attempts), ``lineage`` (a list of `Ancestor` as plain
    values), ``fork`` (checkpoint of the last of them, where it was taken over, or none), ``trial_number``, and
    ``measures_latency`` (whether reports tell `trainable.sizing.latency.latency_ms`, measured once before training).
    Errors go through to Ray, which marks the trial failed. Reports tell ``num_parameters`` besides; of a trial over
    folds that is one model's.

    The trial goes on from the latest checkpoint of its attempts. The last known report is made again: what was to
    follow from it may never have happened.
    """

    _frames: Frames | None = None
    """Features of train and dev, which stay where they are for the next trial of this process."""

    def setup(self, config: dict[str, Any]) -> None:
        """Note the trial that ``config`` describes; it begins with the first step.

        An error of a step reaches the driver as it is. One of an actor's beginning comes as text, and Ray Tune loses
        its count of actors over one of a reset.
        """
        self._config: dict[str, Any] | None = config

    def begin(self, config: dict[str, Any]) -> None:
        """Begin a trial, with nothing left of the one before."""
        self.cleanup()
        torch.set_num_threads(config["num_threads"])
        self._output = Path(config["output"]) if config["output"] else None
        self._checkpoint = Path(config["checkpoint"]) if config["checkpoint"] else None
        self._shards = ShardSet.open(to_path(config["shards"]), expected_id=config["shard_set_id"])
        self._device = config["device"]
        self._share = GpuShare(self._device, config["gpu_share"])
        self._share.enforce()
        trial = parse_settings(TrialConfig, config["trial"], f"trial {config['trial_number']}")
        folds = tuple(map(tuple, config["folds"]))
        with self._share.explained():
            if self._frames is None or self._frames.shard_set_id != self._shards.shard_set_id:
                self._frames = None  # both at a time might not fit
                self._frames = Frames.of_training(self._shards, torch.device(self._device))
                self._release = ReleaseCheck(self._device)  # what is there now may stay
            lineage = tuple(map(Ancestor.model_validate, config["lineage"]))
            wanted = trial_signature(trial, config["seed"], self._shards.shard_set_id, folds, lineage)
            self._training = (
                self._resumed(wanted)
                or self._forked(trial, config, wanted)
                or begin(trial, self._shards, config["seed"], self._device, folds, self._frames, lineage)
            )
        self._size = self._size_of_model(config.get("measures_latency", False))
        inherited = lineage[-1].until if lineage else 0
        reports = self._training.history
        self._unreported = [r for r in reports if r.samples_seen >= max(config["reported"], inherited + 1)]
        self._follow()

    def step(self) -> dict[str, Any]:
        """Train to the next report; a finished trial leaves its model, unless it diverged or the disk is full."""
        if self._config is not None:
            config, self._config = self._config, None
            self.begin(config)
        warning = ""
        if self._unreported:
            report = self._unreported.pop(0)
        else:
            with self._share.explained():
                report = next(self._training)
            warning = write_if_possible(
                self._training.save, self._checkpoint, f"checkpoint at {report.samples_seen} samples"
            )
        if report.final and not report.diverged:
            warning = write_if_possible(self._training.write_model, self._output, "model") or warning
        course = {"samples_seen": report.samples_seen, "passes": report.passes, "done": report.final}
        # Only here it is known what this machine makes of precision "auto".
        arithmetic = {"precision": self._training.precision, "torch_version": str(torch.__version__)}
        return {**report.metrics, **self._size, **course, **arithmetic, "plan": self._training.plan, "warning": warning}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Note another trial for this process."""
        self.setup(new_config)
        return True

    def cleanup(self) -> None:
        """Give the memory of the trial back, the GPU's too: Ray keeps the process for the next one.

        Raises:
            SpoofsweepError: something of the trial is still held.
        """
        self.__dict__.pop("_training", None)
        if self._frames is not None:
            self._release.release()

    def _resumed(self, wanted: str) -> Training | FoldedTraining | None:
        """The trial of this signature as its latest usable checkpoint has it; none if there is none."""
        if self._checkpoint is None or not self._checkpoint.parent.is_dir():
            return None
        # A folder whose replacement was cut off has another name, see `trainable.checkpoints.atomic_folder`.
        attempts = {path.name.removeprefix(".").partition(".")[0] for path in self._checkpoint.parent.iterdir()}
        for name in sorted(attempts, reverse=True):
            try:
                training = resume(self._checkpoint.parent / name, self._shards, self._device, self._frames)
            except (SpoofsweepError, OSError, SafetensorError) as error:
                _logger.warning("checkpoint %s of trial %s is of no use: %s", name, self._checkpoint.parent.name, error)
                continue
            if training.signature == wanted:
                return training
        return None

    def _forked(self, trial: TrialConfig, config: dict[str, Any], wanted: str) -> Training | None:
        """The trial at the moment when it takes over from its parent; none if it has none, or no use of its checkpoint.

        Without it, the whole lineage is trained again.
        """
        if not config["fork"]:
            return None
        folder = Path(config["fork"])
        try:
            training = Training.fork(folder, trial, config["seed"], self._shards, self._device, self._frames)
        except (SpoofsweepError, OSError, SafetensorError) as error:
            _logger.warning("checkpoint %s is of no use to trial %s: %s", folder, config["trial_number"], error)
            return None
        if training.signature != wanted:
            _logger.warning("checkpoint %s is not of the parent of trial %s", folder, config["trial_number"])
            return None
        return training

    def _size_of_model(self, measures_latency: bool) -> dict[str, float]:
        first = self._trainings[0]
        size: dict[str, float] = {"num_parameters": sum(parameter.numel() for parameter in first.model.parameters())}
        if measures_latency:
            num_frames = frames_in(first.config.validation.window_s, first.features)
            size["latency_ms"] = latency_ms(first.model, num_frames, first.record.num_bins)
        return size

    @property
    def _trainings(self) -> list[Training]:
        return self._training.trainings if isinstance(self._training, FoldedTraining) else [self._training]

    def _follow(self) -> None:
        self._release.follow(self._trainings)
        self._release.follow(training.model for training in self._trainings)

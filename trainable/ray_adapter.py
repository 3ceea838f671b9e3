"""A trial as Ray Tune runs it: the only file of this room that knows Ray."""

from pathlib import Path
from typing import Any

import torch
from ray import tune

from cluster.errors import SpoofsweepError
from cluster.settings import parse_settings
from data_prep.remote_files import to_path
from data_prep.shards import ShardSet
from trainable.config import TrialConfig
from trainable.folds import FoldedTraining, begin, resume
from trainable.frames import Frames
from trainable.gpu_share import GpuShare
from trainable.release import ReleaseCheck


class TrialActor(tune.Trainable):
    """Steps through the reports of one training after another.

    The configuration holds ``trial`` (a `TrialConfig` as plain values), ``seed``, ``shards`` (folder or URI),
    ``shard_set_id``, ``folds`` (attacks held out, a list a model), ``device`` (``cpu`` or ``cuda``), ``gpu_share`` (of
    a GPU that several trials share), ``num_threads``, ``output`` (folder for the finished trial's model, or none) and
    ``trial_number``. Errors go through to Ray, which marks the trial failed.
    """

    _frames: Frames | None = None
    """Features of train and dev, which stay where they are for the next trial of this process."""

    def setup(self, config: dict[str, Any]) -> None:
        """Begin the trial that ``config`` describes."""
        torch.set_num_threads(config["num_threads"])
        self._output = Path(config["output"]) if config["output"] else None
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
            self._training = begin(trial, self._shards, config["seed"], self._device, folds, self._frames)
        self._follow()

    def step(self) -> dict[str, Any]:
        """Train to the next report; a finished trial leaves its model, unless it diverged."""
        with self._share.explained():
            report = next(self._training)
        if report.final and not report.diverged and self._output is not None:
            self._training.write_model(self._output)
        course = {"samples_seen": report.samples_seen, "passes": report.passes, "done": report.final}
        # Only here it is known what this machine makes of precision "auto".
        arithmetic = {"precision": self._training.precision, "torch_version": str(torch.__version__)}
        return {**report.metrics, **course, **arithmetic, "plan": self._training.plan}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another trial in this process, with nothing left of the one before."""
        self.cleanup()
        self.setup(new_config)
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Write the training state into Ray's folder."""
        self._training.save(Path(checkpoint_dir))

    def load_checkpoint(self, checkpoint: str) -> None:  # type: ignore[override]
        """Go on from a folder that `save_checkpoint` wrote.

        Raises:
            SpoofsweepError: it is another trial's.
        """
        wanted = self._training.signature
        self.cleanup()  # the trial that `setup` began: both at a time might not fit
        with self._share.explained():
            self._training = resume(Path(checkpoint), self._shards, self._device, self._frames)
        self._follow()
        if self._training.signature != wanted:
            found = f"{checkpoint} of {self._training.signature}, and trial {wanted}"
            raise SpoofsweepError("a trial resumes from its own checkpoint", found)

    def cleanup(self) -> None:
        """Give the memory of the trial back, the GPU's too: Ray keeps the process for the next one.

        Raises:
            SpoofsweepError: something of the trial is still held.
        """
        self.__dict__.pop("_training", None)
        if self._frames is not None:
            self._release.release()

    def _follow(self) -> None:
        trainings = self._training.trainings if isinstance(self._training, FoldedTraining) else [self._training]
        self._release.follow(trainings)
        self._release.follow(training.model for training in trainings)

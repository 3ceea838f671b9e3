"""A trial as Ray Tune runs it: the only file of this room that knows Ray."""

import gc
from pathlib import Path
from typing import Any

import torch
from ray import tune

from cluster.errors import SpoofsweepError
from cluster.settings import parse_settings
from data_prep.remote_files import to_path
from data_prep.shards import ShardSet
from trainable.config import TrialConfig
from trainable.folds import begin, resume
from trainable.frames import Frames


class TrialActor(tune.Trainable):
    """Steps through the reports of one training after another.

    The configuration holds ``trial`` (a `TrialConfig` as plain values), ``seed``, ``shards`` (folder or URI),
    ``shard_set_id``, ``folds`` (attacks held out, a list a model), ``device`` (``cpu`` or ``cuda``), ``num_threads``,
    ``output`` (folder for the finished trial's model, or none) and ``trial_number``. Errors go through to Ray, which
    marks the trial failed.
    """

    _frames: Frames | None = None
    """Features of train and dev, which stay where they are for the next trial of this process."""

    def setup(self, config: dict[str, Any]) -> None:
        """Begin the trial that ``config`` describes."""
        torch.set_num_threads(config["num_threads"])
        self._output = Path(config["output"]) if config["output"] else None
        self._shards = ShardSet.open(to_path(config["shards"]), expected_id=config["shard_set_id"])
        self._device = config["device"]
        trial = parse_settings(TrialConfig, config["trial"], f"trial {config['trial_number']}")
        folds = tuple(map(tuple, config["folds"]))
        if self._frames is None or self._frames.shard_set_id != self._shards.shard_set_id:
            self._frames = Frames.of_training(self._shards, torch.device(self._device))
        self._training = begin(trial, self._shards, config["seed"], self._device, folds, self._frames)

    def step(self) -> dict[str, Any]:
        """Train to the next report; a finished trial leaves its model, unless it diverged."""
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
        begun = self._training
        self._training = resume(Path(checkpoint), self._shards, self._device, self._frames)
        if self._training.signature != begun.signature:
            found = f"{checkpoint} of {self._training.signature}, and trial {begun.signature}"
            raise SpoofsweepError("a trial resumes from its own checkpoint", found)

    def cleanup(self) -> None:
        """Give the memory of the trial back, the GPU's too: Ray keeps the process for the next one."""
        self.__dict__.pop("_training", None)
        gc.collect()  # model and plan hang together in cycles
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

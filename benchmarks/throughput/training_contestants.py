"""Trainings that a benchmark steps side by side: ours, and the usual loop over batches of a DataLoader.

Tensor names carry shapes: B batch, T frames, F feature bins, C classes.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from types import FrameType
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from throughput.feature_pipelines import LOADERS, PREFETCH, LoaderSettings
from throughput.training_data import TrainingData
from trainable.config import TrialConfig
from trainable.hardware.precision import autocast, resolve_precision
from trainable.models import build_model
from trainable.models.losses import head_of
from trainable.scores.scoring import frames_in
from trainable.training.training import Training

OURS, NO_INPUT = "spoofsweep", "no input"
FAST, EAGER, COMPILED = f"{OURS}, not deterministic", f"{OURS}, eager", f"{OURS}, compiled"
VARIANTS: dict[str, dict[str, Any]] = {
    OURS: {},
    FAST: {"deterministic": False},
    EAGER: {"execution": "eager"},
    COMPILED: {"execution": "compiled"},
}
"""What each changes of a trial's settings."""
_INPUT_FILES = ("batch_stream.py", "feature_store.py", "frames.py", "pass_plan.py")
"""Where `trainable` draws its batches."""
_SEED = 1


@dataclass(frozen=True)
class Contest:
    """What all contestants share."""

    data: TrainingData
    config: TrialConfig
    device: str

    @property
    def crop_frames(self) -> int:
        """Frames of a training crop."""
        return frames_in(self.config.batch.crop_s, self.data.features)

    def loader_settings(self, num_workers: int) -> LoaderSettings:
        """Of the DataLoaders."""
        return LoaderSettings(self.config.batch.size, self.crop_frames, num_workers, pin_memory=self.device == "cuda")


class Contestant(Protocol):
    """A training that takes one step at a time."""

    input_s: float
    """Seconds that steps have spent on their input so far; of ours only while `watch_input` is on."""
    steps_ahead: int
    """Batches that may lie ready at the start of a round."""

    @property
    def manner(self) -> str:
        """How steps run, in a line."""

    def step(self) -> None: ...

    def watch_input(self, on: bool) -> None: ...


class UsualTraining:
    """The usual loop: the next batch, forward under autocast, backward, clip, fused AdamW; eager kernels, tuned by
    cuDNN for the one shape that there is.
    """

    def __init__(self, contest: Contest, batches: Iterator[list[Tensor]], precision: str, steps_ahead: int) -> None:
        config, self._device = contest.config, torch.device(contest.device)
        self._batches, self._clip_norm = batches, config.optimizer.clip_norm
        self._precision = resolve_precision(precision, self._device)  # type: ignore[arg-type]
        torch.manual_seed(_SEED)
        torch.backends.cudnn.benchmark = True
        model = build_model(config.model, contest.data.features.num_bins, None, head_of(config.loss))
        self._model = model.to(self._device).train()
        weight = torch.tensor([1 - config.loss.bonafide_weight, config.loss.bonafide_weight])
        self._loss = nn.CrossEntropyLoss(weight.to(self._device))
        rate, decay = config.optimizer.learning_rate, config.optimizer.weight_decay
        self._optimizer = torch.optim.AdamW(self._model.parameters(), lr=rate, weight_decay=decay, fused=True)
        self._loss_sum = torch.zeros((), device=self._device)
        self.input_s, self.steps_ahead = 0.0, steps_ahead

    def step(self) -> None:
        """One step of the optimiser."""
        started = time.perf_counter()
        feat_BTF, label_B = next(self._batches)
        self.input_s += time.perf_counter() - started
        feat_BTF = feat_BTF.to(self._device, non_blocking=True).float()
        label_B = label_B.to(self._device, non_blocking=True)
        with autocast(self._precision, self._device):
            logits_BC = self._model(feat_BTF)
        loss = self._loss(logits_BC.float(), label_B)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._model.parameters(), self._clip_norm)
        self._optimizer.step()
        self._loss_sum += loss.detach()

    @property
    def manner(self) -> str:
        """Its arithmetic."""
        return self._precision

    def watch_input(self, on: bool) -> None:
        """The wait for a batch is always measured."""


class OwnTraining:
    """A trial as a sweep runs it, step by step."""

    def __init__(self, contest: Contest, changes: dict[str, Any]) -> None:
        config = contest.config.model_copy(update=changes)
        self.training = Training(config, contest.data.open_shards(), _SEED, contest.device)
        self.step = self.training.step
        self.input_s, self.steps_ahead = 0.0, 0
        self._depth, self._entered = 0, 0.0

    @property
    def manner(self) -> str:
        """As a trial says it."""
        return self.training.plan

    def watch_input(self, on: bool) -> None:
        """Time every call into the files that draw batches, from the outermost entry to its return."""
        self._depth = 0
        sys.setprofile(self._trace if on else None)

    def _trace(self, frame: FrameType, event: str, _: object) -> None:
        if event not in ("call", "return") or not frame.f_code.co_filename.endswith(_INPUT_FILES):
            return
        if event == "call":
            self._depth += 1
            if self._depth == 1:
                self._entered = time.perf_counter()
        else:
            self._depth -= 1
            if self._depth == 0:
                self.input_s += time.perf_counter() - self._entered


def make(name: str, contest: Contest, num_workers: int) -> Contestant:
    """The contestant of that name: a loader's, `NO_INPUT`, or one of `VARIANTS`."""
    if name in VARIANTS:
        return OwnTraining(contest, VARIANTS[name])
    precision = "float32" if name == "flac" else contest.config.precision
    if name == NO_INPUT:
        return UsualTraining(contest, repeat(_resident_batch(contest)), precision, 0)
    batches = LOADERS[name](contest.data, contest.loader_settings(num_workers))
    return UsualTraining(contest, batches, precision, num_workers * PREFETCH)


def _resident_batch(contest: Contest) -> list[Tensor]:
    batch = next(LOADERS["npy"](contest.data, contest.loader_settings(0)))
    return [tensor.to(contest.device) for tensor in batch]

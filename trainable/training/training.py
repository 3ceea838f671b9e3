"""One trial: trains a configuration on a shard set and reports its validation error; no framework around it."""

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from cluster.errors import SpoofsweepError
from data_prep.shards import ShardSet
from trainable.checkpoints import checkpoint
from trainable.checkpoints.atomic_folder import replace_folder
from trainable.checkpoints.checkpoint import ModelRecord, TrainingRecord
from trainable.checkpoints.lineage import Ancestor, Lineage, PrunedFrom
from trainable.checkpoints.signature import code_version, trial_signature
from trainable.config import TrialConfig
from trainable.data.frames import Frames
from trainable.data.hold_out import folds_of
from trainable.hardware.host_memory import keep_freed_memory
from trainable.hardware.precision import resolve_precision
from trainable.hardware.seeding import seed_generators, step_seed
from trainable.models import build_model
from trainable.models.losses import WeightedLoss, head_of
from trainable.scores.report import WORST_DEV, Report
from trainable.scores.scores import ScoreTable
from trainable.scores.validation import validation_metrics
from trainable.training.averaging import WeightAverage
from trainable.training.interval import Interval
from trainable.training.rehearsal import fit, fit_windows
from trainable.training.schedule import learning_rate
from trainable.training.step import Batch, Step
from trainable.training.step_graph import fastest
from trainable.training.trial_data import TrialData


class Training(Iterator[Report]):
    """An iterator of reports; between two of them lies the training.

    Reports come when ``samples_seen`` first reaches each multiple of ``report_passes`` and, as the last, the budget.
    Loss or scores that are not finite end the trial with a report of the worst score.

    On a CPU the same configuration, seed, shards and number of threads give the same numbers bit for bit, resumed or
    not: batches and masks are keyed by (seed, samples seen), and PyTorch's global generator is seeded anew at every
    step, so nothing depends on what ran before in the process.

    Args:
        config: the trial.
        shards: an open shard set with train and dev splits.
        seed: decides initial weights, batches, masks and dropout.
        device: ``cpu`` or ``cuda``.
        held_out: attacks that training does without and validation is about (see `trainable.data.hold_out`).
        frames: those of train and dev, to be shared with other trainings; none opens them.
        lineage: the trainings that it grew out of, see `fork`.
        weights: the network's state to begin with, instead of a random one.
        pruned_from: the larger networks that ``weights`` were cut out of.
    """

    def __init__(
        self,
        config: TrialConfig,
        shards: ShardSet,
        seed: int,
        device: str = "cpu",
        held_out: tuple[str, ...] = (),
        frames: Frames | None = None,
        lineage: Lineage = (),
        weights: Mapping[str, Tensor] | None = None,
        pruned_from: PrunedFrom = (),
    ) -> None:
        self.config, self.shards, self.seed, self.device = config, shards, seed, torch.device(device)
        self.lineage, self.pruned_from = lineage, pruned_from
        if self.device.type == "cpu":
            keep_freed_memory()
        self.held_out = held_out
        self.features = shards.manifest.features
        self.precision = resolve_precision(config.precision, self.device)
        self._data = TrialData(config, shards, seed, self.device, held_out, frames)
        self.frames, self.budget_samples = self._data.frames, self._data.budget_samples
        global_cmvn = self._data.global_cmvn()
        torch.manual_seed(seed)
        self.model = build_model(config.model, self._data.num_bins, global_cmvn, head_of(config.loss)).to(self.device)
        if weights is not None:
            self.model.load_state_dict(weights)
        loss = WeightedLoss(config.loss, self._data.bonafide_share).to(self.device)
        hop_s = self.features.hop_samples / self.features.sample_rate
        self._step = Step(self.model, config, loss, self.precision, hop_s)
        self._run: Callable[[Batch], None] | None = None if self.device.type == "cuda" else self._step.run
        self._manner = "eager"
        half_life_steps = config.averaging.ema_half_life_passes * self.samples_per_pass / config.batch.size
        averages = config.averaging.kind != "none"
        self._average = WeightAverage(self.model, config.averaging, half_life_steps) if averages else None
        self.samples_seen = 0
        self.history: list[Report] = []
        self._start_interval()

    def __next__(self) -> Report:
        if self.finished:
            raise StopIteration
        while not self._report_is_due():
            self.step()
        report = self._make_report()
        self.history.append(report)
        self._start_interval()
        return report

    def step(self) -> None:
        """One optimiser step on the next batch; nothing in it waits for a GPU."""
        if self._run is None:
            self.rehearse()
        assert self._run is not None
        self._interval.begin_step()
        self._set_learning_rate()
        batch = self._data.batch(self.samples_seen)
        seed_generators(step_seed(self.seed, self.samples_seen), self.device)
        self._run(batch)
        self.samples_seen += self.config.batch.size
        if self._average is not None:
            self._average.step(self.samples_seen / self.budget_samples)

    def rehearse(self) -> int:
        """Try the next batch, as large as every other, and one of scoring windows, without a trace; on a GPU also find
        out how steps run fastest. The first step does this by itself.

        Returns:
            The most bytes that the process held of the GPU meanwhile; 0 on a CPU.

        Raises:
            SpoofsweepError: they do not fit the GPU's memory.
        """
        batch = self._data.batch(self.samples_seen)
        fit(self._step, batch, self.config.batch.split_when_full)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            self._run = self._step.run
            if self.config.execution != "eager":
                self._run, self._manner = fastest(self._step, batch)
        fit_windows(lambda: self._data.score_largest_batch(self.model))
        if self.device.type != "cuda":
            return 0
        return torch.cuda.max_memory_reserved(self.device)

    @property
    def plan(self) -> str:
        """How it trains on this device, in a line: arithmetic, steps, parts of a batch, and where the features lie."""
        parts = [self.precision, self._manner]
        if self.config.execution == "compiled":
            parts.append("compiled")
        if self._step.micro_size < self.config.batch.size:
            parts.append(f"{self._step.micro_size} of {self.config.batch.size} utterances at a time")
        return ", ".join([*parts, str(self.frames.placement)])

    @property
    def scored_model(self) -> nn.Module:
        """The model that is validated and kept: the average of the weights where one is asked for, else the last."""
        return self.model if self._average is None else self._average.model

    def score(self, split: str) -> ScoreTable:
        """Scores of a split's utterances by their clean views, in the order of their identifiers."""
        return self._data.score(self.scored_model, split)

    @property
    def finished(self) -> bool:
        """Whether no report follows."""
        return bool(self.history) and self.history[-1].final

    @property
    def samples_per_pass(self) -> int:
        """Utterances that it trains on."""
        return self._data.samples_per_pass

    @property
    def signature(self) -> str:
        """Identity of the trial."""
        folds, shard_set_id = folds_of(self.held_out), self.shards.shard_set_id
        return trial_signature(self.config, self.seed, shard_set_id, folds, self.lineage, self.pruned_from)

    @property
    def record(self) -> ModelRecord:
        """What ``model.json`` says about the model as it stands."""
        last = self.history[-1].metrics if self.history else {}
        diverged = bool(self.history) and self.history[-1].diverged
        return ModelRecord(
            trial=self.config,
            seed=self.seed,
            features=self.features,
            num_bins=self._data.num_bins,
            shard_set_id=self.shards.shard_set_id,
            held_out=self.held_out,
            signature=self.signature,
            code_version=code_version(),
            device=self.device.type,
            precision=self.precision,
            num_threads=torch.get_num_threads(),
            torch_version=str(torch.__version__),
            samples_seen=self.samples_seen,
            dev_eer=last.get("dev_eer"),
            threshold=None if diverged else last.get("dev_threshold"),
            history=tuple(self.history),
            lineage=self.lineage,
            pruned_from=self.pruned_from,
        )

    def save(self, folder: Path) -> None:
        """Write everything that `resume` needs, replacing ``folder`` in one step; possible after any step."""
        state = TrainingRecord(
            steps_since_report=self._interval.num_steps,
            elapsed_s=self._interval.elapsed_s,
            micro_size=self._step.micro_size,
            scaler=self._step.scaler.state_dict(),
        )
        average = {} if self._average is None else self._average.state_tensors()
        with replace_folder(folder) as fresh:
            checkpoint.write_model_files(fresh, self.record, self.scored_model)
            checkpoint.write_training_files(fresh, state, average | self._step.state_tensors())

    def write_model(self, folder: Path) -> None:
        """Write the model alone, as the detector reads it."""
        checkpoint.write_model(folder, self.record, self.scored_model)

    @classmethod
    def resume(cls, folder: Path, shards: ShardSet, device: str = "cpu", frames: Frames | None = None) -> "Training":
        """A trial as `save` left it.

        Raises:
            SpoofsweepError: the folder holds no training state, or one of other shards or another precision.
        """
        record = checkpoint.read_record(folder, shards.shard_set_id)
        trial, held_out, lineage = record.trial, record.held_out, record.lineage
        training = cls(trial, shards, record.seed, device, held_out, frames, lineage, pruned_from=record.pruned_from)
        training._restore(folder, record)
        return training

    @classmethod
    def fork(
        cls,
        folder: Path,
        config: TrialConfig,
        seed: int,
        shards: ShardSet,
        device: str = "cpu",
        frames: Frames | None = None,
    ) -> "Training":
        """A trial that takes over what `save` left of another one at a report: weights, optimiser state and position.

        From there on it is its own: other settings (`trainable.checkpoints.lineage.may_change`), batches and masks.

        Raises:
            SpoofsweepError: as `resume`, or the weights are another network's.
        """
        record = checkpoint.read_record(folder, shards.shard_set_id)
        ancestor = Ancestor(trial=record.trial, seed=record.seed, until=record.samples_seen)
        lineage, pruned_from = (*record.lineage, ancestor), record.pruned_from
        training = cls(config, shards, seed, device, record.held_out, frames, lineage, pruned_from=pruned_from)
        micro_size = training._step.micro_size
        training._restore(folder, record)
        training._step.micro_size = micro_size  # of its own batches, not of the other one's
        return training

    def _report_is_due(self) -> bool:
        interval = self.config.report_passes * self.samples_per_pass
        reports_due = math.floor(self.samples_seen / interval)
        reported = math.floor(self.history[-1].samples_seen / interval) if self.history else 0
        return reports_due > reported or self.samples_seen >= self.budget_samples

    def _make_report(self) -> Report:
        steps = max(1, self._interval.num_steps)
        train = self._step.means(steps)
        # Reading the sums waited for the device, so this is the end of training and the start of validation.
        train["utterances_per_s"] = steps * self.config.batch.size / self._interval.elapsed_s
        is_sound = math.isfinite(train["train_loss"])
        dev = validation_metrics(self.score("dev"), self.config.validation) if is_sound else None
        timing = {"epoch_s": self._interval.elapsed_s, "diverged": float(dev is None)}
        return Report(
            samples_seen=self.samples_seen,
            passes=self.samples_seen / self.samples_per_pass,
            metrics={**train, **(dev or WORST_DEV), **timing},
            final=dev is None or self.samples_seen >= self.budget_samples,
        )

    def _set_learning_rate(self) -> None:
        # At the middle of the step, so that neither the first nor the last one has rate zero.
        progress = (self.samples_seen + self.config.batch.size / 2) / self.budget_samples
        self._step.optimizer.learning_rate = learning_rate(self.config.optimizer, min(1.0, progress))

    def _start_interval(self) -> None:
        self._step.start_sums()
        self._interval = Interval()

    def _restore(self, folder: Path, record: ModelRecord) -> None:
        if record.precision != self.precision:
            found = f"a checkpoint in {record.precision}, and {self.precision} on this device"
            raise SpoofsweepError("a trial resumes in the precision it began with", found, "resume on a like device")
        state, tensors = checkpoint.read_training(folder)
        checkpoint.load_weights(folder, self.model)
        if self._average is not None:
            self._average.restore(tensors)
        self._step.restore(tensors, state.scaler, state.micro_size)
        self.samples_seen, self.history = record.samples_seen, list(record.history)
        self._interval = Interval(state.steps_since_report, state.elapsed_s)

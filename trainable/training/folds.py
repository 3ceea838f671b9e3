"""A trial over leave-attack-out folds: one model a fold, trained side by side, judged by the mean over all of them."""

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from data_prep.shards import ShardSet
from trainable.checkpoints.atomic_folder import readable_folder, replace_folder
from trainable.checkpoints.checkpoint import write_model_files
from trainable.checkpoints.lineage import Lineage
from trainable.checkpoints.signature import trial_signature
from trainable.config import TrialConfig
from trainable.data.frames import Frames
from trainable.data.hold_out import Folds, fold_path
from trainable.hardware.precision import Precision
from trainable.scores.report import WORST_DEV, Report
from trainable.training.training import Training


class FoldedTraining(Iterator[Report]):
    """An iterator of reports over several `Training`, each of which holds other attacks out.

    Between two reports every model trains to its own next one; models never touch each other, so each is bit for bit
    what it would be alone, and the reports follow from theirs: nothing else needs to be saved. A pass is a pass of
    every model over its own training utterances, and ``samples_seen`` counts the samples of all models.

    Metrics are means over the folds, but ``epoch_s`` is the sum over the models that trained since the report before,
    ``dev_mean_attack_eer`` and ``dev_worst_attack_eer`` are the mean and the maximum over all attacks, each judged by
    the model that did without it, and there is no ``dev_threshold``: thresholds of different models have no mean.
    Besides, there are ``dev_eer_fold0``, ``dev_eer_fold1`` and so on, and ``dev_eer_folds_sd``, the standard deviation
    of these: how much it depends on the attacks. The interval and the deviation of ``dev_eer`` are the means of the
    folds' own, which is as wide as the mean's can be: the folds share their bona fide speech, so errors may not be
    taken as independent and averaged away. One diverged model ends the trial as diverged.

    Args:
        trainings: one a fold, of equal configuration, seed and shards.
    """

    def __init__(self, trainings: Sequence[Training]) -> None:
        self.trainings = list(trainings)
        # Of models that are not all equally far, saved in the middle of a round, the last one tells.
        running = [len(training.history) for training in self.trainings if not training.finished]
        num_reports = min(running, default=max(len(training.history) for training in self.trainings))
        self.history = [self._report(number) for number in range(num_reports)]

    def __next__(self) -> Report:
        if self.finished:
            raise StopIteration
        for training in self.trainings:
            if not training.finished and len(training.history) == len(self.history):
                next(training)
        self.history.append(self._report(len(self.history)))
        return self.history[-1]

    @property
    def finished(self) -> bool:
        """Whether no report follows."""
        return bool(self.history) and self.history[-1].final

    @property
    def precision(self) -> Precision:
        """Arithmetic of every model's training."""
        return self.trainings[0].precision

    @property
    def plan(self) -> str:
        """How every model trains on this device, in a line."""
        return self.trainings[0].plan

    @property
    def signature(self) -> str:
        """Identity of the trial."""
        first = self.trainings[0]
        folds = tuple(training.held_out for training in self.trainings)
        return trial_signature(first.config, first.seed, first.shards.shard_set_id, folds)

    def save(self, folder: Path) -> None:
        """Write everything that `resume` needs, replacing ``folder`` in one step."""
        with replace_folder(folder) as fresh:
            for number, training in enumerate(self.trainings):
                training.save(fold_path(fresh, number))

    def write_model(self, folder: Path) -> None:
        """Write the models, each in a folder of its own below ``folder``."""
        with replace_folder(folder) as fresh:
            for number, training in enumerate(self.trainings):
                fold_path(fresh, number).mkdir()
                write_model_files(fold_path(fresh, number), training.record, training.scored_model)

    @classmethod
    def resume(
        cls, folder: Path, shards: ShardSet, device: str = "cpu", frames: Frames | None = None
    ) -> "FoldedTraining":
        """A trial as `save` left it.

        Raises:
            SpoofsweepError: as `Training.resume`.
        """
        num_folds = sum(path.name.startswith("fold") for path in readable_folder(folder).iterdir())
        paths = [fold_path(readable_folder(folder), number) for number in range(num_folds)]
        frames = frames or Frames.of_training(shards, torch.device(device))
        return cls([Training.resume(path, shards, device, frames) for path in paths])

    def _report(self, number: int) -> Report:
        """The report that follows from each model's own of that number; a model that ended before keeps its last."""
        reports = [t.history[min(number, len(t.history) - 1)] for t in self.trainings]
        new = [training.history[number] for training in self.trainings if len(training.history) > number]
        samples_seen = sum(report.samples_seen for report in reports)
        diverged = any(report.diverged for report in reports)
        metrics = _mean_metrics(reports) | self._over_attacks(reports)
        metrics |= {**WORST_DEV, "diverged": 1.0} if diverged else {}
        metrics["epoch_s"] = sum(report.metrics["epoch_s"] for report in new)
        del metrics["dev_threshold"]
        return Report(
            samples_seen=samples_seen,
            passes=samples_seen / sum(training.samples_per_pass for training in self.trainings),
            metrics=metrics,
            final=diverged or all(report.final for report in reports),
        )

    def _over_attacks(self, reports: Sequence[Report]) -> dict[str, float]:
        num_attacks = [len(training.held_out) for training in self.trainings]
        means = [report.metrics["dev_mean_attack_eer"] for report in reports]
        total = sum(number * mean for number, mean in zip(num_attacks, means, strict=True))
        worst = max(report.metrics["dev_worst_attack_eer"] for report in reports)
        return {"dev_mean_attack_eer": total / sum(num_attacks), "dev_worst_attack_eer": worst}


def begin(
    config: TrialConfig,
    shards: ShardSet,
    seed: int,
    device: str = "cpu",
    folds: Folds = (),
    frames: Frames | None = None,
    lineage: Lineage = (),
) -> Training | FoldedTraining:
    """A fresh trial: a plain training, one with attacks held out, or one over several folds.

    Args:
        frames: those of train and dev, to be shared with other trials; none opens them.
        lineage: trainings that are repeated first, each up to where the next one took over; not over several folds.
    """
    frames = frames or Frames.of_training(shards, torch.device(device))
    if lineage:
        return _descend(config, shards, seed, device, folds, frames, lineage)
    trainings = [Training(config, shards, seed, device, held_out, frames) for held_out in folds or ((),)]
    return trainings[0] if len(trainings) == 1 else FoldedTraining(trainings)


def _descend(
    config: TrialConfig,
    shards: ShardSet,
    seed: int,
    device: str,
    folds: Folds,
    frames: Frames,
    lineage: Lineage,
) -> Training:
    """A trial that has come to where it takes over; one that is finished, if an ancestor diverged before."""
    *before, parent = lineage
    ancestor = begin(parent.trial, shards, parent.seed, device, folds, frames, tuple(before))
    while not ancestor.history or (ancestor.history[-1].samples_seen < parent.until and not ancestor.finished):
        next(ancestor)
    with TemporaryDirectory() as name:
        ancestor.save(Path(name) / "fork")
        training = Training.fork(Path(name) / "fork", config, seed, shards, device, frames)
    training.lineage = lineage
    return training


def resume(
    folder: Path, shards: ShardSet, device: str = "cpu", frames: Frames | None = None
) -> Training | FoldedTraining:
    """A trial as its `save` left it.

    Raises:
        SpoofsweepError: as `Training.resume`.
    """
    is_folded = fold_path(readable_folder(folder), 0).is_dir()
    return (FoldedTraining if is_folded else Training).resume(folder, shards, device, frames)


def _mean_metrics(reports: Sequence[Report]) -> dict[str, float]:
    means = {name: statistics.fmean(r.metrics[name] for r in reports) for name in reports[0].metrics}
    eers = [report.metrics["dev_eer"] for report in reports]
    return means | {
        **{f"dev_eer_fold{number}": eer for number, eer in enumerate(eers)},
        "dev_eer_folds_sd": statistics.stdev(eers),
    }

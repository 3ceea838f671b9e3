"""Trains a recorded run again on this machine, without Ray, and compares it report by report."""

import json
import math
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import torch
from rich.console import Console
from rich.markup import escape

from cluster.errors import SpoofsweepError
from deploy.export.dev_scores import open_shards
from deploy.models import find_run
from deploy.tracking_store import open_client
from search.ledger.leaderboard import shown
from search.study.objective import EER, OBJECTIVES, Objective
from search.tracking.lineage_tags import lineage_of
from trainable.checkpoints.lineage import Lineage
from trainable.checkpoints.signature import code_version
from trainable.config import TrialConfig
from trainable.data.hold_out import Folds, named
from trainable.hardware.device import device_named
from trainable.hardware.precision import Precision, resolve_precision
from trainable.training.folds import FoldedTraining, begin
from trainable.training.training import Training

Verdict = Literal["same", "within noise", "different"]
MEANINGS: dict[Verdict, str] = {
    "same": "every report equals the recorded one, bit for bit",
    "within noise": "the final EER lies within the recorded bootstrap interval",
    "different": "the final EER lies outside of the recorded bootstrap interval",
}


@dataclass(frozen=True)
class RecordedRun:
    """What MLflow knows of a run, as far as repeating it needs."""

    run_id: str
    name: str
    config: TrialConfig
    seed: int
    shard_set_id: str
    folds: Folds
    """Attacks held out, a group a model."""
    device: str
    num_threads: int
    code_version: str
    precision: str | None
    """Arithmetic of the training; none if the trial ended before it was recorded."""
    torch_version: str | None
    dev_eers: dict[int, float]
    """Validation EER by samples seen."""
    final_interval: tuple[float, float]
    """Bootstrap interval of the last of them."""
    lineage: Lineage = ()
    """Trainings that it grew out of."""
    objective: Objective = EER
    """What the run's study minimises."""
    values: dict[int, float] = field(default_factory=dict)
    """Of that, by samples seen, where it is not the pooled EER."""


@dataclass(frozen=True)
class Reproduction:
    """The outcome: both courses of the validation EER, by samples seen."""

    run: RecordedRun
    reproduced: dict[int, float]
    values: dict[int, float] = field(default_factory=dict)
    """The course of what the study minimises, where it is not the pooled EER."""
    notes: list[str] = field(default_factory=list)
    """Circumstances that differ from the recorded ones."""

    @property
    def verdict(self) -> Verdict:
        """``same``, ``within noise`` or ``different``; see ``MEANINGS``. The pooled EER alone has an interval."""
        if (_bits(self.run.dev_eers), _bits(self.run.values)) == (_bits(self.reproduced), _bits(self.values)):
            return "same"
        low, high = self.run.final_interval
        final = self.reproduced.get(max(self.run.dev_eers), math.nan)
        return "within noise" if low <= final <= high else "different"

    @property
    def exit_status(self) -> int:
        """Of the command: 1 for a different result, else 0."""
        return int(self.verdict == "different")


def reproduce(
    reference: str,
    tracking_uri: str,
    shards: Path,
    device: str | None = None,
    save: Path | None = None,
    console: Console | None = None,
) -> Reproduction:
    """Repeat a run up to its last report.

    Args:
        reference: ``champion``, ``champion@STUDY``, or a run id of a trial or finalist (six characters of it at least).
        tracking_uri: the MLflow server or database.
        shards: folder of shard sets, or the shard set itself.
        device: ``cpu`` or ``cuda``; none means the recorded one, or the CPU where there is no such device.
        save: folder to write the model to.
        console: where the comparison is printed, a line a report.

    Raises:
        SpoofsweepError: no such run, a run without reports, or other shards than the run's.
    """
    console = console or Console()
    run = read_run(reference, tracking_uri)
    shard_set = open_shards(shards, run.shard_set_id)
    device = _device(device, run.device)
    precision = resolve_precision(run.config.precision, torch.device(device))
    notes = _differences(run, device, precision)
    console.print(f"Reproducing {run.name} ({run.run_id}), seed {run.seed}, on {device} with {run.num_threads} threads")
    if run.folds:
        console.print(f"Held out of training: {escape(named(run.folds))}", highlight=False)
    for note in notes:
        console.print(f"[yellow]note:[/] {escape(note)}")
    torch.set_num_threads(run.num_threads)
    for ancestor in run.lineage:
        console.print(f"First an ancestor of it up to {ancestor.until} samples, seed {ancestor.seed}")
    training = begin(run.config, shard_set, run.seed, device, run.folds, lineage=run.lineage)
    reproduction = Reproduction(run, *_repeat(training, run, console), notes)
    if save is not None:
        training.write_model(save)
        console.print(f"Model saved in {escape(str(save))}")
    colour = "red" if reproduction.exit_status else "green"
    console.print(f"[bold {colour}]{reproduction.verdict}[/]: {MEANINGS[reproduction.verdict]}")
    return reproduction


def _device(wanted: str | None, recorded: str) -> str:
    if wanted is not None:
        return device_named(wanted).type
    return recorded if torch.cuda.is_available() else "cpu"


def read_run(reference: str, tracking_uri: str) -> RecordedRun:
    """Read a trial's or finalist's run from MLflow.

    Raises:
        SpoofsweepError: no such run, or one that is not a training, or has no report.
    """
    run = find_run(reference, tracking_uri)
    tags = {name.removeprefix("spoofsweep."): value for name, value in run.data.tags.items()}
    if "config" not in tags:
        raise SpoofsweepError(
            "a run to reproduce must be a trial or a finalist", f"{run.info.run_id} ({tags.get('kind', 'no kind')})"
        )
    client = open_client(tracking_uri)
    dev_eers = _history(client, run.info.run_id, "dev_eer")
    if not dev_eers:
        raise SpoofsweepError("a run to reproduce must have reported", run.info.run_id, "choose another run")
    last, objective = max(dev_eers), OBJECTIVES[tags.get("objective", EER.name)]
    low, high = (
        _history(client, run.info.run_id, f"dev_eer_{end}").get(last, dev_eers[last]) for end in ("low", "high")
    )
    return RecordedRun(
        run_id=run.info.run_id,
        name=run.info.run_name,
        config=TrialConfig.model_validate_json(tags["config"]),
        seed=int(tags["seed"]),
        shard_set_id=tags["shard_set_id"],
        folds=tuple(map(tuple, json.loads(tags.get("held_out", "[]")))),
        device=tags["device"],
        num_threads=int(tags["num_threads"]),
        code_version=tags["code_version"],
        precision=tags.get("precision"),
        torch_version=tags.get("torch_version"),
        dev_eers=dev_eers,
        final_interval=(low, high),
        lineage=lineage_of(tags),
        objective=objective,
        values=_history(client, run.info.run_id, objective.metric) if objective != EER else {},
    )


def _history(client: Any, run_id: str, metric: str) -> dict[int, float]:
    """A metric by step, rising; of a step that was logged twice (after a resume), the later value."""
    points = sorted(client.get_metric_history(run_id, metric), key=lambda point: (point.step, point.timestamp))
    return {point.step: point.value for point in points}


def _repeat(
    training: Training | FoldedTraining, run: RecordedRun, console: Console
) -> tuple[dict[int, float], dict[int, float]]:
    """The course of the EER and, if it is another figure, of what the study minimises."""
    console.print(f"{'samples seen':>14}{'recorded':>12}{'reproduced':>12}{'difference':>14}")
    reproduced: dict[int, float] = {}
    values: dict[int, float] = {}
    last = max(run.dev_eers)
    # A finalist tells of its whole schedule, a trial of what came after it took over.
    told = [report for report in training.history if report.samples_seen in run.dev_eers]
    for report in chain(told, training):
        reproduced[report.samples_seen] = value = report.metrics["dev_eer"]
        console.print(_line(report.samples_seen, run.dev_eers.get(report.samples_seen), value), highlight=False)
        if run.objective != EER:
            values[report.samples_seen] = report.metrics[run.objective.metric]
        if report.samples_seen >= last:
            break
    if run.objective != EER:
        recorded, found = (shown(course.get(last), run.objective) for course in (run.values, values))
        console.print(f"{run.objective.label}, which its study minimises: {recorded} recorded, {found} reproduced")
    return reproduced, values


def _line(samples_seen: int, recorded: float | None, reproduced: float) -> str:
    if recorded is None:
        return f"{samples_seen:>14}{'-':>12}{reproduced:>12.4%}"
    difference = "identical" if recorded == reproduced else f"{100 * (reproduced - recorded):+.4f} pt"
    return f"{samples_seen:>14}{recorded:>12.4%}{reproduced:>12.4%}{difference:>14}"


def _differences(run: RecordedRun, device: str, precision: Precision) -> list[str]:
    facts = [
        ("by code", run.code_version, code_version()),
        ("on", run.device, device),
        ("in", run.precision, precision),
        ("with PyTorch", run.torch_version, str(torch.__version__)),
    ]
    return [
        f"the run was made {how} {recorded}, this is {here}"
        for how, recorded, here in facts
        if recorded not in (None, here)
    ]


def _bits(values: dict[int, float]) -> dict[int, str]:
    """Values as exact text, so that NaN equals NaN."""
    return {step: float(value).hex() for step, value in values.items()}

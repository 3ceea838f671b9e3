"""Keeps the checkpoints that heirs go on from."""

import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

from search.pruning.population import Population
from search.sweep.checkpoint_keeper import CheckpointKeeper
from search.trials.trial_record import HEIR, TrialRecord
from trainable.checkpoints.atomic_folder import replace_folder

_logger = logging.getLogger("spoofsweep.trials")


class ForkKeeper:
    """A conductor's listener that copies the checkpoints of those members whose weights may be asked for.

    It is told of a report while the trial waits for what follows from it, so that its checkpoint is the one of this
    report. A copy goes when its trial is no longer among the best there, and no heir without a checkpoint of its own
    has drawn it. So there are never more than so many a comparison, and a few; they stay when the sweep is over, for a
    study that is extended asks for them again.

    Args:
        folder: holds one folder a copy.
        population: knows who may be asked; reports of earlier sweeps told already.
        checkpoints: of the trials.
        trials: of earlier sweeps of the study.
    """

    def __init__(
        self, folder: Path, population: Population, checkpoints: CheckpointKeeper, trials: Iterable[TrialRecord]
    ) -> None:
        self._folder, self._population, self._checkpoints = folder, population, checkpoints
        trials = list(trials)
        begun = {trial.attributes.get("replaces") for trial in trials if trial.reports}
        self._drawn = {
            trial.number: _drawn_by(trial) for trial in trials if trial.is_replaced and trial.number not in begun
        }
        """What heirs that have not reported go on from, by the trial that they replace."""
        self._delete_others()

    def folder_of(self, trial: int, samples_seen: int) -> Path:
        """A trial's checkpoint at a report."""
        return self._folder / f"{trial:05d}-{samples_seen:010d}"

    def fork_of(self, trial: TrialRecord) -> Path | None:
        """What a trial goes on from, of another one; none if it begins by itself."""
        return self.folder_of(trial.attributes["parent"], trial.forked_at) if trial.lineage else None

    def trial_started(self, trial: TrialRecord) -> None:
        """Nothing: its parent's checkpoint is there."""

    def trial_reported(self, trial: TrialRecord) -> None:
        was_drawn = self._drawn.pop(trial.attributes.get("replaces", -1), None) is not None
        rung = self._population.rung_reached(trial.samples_seen)
        is_first = rung is not None and trial.first_report(rung) == trial.samples_seen
        if rung is not None and is_first and trial.number in self._population.candidates(rung):
            self._copy(trial)
        if is_first or was_drawn:
            self._delete_others()

    def trial_ended(self, trial: TrialRecord) -> None:
        if trial.is_replaced:
            self._drawn[trial.number] = _drawn_by(trial)

    def _copy(self, trial: TrialRecord) -> None:
        attempts = sorted(self._checkpoints.folder_of(trial).parent.glob("[0-9]*"))
        if not attempts:
            return  # it told of a full disk; whoever needs the weights trains them again
        try:
            with replace_folder(self.folder_of(trial.number, trial.samples_seen)) as fresh:
                shutil.copytree(attempts[-1], fresh, dirs_exist_ok=True)
        except OSError as error:
            _logger.warning("no copy of trial %d at %d samples: %s", trial.number, trial.samples_seen, error)

    def _delete_others(self) -> None:
        drawn = set(self._drawn.values())
        wanted = {(trial, rung) for rung in self._population.rungs for trial in self._population.candidates(rung)}
        for folder in self._folder.glob("[0-9]*"):
            trial, samples_seen = map(int, folder.name.split("-"))
            place = trial, self._population.rung_reached(samples_seen)
            if place not in wanted and (trial, samples_seen) not in drawn:
                shutil.rmtree(folder, ignore_errors=True)


def _drawn_by(trial: TrialRecord) -> tuple[int, int]:
    return trial.attributes[HEIR]["parent"], trial.attributes[HEIR]["until"]

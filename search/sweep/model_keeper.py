"""Keeps the model folders that are worth their room."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from search.trials.trial_record import TrialRecord


class ModelKeeper:
    """A conductor's listener that keeps the folders of the best finished trials and deletes those of the others.

    An attempt of a trial writes into a folder of its own, which takes the trial's name when the trial is complete: a
    machine that was given up may go on to its end.

    Args:
        folder: holds one folder a trial, ``00012`` for trial 12.
        num_kept: how many to keep.
        trials: of earlier sweeps of the study.
    """

    def __init__(self, folder: Path, num_kept: int, trials: Iterable[TrialRecord]) -> None:
        self._folder, self._num_kept = folder, num_kept
        self._values: dict[int, float] = {}
        for trial in trials:
            self._take(trial)
        self._prune()

    def folder_of(self, number: int) -> Path:
        """Where the model of a complete trial is."""
        return self._folder / f"{number:05d}"

    def output_of(self, trial: TrialRecord) -> Path:
        """Where the current attempt of a trial writes its model."""
        return self._folder / f"{trial.number:05d}.{trial.attributes.get('attempt', 1):04d}"

    def kept(self) -> list[int]:
        """Numbers of the trials whose folders are kept, best first."""
        best = sorted(self._values, key=lambda number: (self._values[number], number))[: self._num_kept]
        return [number for number in best if self.folder_of(number).is_dir()]

    def trial_started(self, trial: TrialRecord) -> None:
        """Nothing yet to keep."""

    def trial_reported(self, trial: TrialRecord) -> None:
        """Nothing yet to keep."""

    def trial_ended(self, trial: TrialRecord) -> None:
        if trial.value is not None:
            self._take(trial)
            self._prune()

    def _take(self, trial: TrialRecord) -> None:
        if trial.value is not None:
            self._values[trial.number] = trial.value
            if self.output_of(trial).is_dir():
                shutil.rmtree(self.folder_of(trial.number), ignore_errors=True)
                self.output_of(trial).rename(self.folder_of(trial.number))

    def _prune(self) -> None:
        kept = {self.folder_of(number) for number in self.kept()}
        for folder in self._folder.glob("[0-9]*"):
            if folder not in kept and int(folder.name.partition(".")[0]) in self._values:
                shutil.rmtree(folder)

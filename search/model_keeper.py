"""Keeps the model folders that are worth their room."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from search.trial_record import TrialRecord


class ModelKeeper:
    """A conductor's listener that keeps the folders of the best finished trials and deletes those of the others.

    Args:
        folder: holds one folder a trial, ``00012`` for trial 12.
        num_kept: how many to keep.
        trials: of earlier sweeps of the study.
    """

    def __init__(self, folder: Path, num_kept: int, trials: Iterable[TrialRecord]) -> None:
        self._folder, self._num_kept = folder, num_kept
        self._values = {trial.number: trial.value for trial in trials if trial.value is not None}
        self._prune()

    def folder_of(self, number: int) -> Path:
        """Where a trial writes its model."""
        return self._folder / f"{number:05d}"

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
            self._values[trial.number] = trial.value
            self._prune()

    def _prune(self) -> None:
        kept = set(self.kept())
        for number in self._values:
            folder = self.folder_of(number)
            if number not in kept and folder.is_dir():
                shutil.rmtree(folder)

"""Keeps the checkpoints of trials that may have to go on from them, and no others."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from search.trials.trial_record import TrialRecord

_ENDED = ("COMPLETE", "PRUNED", "FAIL")


class CheckpointKeeper:
    """A conductor's listener that deletes what no trial can need any more.

    A trial has a folder, and in it one for each attempt: a machine that was cut off may go on writing for a while, and
    must not write where its successor does.

    Args:
        folder: holds one folder a trial, ``00012`` for trial 12.
        trials: of earlier sweeps of the study.
    """

    def __init__(self, folder: Path, trials: Iterable[TrialRecord]) -> None:
        self._folder = folder
        for trial in trials:
            if trial.state in _ENDED:
                self._delete(self._folder_of_all(trial))

    def folder_of(self, trial: TrialRecord) -> Path:
        """Where the current attempt of a trial writes; those before it wrote beside it."""
        return self._folder_of_all(trial) / f"{trial.attributes.get('attempt', 1):04d}"

    def trial_started(self, trial: TrialRecord) -> None:
        """Nothing: the trial goes on from what is there."""

    def trial_reported(self, trial: TrialRecord) -> None:
        """The attempt has a checkpoint of its own, unless the disk was full: those before it may go."""
        own = self.folder_of(trial)
        if trial.attributes.get("attempt", 1) > 1 and own.exists():
            for folder in own.parent.iterdir():
                if folder.name < own.name:
                    self._delete(folder)

    def trial_ended(self, trial: TrialRecord) -> None:
        if trial.state in _ENDED:
            self._delete(self._folder_of_all(trial))

    def _folder_of_all(self, trial: TrialRecord) -> Path:
        return self._folder / f"{trial.number:05d}"

    def _delete(self, folder: Path) -> None:
        # A lost machine may be writing there; what is left goes with the next sweep's beginning.
        shutil.rmtree(folder, ignore_errors=True)

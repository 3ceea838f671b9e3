"""What all pruning shares: a trial's reports fill rungs, and at a rung the trial is judged.

A pruner's state is a function of the set of reports it was told, whatever their order: rebuilt from the ledger, trial
by trial, it decides as the one that saw them arrive.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from enum import Enum
from itertools import pairwise
from typing import Protocol

from search.pruning.rung_trust import RungTrust


class Decision(Enum):
    """What becomes of a trial after a report."""

    CONTINUE = "continue"
    STOP = "stop"


class Pruner(Protocol):
    """Decides which trials go on; lower values are better."""

    def report(self, trial: int, samples_seen: int, value: float) -> Decision:
        """Record a report and decide."""

    def rung_reached(self, samples_seen: int) -> int | None:
        """The highest rung at or below ``samples_seen``, in samples; none before the first."""

    def replay(self, reports: Iterable[tuple[int, int, float]]) -> None:
        """Rebuild the state from ``(trial, samples_seen, value)``, each trial's in the order of its samples."""


class RungPruner(ABC):
    """A pruner that judges a trial once at each rung, against what others recorded there.

    A report fills every rung that it passed since the trial's last report; the decision is taken at the highest of
    them. NaN and infinity count as infinitely bad, and stop a trial anywhere.

    Args:
        rungs: samples seen at each rung, rising; empty for no pruning.
        trust: which of them stop trials, and which trials they stop; none trusts all. Values are recorded at all of
            them, so that a rung that is trusted late has them.
    """

    def __init__(self, rungs: Iterable[int], trust: RungTrust | None = None) -> None:
        self.rungs = list(rungs)
        if any(low >= high for low, high in pairwise([0, *self.rungs])):
            raise ValueError(f"rungs must be positive and rising, got {self.rungs}")
        self.recorded: dict[int, dict[int, float]] = {rung: {} for rung in self.rungs}
        """Value of each trial at each rung."""
        self._trust = trust

    def report(self, trial: int, samples_seen: int, value: float) -> Decision:
        """Record a report and decide; a rung that already has the trial's value keeps it, and is not judged again."""
        value = value if math.isfinite(value) else math.inf
        if self._trust is not None:
            self._trust.observe(trial, samples_seen, value)
        decision = Decision.CONTINUE
        for rung, values in self.recorded.items():
            if rung <= samples_seen and self._takes(rung, trial):
                decision = self._judge(rung, trial, value)
                values[trial] = value
                self._add(rung, value)
        return Decision.STOP if value == math.inf else decision

    def rung_reached(self, samples_seen: int) -> int | None:
        """The highest rung at or below ``samples_seen``, in samples; none before the first."""
        return max((rung for rung in self.rungs if rung <= samples_seen), default=None)

    def replay(self, reports: Iterable[tuple[int, int, float]]) -> None:
        """Rebuild the rungs from ``(trial, samples_seen, value)``, each trial's in the order of its samples."""
        for trial, samples_seen, value in reports:
            self.report(trial, samples_seen, value)

    def _takes(self, rung: int, trial: int) -> bool:
        """Whether a value of ``trial`` is still to be recorded at ``rung``."""
        return trial not in self.recorded[rung]

    def _judge(self, rung: int, trial: int, value: float) -> Decision:
        trust = self._trust
        is_spared = trust is not None and (trust.is_witness(trial) or not trust.prunes(rung))
        return Decision.CONTINUE if is_spared or self._goes_on(rung, value) else Decision.STOP

    @abstractmethod
    def _goes_on(self, rung: int, value: float) -> bool:
        """Whether a trial that comes to ``rung`` with ``value`` goes on; it is not recorded yet."""

    @abstractmethod
    def _add(self, rung: int, value: float) -> None:
        """Take a value into what later ones are judged by."""

"""Asynchronous successive halving: which trials go on. Pure decisions, without Ray, Optuna, clocks or random numbers.

Source: Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", algorithm 2, in the stopping variant: a
trial that reaches a rung is judged once, at once, against all values recorded there so far, and stopped or let go on.

Deviations and choices:
- A trial goes on if it is among the best ``max(1, floor(n / eta))`` of the ``n`` values recorded at the rung, its own
  included. Ray Tune compares with the interpolated percentile of the *other* values, which lets too many through while
  a rung is young: of independent random values .58, .48, .42, .38, .36 survive the first rung for 4, 8, 16, 32, 64
  trials (eta 3); here it is .52, .39, .35, .34, .33.
- Of equal values the one recorded first is the better one, so that a plateau (many trials at EER 0.5) is pruned too.
- A report fills every rung that it passed since the trial's last report; the decision is taken at the highest of them.
- NaN and infinity count as infinitely bad, and stop a trial anywhere.
"""

import math
from collections.abc import Iterable
from enum import Enum
from itertools import pairwise


class Decision(Enum):
    """What becomes of a trial after a report."""

    CONTINUE = "continue"
    STOP = "stop"


class Asha:
    """Rungs with the values recorded at them; lower values are better.

    Args:
        rungs: samples seen at each rung, rising; empty for no pruning.
        reduction_factor: eta; one trial in so many goes on from each rung.
    """

    def __init__(self, rungs: Iterable[int], reduction_factor: int) -> None:
        self.rungs = list(rungs)
        if any(low >= high for low, high in pairwise([0, *self.rungs])):
            raise ValueError(f"rungs must be positive and rising, got {self.rungs}")
        self.reduction_factor = reduction_factor
        self.recorded: dict[int, dict[int, float]] = {rung: {} for rung in self.rungs}
        """Value of each trial at each rung."""

    def report(self, trial: int, samples_seen: int, value: float) -> Decision:
        """Record a report and decide; a rung that already has the trial's value keeps it, and is not judged again."""
        value = value if math.isfinite(value) else math.inf
        decision = Decision.CONTINUE
        for rung, values in self.recorded.items():
            if rung <= samples_seen and trial not in values:
                decision = self._judge(values, value)
                values[trial] = value
        return Decision.STOP if value == math.inf else decision

    def rung_reached(self, samples_seen: int) -> int | None:
        """The highest rung at or below ``samples_seen``, in samples; none before the first."""
        return max((rung for rung in self.rungs if rung <= samples_seen), default=None)

    def replay(self, reports: Iterable[tuple[int, int, float]]) -> None:
        """Rebuild the rungs from ``(trial, samples_seen, value)``, each trial's in the order of its samples."""
        for trial, samples_seen, value in reports:
            self.report(trial, samples_seen, value)

    def _judge(self, values: dict[int, float], value: float) -> Decision:
        num_better = sum(other <= value for other in values.values())
        num_continuing = max(1, (len(values) + 1) // self.reduction_factor)
        return Decision.CONTINUE if num_better < num_continuing else Decision.STOP


def geometric_rungs(first: int, budget: int, reduction_factor: int) -> list[int]:
    """``first * eta^k`` samples, below ``budget``: at the full budget there is nothing left to stop."""
    rungs = []
    rung = first
    while 0 < rung < budget:
        rungs.append(rung)
        rung *= reduction_factor
    return rungs


def compute_saved(samples_seen: Iterable[int], budget: int) -> float:
    """Share of training spared against training every one of these trials to ``budget`` samples; 0 without trials."""
    spent = [min(samples, budget) for samples in samples_seen]  # the last batch may go beyond the budget
    return 1.0 - sum(spent) / (len(spent) * budget) if spent else 0.0

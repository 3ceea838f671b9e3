"""Asynchronous successive halving: which trials go on. Pure decisions, without Ray, Optuna, clocks or random numbers.

Source: Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", algorithm 2, in the stopping variant: a
trial that reaches a rung is judged once, at once, against all values recorded there so far, and stopped or let go on.

Deviations and choices:
- A trial goes on if it is among the best ``max(1, floor(n / eta))`` of the ``n`` values recorded at the rung, its own
  included. Ray Tune compares with the interpolated percentile of the *other* values, which lets too many through while
  a rung is young: of independent random values .58, .48, .42, .38, .36 survive the first rung for 4, 8, 16, 32, 64
  trials (eta 3); here it is .52, .39, .35, .34, .33.
- Of equal values the one recorded first is the better one, so that a plateau (many trials at EER 0.5) is pruned too.
"""

import math
from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass

from search.pruning.noise import Noise
from search.pruning.pruner import RungPruner
from search.pruning.rung_trust import RungTrust


@dataclass(frozen=True)
class Leeway:
    """Lets trials go on that are worse than a rung's cut by no more than the noise, as long as the budget bears it.

    The budget holds by construction, and needs no account of what was spent, which a crash could falsify: where one
    trial in eta goes on from each of r rungs, at most ``(1 + budget_share) ** (1 / r)`` as many do with leeway. However
    large the noise, and whichever rungs prune, the trials together train at most ``1 + budget_share`` times as long.
    That holds as asynchronous halving itself holds: in the long run, with a few more while a rung is young.
    """

    noise: Noise
    budget_share: float
    """Of the training that the trials would take without leeway."""

    def share_going_on(self, num_rungs: int, reduction_factor: int) -> float:
        """The most that go on from a rung, of those that reach it."""
        return (1.0 + self.budget_share) ** (1.0 / num_rungs) / reduction_factor


class Asha(RungPruner):
    """Rungs with the values recorded at them; lower values are better.

    Args:
        rungs: samples seen at each rung, rising; empty for no pruning.
        reduction_factor: eta; one trial in so many goes on from each rung.
        trust: which rungs stop trials; none trusts all.
        leeway: for trials that are worse by no more than the noise; none gives none.
    """

    def __init__(
        self,
        rungs: Iterable[int],
        reduction_factor: int,
        trust: RungTrust | None = None,
        leeway: Leeway | None = None,
    ) -> None:
        super().__init__(rungs, trust)
        self.reduction_factor, self._leeway = reduction_factor, leeway
        self._sorted: dict[int, list[float]] = {rung: [] for rung in self.rungs}

    def _goes_on(self, rung: int, value: float) -> bool:
        values = self._sorted[rung]
        num_as_good = bisect_right(values, value)
        num_continuing = max(1, (len(values) + 1) // self.reduction_factor)
        if num_as_good < num_continuing:
            return True
        if self._leeway is None:
            return False
        share = self._leeway.share_going_on(len(self.rungs), self.reduction_factor)
        if num_as_good >= math.floor((len(values) + 1) * share):
            return False
        return value - values[num_continuing - 1] <= self._leeway.noise(value)

    def _add(self, rung: int, value: float) -> None:
        insort(self._sorted[rung], value)


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

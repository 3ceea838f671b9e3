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

from bisect import bisect_right, insort
from collections.abc import Iterable

from search.pruner import RungPruner
from search.rung_trust import RungTrust


class Asha(RungPruner):
    """Rungs with the values recorded at them; lower values are better.

    Args:
        rungs: samples seen at each rung, rising; empty for no pruning.
        reduction_factor: eta; one trial in so many goes on from each rung.
        trust: which rungs stop trials; none trusts all.
    """

    def __init__(self, rungs: Iterable[int], reduction_factor: int, trust: RungTrust | None = None) -> None:
        super().__init__(rungs, trust)
        self.reduction_factor = reduction_factor
        self._sorted: dict[int, list[float]] = {rung: [] for rung in self.rungs}

    def _goes_on(self, rung: int, value: float) -> bool:
        values = self._sorted[rung]
        num_continuing = max(1, (len(values) + 1) // self.reduction_factor)
        return bisect_right(values, value) < num_continuing

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

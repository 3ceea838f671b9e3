"""PASHA: halving that trains no trial further than it takes to rank them.

Source: Bohdal et al. 2023, "PASHA: Efficient HPO and NAS with Progressive Resource Allocation", algorithm 1. Trials
stop at a maximum, at first the second rung. Where that rung and the one below it rank its trials differently, by more
than noise, the maximum rises by a rung. Rankings are soft: no trial may be further than epsilon, at the lower rung,
from the one whose place it takes. Epsilon is learnt from trials whose curves cross twice: an order that changes and
comes back is noise.

Deviations:
- The maximum follows from what is recorded by now, not from what was seen on the way: it is the lowest rung that ranks
  as the one below it. So it is the same in any order of reports, and may sink again when more trials show that a
  disagreement was an accident.
- A trial that comes to the maximum is stopped for good, where the paper pauses it; if the maximum rises, later trials
  go there. Below it, one trial in eta goes on at once (`search.pruning.asha`), where the paper promotes from below.
- Epsilon is that of the maximum that is tried, not carried on from lower ones; 0 while no curves have crossed twice. It
  is learnt from trials that came there, the first by number, at most `_MOST_COMPARED`: pairs grow with their square.
- Curves are compared report by report, for trials report at the same shares of the budget whatever their batch size.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from search.pruning.asha import Asha
from search.pruning.pruner import Decision

_PERCENTILE = 90
"""Of the distances between curves that cross twice, as in the paper."""
_MOST_COMPARED = 64


class Pasha(Asha):
    """Rungs with the values recorded at them, and the course of each trial; lower values are better.

    Args:
        rungs: samples seen at each rung, rising.
        reduction_factor: one trial in so many goes on from each rung below the maximum.
    """

    def __init__(self, rungs: Iterable[int], reduction_factor: int) -> None:
        super().__init__(rungs, reduction_factor)
        self._courses: dict[int, dict[int, float]] = {}
        """Reports of each trial by samples seen."""
        self._failed: set[int] = set()
        """Trials that reported what is not finite; they are in no ranking."""
        self._trial = -1

    def report(self, trial: int, samples_seen: int, value: float) -> Decision:
        """Record a report and decide."""
        self._courses.setdefault(trial, {}).setdefault(samples_seen, value)
        if not math.isfinite(value):
            self._failed.add(trial)
        self._trial = trial
        return super().report(trial, samples_seen, value)

    def maximum(self, recorded: Mapping[int, Mapping[int, float]]) -> int | None:
        """The rung beyond which no trial trains, in samples; none where the last two rungs still disagree.

        Args:
            recorded: value of each trial at each rung.
        """
        return next((high for low, high in pairwise(self.rungs) if self._agree(low, high, recorded)), None)

    def _goes_on(self, rung: int, value: float) -> bool:
        if not super()._goes_on(rung, value):
            return False
        maximum = self.maximum({**self.recorded, rung: {**self.recorded[rung], self._trial: value}})
        return maximum is None or rung < maximum

    def _agree(self, low: int, high: int, recorded: Mapping[int, Mapping[int, float]]) -> bool:
        """Whether the trials of the upper rung are ranked alike by both."""
        trials = sorted(recorded[high].keys() - self._failed)
        early_N = np.array([recorded[low][trial] for trial in trials])
        late_N = np.array([recorded[high][trial] for trial in trials])
        distance_N = np.abs(early_N[np.argsort(late_N, kind="stable")] - np.sort(early_N))
        furthest = float(distance_N.max(initial=0.0))
        return furthest == 0.0 or furthest <= self._epsilon(trials[:_MOST_COMPARED], high)

    def _epsilon(self, trials: Sequence[int], high: int) -> float:
        """By how much values differ for noise alone."""
        courses = [list(_until(self._courses[trial], high)) for trial in trials]
        num_reports = min(map(len, courses))
        return crossing_distance(np.array([course[-num_reports:] for course in courses]))


def crossing_distance(value_NR: NDArray[np.float64]) -> float:
    """The distance, at the last report, that nine in ten pairs of curves with two crossings stay below; 0 without any.

    Args:
        value_NR: N curves of R reports.
    """
    order_NNR = np.sign(value_NR[:, None, :] - value_NR[None, :, :])
    last_NN1 = order_NNR[:, :, -1:]
    opposite_NNR = (order_NNR == -last_NN1) & (last_NN1 != 0)
    alike_NNR = (order_NNR == last_NN1) & (last_NN1 != 0)
    # Alike at some report, the other way round at a later one, and alike again at the last.
    twice_NN = (np.logical_or.accumulate(alike_NNR, axis=2) & opposite_NNR).any(axis=2)
    distances = np.abs(value_NR[:, None, -1] - value_NR[None, :, -1])[np.triu(twice_NN)]
    return float(np.percentile(distances, _PERCENTILE)) if distances.size else 0.0


def _until(course: Mapping[int, float], samples: int) -> Iterable[float]:
    """A trial's values up to the first report at or beyond ``samples``, in their order."""
    for samples_seen, value in sorted(course.items()):
        yield value
        if samples_seen >= samples:
            return

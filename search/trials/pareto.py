"""Trade-offs between what a study minimises and its second objective: which trials no other one dominates.

A point dominates another if it is at least as good in both; lower is better. Of equal points the first one counts.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search.study.objective import Second
from search.trials.trial_record import TrialRecord


class Front:
    """The points among those added that no other one dominates; what it holds does not depend on their order."""

    def __init__(self) -> None:
        self._seconds: list[float] = []
        self._values: list[float] = []
        """Falling, while the seconds rise."""

    def dominates(self, value: float, second: float) -> bool:
        """Whether a point that was added is at least as good in both."""
        place = bisect_right(self._seconds, second)
        return place > 0 and self._values[place - 1] <= value

    def add(self, value: float, second: float) -> None:
        """Take a point in."""
        if self.dominates(value, second):
            return
        first = last = bisect_right(self._seconds, second)
        if first > 0 and self._seconds[first - 1] == second:
            first -= 1
        while last < len(self._values) and self._values[last] >= value:
            last += 1
        self._seconds[first:last], self._values[first:last] = [second], [value]


def pareto_front(trials: Sequence[TrialRecord], second: Second) -> list[TrialRecord]:
    """The trials that none dominates, of those trained to their end without diverging; from the best value on."""
    known = [(trial, value) for trial in trials if trial.converged and (value := second_of(trial, second)) is not None]
    front: list[TrialRecord] = []
    smallest = math.inf
    for trial, value in sorted(known, key=lambda each: (each[0].value, each[1], each[0].number)):
        if value < smallest:
            front.append(trial)
            smallest = value
    return front


def second_of(trial: TrialRecord, second: Second) -> float | None:
    """A trial's own; none before its first report."""
    return trial.attributes.get(second.name)


def spread(front: Sequence[TrialRecord], second: Second, count: int) -> list[TrialRecord]:
    """At most ``count`` trials of a front, far from each other: the best value, then again and again the farthest.

    An epsilon-net, by which Schmucker et al. 2021, "Multi-objective Asynchronous Successive Halving", choose within a
    front. Distances are Euclidean, with the values and the logarithms of the second objective each scaled to 0 to 1.

    Args:
        front: from `pareto_front`.
    """
    if len(front) <= count:
        return list(front)
    points_ND = np.array([(trial.value, math.log(second_of(trial, second) or 1.0)) for trial in front])
    points_ND = (points_ND - points_ND.min(axis=0)) / np.ptp(points_ND, axis=0)
    chosen = [0]
    while len(chosen) < count:
        distance_NC = np.linalg.norm(points_ND[:, None] - points_ND[chosen], axis=2)
        chosen.append(int(distance_NC.min(axis=1).argmax()))
    return [front[place] for place in sorted(chosen)]


def layers(points_ND: NDArray[np.float64], count: int) -> list[int]:
    """Places of the points by layers, each the front of what the ones before left, until there are ``count``.

    Of the layer that goes beyond, points at equal distances along it are taken.
    """
    left, found = np.arange(len(points_ND)), np.empty(0, dtype=np.int64)
    while len(found) < count and len(left):
        order = left[np.lexsort((points_ND[left, 0], points_ND[left, 1]))]
        values = points_ND[order, 0]
        is_front = np.concatenate(([True], values[1:] < np.minimum.accumulate(values)[:-1]))
        layer, room = order[is_front], count - len(found)
        if len(layer) > room:
            layer = layer[np.linspace(0, len(layer) - 1, room).round().astype(np.int64)]
        found = np.concatenate((found, layer))
        left = np.setdiff1d(left, order[is_front])
    return found.tolist()

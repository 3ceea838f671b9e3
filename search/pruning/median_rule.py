"""The median stopping rule: a trial worse than the median of the others is stopped.

Source: Golovin et al. 2017, "Google Vizier: A Service for Black-Box Optimization", section 3.2.2: the trial's best
value so far is compared with the median of the running means of the others' values.

Deviations: it is judged at rungs, not at every report; against all trials that reached the rung, not those that came to
their end alone; and not before five others did, as Optuna's pruner has it.
"""

import math
from bisect import insort
from collections.abc import Iterable
from statistics import median

from search.pruning.pruner import Decision, RungPruner
from search.pruning.rung_trust import RungTrust

_FEWEST = 5


class MedianRule(RungPruner):
    """Running means of the trials at each rung; lower values are better."""

    def __init__(self, rungs: Iterable[int], trust: RungTrust | None = None) -> None:
        super().__init__(rungs, trust)
        self._means: dict[int, list[float]] = {rung: [] for rung in self.rungs}
        self._courses: dict[int, dict[int, float]] = {}
        """Reports of each trial by samples seen."""
        self._trial = -1

    def report(self, trial: int, samples_seen: int, value: float) -> Decision:
        """Record a report and decide."""
        course = self._courses.setdefault(trial, {})
        course.setdefault(samples_seen, value if math.isfinite(value) else math.inf)
        self._trial = trial
        return super().report(trial, samples_seen, value)

    def _goes_on(self, rung: int, value: float) -> bool:
        means = self._means[rung]
        return len(means) < _FEWEST or min(self._courses[self._trial].values()) <= median(means)

    def _add(self, rung: int, value: float) -> None:
        course = self._courses[self._trial].values()
        insort(self._means[rung], sum(course) / len(course))

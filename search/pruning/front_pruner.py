"""Pruning where there are two objectives: no trial is stopped that none dominates at its rung.

Pruners judge by the first objective alone, and would stop a small model because large ones have lower errors. So a
trial goes on, whatever its pruner says, if no trial that reached the rung is at least as good in both objectives.

MO-ASHA (Schmucker et al. 2021, "Multi-objective Asynchronous Successive Halving") orders a rung's trials by
non-dominated sorting instead, and lets one in eta go on. That keeps the budget of halving, but stops part of a front
that has more than this share, and seeks small models as eagerly as good ones. Here the champion, the best by the first
objective, is sought as without a second one, and the front costs extra: where the objectives have nothing to do with
each other, the nth trial at a rung is on its front with a chance of (1 + 1/2 + ... + 1/n) / n, 18% for the 20th and 5%
for the 100th; the stricter the trade-off, the more trials are on it, and worth their training.
"""

import math
from collections.abc import Callable, Iterable, Sequence

from search.pruning.pruner import Decision, Pruner
from search.trials.pareto import Front


class FrontPruner:
    """Another pruner, overruled at the front.

    Args:
        pruner: decides by what the study minimises.
        rungs: samples seen at each rung, rising.
        second_of: the second objective of a trial, by its number; none while it is unknown.
    """

    def __init__(self, pruner: Pruner, rungs: Sequence[int], second_of: Callable[[int], float | None]) -> None:
        self._pruner, self._second_of = pruner, second_of
        self._fronts = {rung: Front() for rung in rungs}
        self._reached: dict[int, int] = {}
        """The highest rung of each trial so far."""

    def report(self, trial: int, samples_seen: int, value: float) -> Decision:
        """Record a report and decide; every rung that it passed since the last one is filled, the highest decides."""
        decision, second = self._pruner.report(trial, samples_seen, value), self._second_of(trial)
        if second is None or not math.isfinite(value):
            return decision
        is_open = False
        for rung, front in self._fronts.items():
            if self._reached.get(trial, 0) < rung <= samples_seen:
                is_open = not front.dominates(value, second)
                front.add(value, second)
                self._reached[trial] = rung
        return Decision.CONTINUE if is_open else decision

    def rung_reached(self, samples_seen: int) -> int | None:
        """The highest rung at or below ``samples_seen``, in samples; none before the first."""
        return self._pruner.rung_reached(samples_seen)

    def replay(self, reports: Iterable[tuple[int, int, float]]) -> None:
        """Rebuild the state from ``(trial, samples_seen, value)``, each trial's in the order of its samples."""
        for trial, samples_seen, value in reports:
            self.report(trial, samples_seen, value)

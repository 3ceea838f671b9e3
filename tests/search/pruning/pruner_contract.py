"""What every pruner must do; a test class a pruner inherits it and says how the pruner is made."""

import math
from collections.abc import Iterable

import numpy as np
import pytest

from search.pruning.pruner import Decision, Pruner

Told = tuple[int, int, float]
RUNGS = (100, 300)
BUDGET = 900


def courses(num_trials: int, seed: int, *, is_tied: bool = False) -> list[Told]:
    """Reports of trials in the order of samples, each to some end; early values foretell the last, a few are NaN."""
    rng = np.random.default_rng(seed)
    told = []
    for trial in range(num_trials):
        quality, ends_at = rng.random(), int(rng.choice([300, 600, BUDGET], p=[0.2, 0.2, 0.6]))
        for step in sorted({*(int(step) for step in rng.integers(20, ends_at, size=4)), ends_at}):
            value = round(quality + 0.2 * rng.random(), 1 if is_tied else 9)
            told.append((trial, step, math.nan if rng.random() < 0.02 else value))
    return sorted(told, key=lambda report: (report[1], report[0]))


class PrunerContract:
    """Inherit, and make a pruner of `RUNGS` and `BUDGET`."""

    STOPS = True
    """Whether it ever stops a trial whose values are finite."""

    def pruner(self) -> Pruner:
        raise NotImplementedError

    def decide(self, pruner: Pruner, told: Iterable[Told]) -> list[Decision]:
        return [pruner.report(*report) for report in told]

    @pytest.mark.parametrize("is_tied", [False, True])
    def test_rebuilt_in_any_order_of_trials_it_decides_as_before(self, is_tied):
        told = courses(60, 1, is_tied=is_tied)
        live, rebuilt = self.pruner(), self.pruner()
        self.decide(live, told)
        rebuilt.replay(sorted(told, key=lambda report: (-report[0], report[1])))
        later = [(trial + 60, step, value) for trial, step, value in courses(60, 2, is_tied=is_tied)]
        assert self.decide(rebuilt, later) == self.decide(live, later)

    def test_rebuilt_in_the_middle_it_goes_on_as_it_would_have(self):
        told = courses(60, 3)
        live = self.pruner()
        expected = self.decide(live, told)
        rebuilt = self.pruner()
        rebuilt.replay(sorted(told[:100]))
        assert self.decide(rebuilt, told[100:]) == expected[100:]

    def test_it_stops_some_trials_and_never_all(self):
        told = [report for report in courses(60, 4) if not math.isnan(report[2])]
        pruner = self.pruner()
        pruner.replay(told)
        later = [(trial + 60, step, value) for trial, step, value in courses(60, 5) if not math.isnan(value)]
        decisions = self.decide(pruner, later)
        assert (Decision.STOP in decisions) == self.STOPS
        assert Decision.CONTINUE in decisions

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    @pytest.mark.parametrize("samples_seen", [50, 100, 350])
    def test_what_is_not_finite_stops_anywhere(self, value, samples_seen):
        pruner = self.pruner()
        assert pruner.report(0, samples_seen, value) is Decision.STOP
        assert pruner.report(30, samples_seen, 0.9) is Decision.CONTINUE

    def test_what_is_told_twice_changes_nothing(self):
        told = courses(60, 5)
        once, twice = self.pruner(), self.pruner()
        self.decide(once, told)
        self.decide(twice, [report for report in told for _ in range(2)])
        later = [(trial + 60, step, value) for trial, step, value in courses(60, 6)]
        assert self.decide(twice, later) == self.decide(once, later)

    def test_of_equal_trials_the_first_goes_on(self):
        pruner = self.pruner()
        self.decide(pruner, courses(60, 7))
        decisions = [pruner.report(trial, 100, -1.0) for trial in range(100, 200)]
        assert decisions[0] is Decision.CONTINUE

    def test_rung_reached(self):
        pruner = self.pruner()
        rungs = RUNGS if self.STOPS else ()
        for samples_seen in (99, 100, 299, 300, 5000):
            expected = max((rung for rung in rungs if rung <= samples_seen), default=None)
            assert pruner.rung_reached(samples_seen) == expected

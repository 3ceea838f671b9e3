"""Pruning by the first objective that spares the front of both."""

import numpy as np
import pytest
from pruner_contract import BUDGET, RUNGS, PrunerContract

from search.pruning.asha import Asha
from search.pruning.front_pruner import FrontPruner
from search.pruning.hyperband import Hyperband
from search.pruning.median_rule import MedianRule
from search.pruning.pruner import Decision, Pruner
from search.trials.pareto import Front


def size_of(trial: int) -> float:
    """A few trials are as large as others."""
    return float(np.random.default_rng(trial).integers(1, 40))


class TestFrontOverAsha(PrunerContract):
    def pruner(self) -> Pruner:
        return FrontPruner(Asha(RUNGS, 3), RUNGS, size_of)


class TestFrontOverHyperband(PrunerContract):
    def pruner(self) -> Pruner:
        return FrontPruner(Hyperband(RUNGS, BUDGET, 3, 1), RUNGS, size_of)


class TestFrontOverTheMedianRule(PrunerContract):
    def pruner(self) -> Pruner:
        return FrontPruner(MedianRule(RUNGS), RUNGS, size_of)


def decisions(pruner: Pruner, values: list[float], samples_seen: int = 100) -> list[Decision]:
    return [pruner.report(trial, samples_seen, value) for trial, value in enumerate(values)]


def test_a_small_trial_is_not_stopped_because_large_ones_are_better() -> None:
    sizes = [900.0, 800.0, 100.0, 850.0, 100.0, 50.0]
    values = [0.1, 0.2, 0.3, 0.4, 0.3, 0.5]
    go_on, stop = Decision.CONTINUE, Decision.STOP
    assert decisions(Asha([100], 3), values) == [go_on, stop, stop, stop, stop, stop]
    pruner = FrontPruner(Asha([100], 3), [100], sizes.__getitem__)
    assert decisions(pruner, values) == [go_on, go_on, go_on, stop, stop, go_on]


def test_each_rung_has_a_front_of_its_own() -> None:
    sizes = [900.0, 100.0, 50.0]
    pruner = FrontPruner(Asha([100, 300], 3), [100, 300], sizes.__getitem__)
    decisions(pruner, [0.1, 0.3, 0.5])
    assert pruner.report(0, 300, 0.1) is Decision.CONTINUE
    assert pruner.report(2, 300, 0.2) is Decision.CONTINUE  # it overtook the other small one
    assert pruner.report(1, 300, 0.3) is Decision.STOP


def test_whose_second_objective_is_unknown_is_judged_by_the_first() -> None:
    pruner = FrontPruner(Asha([100], 3), [100], lambda trial: None)
    assert decisions(pruner, [0.1, 0.2]) == [Decision.CONTINUE, Decision.STOP]


@pytest.mark.parametrize(("number", "share"), [(20, 0.18), (100, 0.05)])
def test_what_the_front_costs_where_the_objectives_are_independent(number: int, share: float) -> None:
    """The chance of the nth trial, as the module states it."""
    rng, num_open = np.random.default_rng(number), 0
    for _ in range(1000):
        front = Front()
        points = rng.random((number, 2)).tolist()
        for point in points[:-1]:
            front.add(*point)
        num_open += not front.dominates(*points[-1])
    assert num_open / 1000 == pytest.approx(share, abs=0.03)

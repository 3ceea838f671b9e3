"""Pruning decisions."""

import math

import numpy as np
import pytest
from pruner_contract import RUNGS, PrunerContract

from search.pruning.asha import Asha, compute_saved, geometric_rungs
from search.pruning.pruner import Decision

CONTINUE, STOP = Decision.CONTINUE, Decision.STOP


class TestAsha(PrunerContract):
    def pruner(self) -> Asha:
        return Asha(RUNGS, 3)


class TestNoPruning(PrunerContract):
    STOPS = False

    def pruner(self) -> Asha:
        return Asha([], 3)


def test_goes_on_among_the_best_of_a_rung() -> None:
    asha = Asha([100], 3)
    decisions = [asha.report(trial, 100, value) for trial, value in enumerate([0.5, 0.6, 0.4, 0.45, 0.3, 0.35])]
    # best of 1, 2 of 2, 1 of 3, 2 of 4, 1 of 5, and of six values the two best go on
    assert decisions == [CONTINUE, STOP, CONTINUE, STOP, CONTINUE, CONTINUE]


@pytest.mark.parametrize(("num_trials", "expected"), [(4, 0.521), (16, 0.352), (64, 0.331)])
def test_survivors_of_random_values(num_trials: int, expected: float) -> None:
    """The figures of the module's docstring: sum over n of max(1, floor(n/3))/n, over the number of trials."""
    rng = np.random.default_rng(1)
    survivors = 0
    for _ in range(800):
        asha = Asha([1], 3)
        survivors += sum(asha.report(trial, 1, value) is CONTINUE for trial, value in enumerate(rng.random(num_trials)))
    assert survivors / (800 * num_trials) == pytest.approx(expected, abs=0.015)


def test_sparse_report_fills_every_rung_it_passed() -> None:
    asha = Asha([100, 300, 900], 3)
    asha.report(0, 350, 0.2)
    assert asha.recorded == {100: {0: 0.2}, 300: {0: 0.2}, 900: {}}
    assert asha.report(1, 100, 0.3) is STOP
    assert asha.report(2, 100, 0.1) is CONTINUE
    assert asha.report(2, 300, 0.25) is STOP


def test_decides_at_the_highest_rung_passed() -> None:
    asha = Asha([100, 300], 3)
    asha.report(0, 100, 0.1)
    assert asha.report(1, 300, 0.2) is CONTINUE  # worst at the first rung, alone at the second
    assert asha.recorded[100] == {0: 0.1, 1: 0.2}


def test_later_reports_change_no_rung() -> None:
    asha = Asha([100], 3)
    asha.report(0, 100, 0.3)
    assert asha.report(0, 200, 0.9) is CONTINUE
    assert asha.recorded == {100: {0: 0.3}}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_not_finite_is_stopped_even_off_the_rungs(value: float) -> None:
    asha = Asha([100], 3)
    assert asha.report(0, 50, value) is STOP
    assert asha.report(1, 100, value) is STOP
    assert asha.report(2, 100, 0.9) is CONTINUE


def test_of_equal_values_the_first_is_better() -> None:
    asha = Asha([100], 3)
    decisions = [asha.report(trial, 100, 0.5) for trial in range(30)]
    assert decisions.count(CONTINUE) == 1


def test_without_rungs_all_go_on() -> None:
    asha = Asha([], 3)
    assert all(asha.report(trial, 100 * trial, 1.0) is CONTINUE for trial in range(10))


def test_replay_in_any_order_of_trials_gives_equal_rungs_and_decisions() -> None:
    rng = np.random.default_rng(3)
    original, reports = Asha([100, 300, 900], 3), []
    for trial in range(40):
        for samples_seen in np.sort(rng.integers(20, 1200, size=rng.integers(1, 8))):
            reports.append((trial, int(samples_seen), float(rng.choice([rng.random(), math.nan], p=[0.95, 0.05]))))
            original.report(*reports[-1])
    rebuilt = Asha([100, 300, 900], 3)
    rebuilt.replay(sorted(reports, key=lambda report: (-report[0], report[1])))
    assert rebuilt.recorded == original.recorded
    for trial, value in enumerate(rng.random(50), start=100):
        assert rebuilt.report(trial, 300, value) is original.report(trial, 300, value)


def test_rungs_rise_geometrically_below_the_budget() -> None:
    assert geometric_rungs(300, 2700, 3) == [300, 900]
    assert geometric_rungs(3000, 2700, 3) == []


def test_rungs_must_rise() -> None:
    with pytest.raises(ValueError, match="rising"):
        Asha([300, 100], 3)


def test_compute_saved() -> None:
    assert compute_saved([100, 100, 300, 900], 900) == pytest.approx(1 - 1400 / 3600)
    assert compute_saved([], 900) == 0.0

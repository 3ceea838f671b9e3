"""Progressive allocation: how far trials train follows from how well rungs rank."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from pruner_contract import RUNGS, PrunerContract

from cluster.errors import SpoofsweepError
from cluster.settings import parse_settings
from search.pruning.horizon import horizon_of
from search.pruning.pasha import Pasha, crossing_distance
from search.pruning.pruner import Decision
from search.study.config import SearchConfig, StudyConfig

CONTINUE, STOP = Decision.CONTINUE, Decision.STOP


class TestPasha(PrunerContract):
    def pruner(self) -> Pasha:
        return Pasha(RUNGS, 3)

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    @pytest.mark.parametrize("samples_seen", [50, 100])
    def test_what_is_not_finite_stops_anywhere(self, value: float, samples_seen: int) -> None:
        """Not beyond the second rung: there a sound trial stops as well."""
        super().test_what_is_not_finite_stops_anywhere(value, samples_seen)


def run(pasha: Pasha, trial: int, values: Sequence[float], every: int = 100) -> Decision:
    """Report until the trial is stopped."""
    for number, value in enumerate(values, 1):
        decision = pasha.report(trial, number * every, value)
        if decision is STOP:
            return decision
    return CONTINUE


def test_while_rungs_agree_no_trial_passes_the_second() -> None:
    pasha = Pasha([100, 200, 400], 2)
    for trial in range(12):
        quality = 0.4 - 0.02 * trial
        assert run(pasha, trial, [quality + 0.1, quality]) is STOP
    assert pasha.maximum(pasha.recorded) == 200


def test_trials_go_further_when_rungs_disagree_and_all_the_way_when_none_agree() -> None:
    pasha = Pasha([100, 200, 400], 2)
    assert run(pasha, 0, [0.40, 0.20]) is STOP
    assert run(pasha, 1, [0.35, 0.30]) is STOP  # better than the first trial at 100, worse at 200
    assert pasha.maximum(pasha.recorded) == 400
    assert run(pasha, 2, [0.30, 0.10, 0.10, 0.10]) is STOP
    pasha.replay([(3, 100, 0.29), (3, 200, 0.11), (3, 400, 0.09)])
    assert pasha.maximum(pasha.recorded) is None
    assert run(pasha, 4, [0.10, 0.05, 0.05, 0.05, 0.05, 0.05]) is CONTINUE


def test_a_trial_s_own_value_may_raise_the_maximum() -> None:
    pasha = Pasha([100, 200, 400], 2)
    run(pasha, 0, [0.30, 0.30])
    assert pasha.report(1, 100, 0.29) is CONTINUE
    assert pasha.report(2, 100, 0.28) is CONTINUE
    assert pasha.report(2, 200, 0.31) is STOP
    assert pasha.report(1, 200, 0.20) is CONTINUE


def test_the_maximum_sinks_when_the_disagreement_turns_out_to_be_noise() -> None:
    """Curves that cross twice teach how much is noise."""
    pasha = Pasha([200, 400], 2)
    pasha.replay((0, step, value) for step, value in ((100, 0.30), (200, 0.30), (300, 0.30), (400, 0.31)))
    pasha.replay((1, step, value) for step, value in ((100, 0.40), (200, 0.31), (300, 0.30), (400, 0.30)))
    assert pasha.maximum(pasha.recorded) is None
    pasha.replay((2, step, value) for step, value in ((100, 0.60), (200, 0.50), (300, 0.60), (400, 0.50)))
    pasha.replay((3, step, value) for step, value in ((100, 0.61), (200, 0.49), (300, 0.61), (400, 0.52)))
    assert pasha.maximum(pasha.recorded) == 400


def test_the_distance_of_curves_that_cross_twice() -> None:
    crossing = [[0.3, 0.3, 0.30], [0.4, 0.2, 0.34]]
    assert crossing_distance(np.array(crossing)) == pytest.approx(0.04)
    assert crossing_distance(np.array([[0.3, 0.3, 0.3], [0.2, 0.4, 0.4]])) == 0.0  # crosses once
    assert crossing_distance(np.array([[0.3, 0.3, 0.3]])) == 0.0
    # Far above, and in parallel: one pair in three crosses.
    assert crossing_distance(np.array([*crossing, [0.9, 0.8, 0.7]])) == pytest.approx(0.04)


def test_of_many_trials_the_slow_part_looks_at_some() -> None:
    pasha = Pasha([1, 2], 2)
    rng = np.random.default_rng(1)
    for trial, (early, late) in enumerate(rng.random((300, 2))):
        pasha.replay([(trial, 1, early), (trial, 2, late)])
    assert pasha.maximum(pasha.recorded) is None


def test_it_begins_early_and_needs_no_witnesses() -> None:
    values = {
        "study": {"name": "s"},
        "corpus": {"layout": "manifest", "root": "nowhere"},
        "trial": {"budget_passes": 54},
    }
    config = parse_settings(StudyConfig, {**values, "search": {"pruning": "pasha"}}, "study")
    assert horizon_of(config, 100).rungs == (200, 600, 1800)
    assert not config.search.has_witnesses
    assert SearchConfig().has_witnesses


def test_folds_are_judged_by_full_trainings() -> None:
    values = {"study": {"name": "s"}, "corpus": {"layout": "manifest", "root": "nowhere"}, "validation": {"folds": 2}}
    with pytest.raises(SpoofsweepError, match="hold attacks out instead"):
        parse_settings(StudyConfig, {**values, "search": {"pruning": "pasha"}}, "study")

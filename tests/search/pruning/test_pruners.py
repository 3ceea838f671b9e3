"""Alternatives to halving, and pruners by name."""

from itertools import pairwise

import pytest
from pruner_contract import BUDGET, RUNGS, PrunerContract

from cluster.errors import SpoofsweepError
from cluster.settings import parse_settings
from search.pruning.asha import Asha
from search.pruning.horizon import Horizon
from search.pruning.hyperband import Hyperband
from search.pruning.median_rule import MedianRule
from search.pruning.pasha import Pasha
from search.pruning.population import Population
from search.pruning.pruner import Decision
from search.pruning.pruners import make_pruner
from search.study.config import SearchConfig

CONTINUE, STOP = Decision.CONTINUE, Decision.STOP


class TestHyperband(PrunerContract):
    def pruner(self):
        return Hyperband(RUNGS, BUDGET, 3, seed=1)


class TestMedianRule(PrunerContract):
    def pruner(self):
        return MedianRule(RUNGS)


def test_brackets_begin_at_later_rungs_and_train_about_equally_long():
    hyperband = Hyperband(RUNGS, BUDGET, 3, seed=1)
    assert [bracket.rungs for bracket in hyperband.brackets] == [[100, 300], [300], []]
    drawn = [hyperband.bracket_of(trial) for trial in range(3000)]
    trained = [drawn.count(place) * mean for place, mean in enumerate((100 + 200 / 3 + 600 / 9, 300 + 200, 900))]
    assert all(low == pytest.approx(high, rel=0.15) for low, high in pairwise(trained))
    assert drawn != [Hyperband(RUNGS, BUDGET, 3, seed=2).bracket_of(trial) for trial in range(3000)]


def test_a_trial_is_judged_in_its_bracket_alone():
    hyperband = Hyperband(RUNGS, BUDGET, 3, seed=1)
    by_bracket = [[t for t in range(100) if hyperband.bracket_of(t) == place] for place in range(3)]
    assert hyperband.report(by_bracket[0][0], 100, 0.1) is CONTINUE
    assert hyperband.report(by_bracket[0][1], 100, 0.2) is STOP
    assert hyperband.report(by_bracket[1][0], 100, 0.9) is CONTINUE
    assert hyperband.report(by_bracket[1][0], 300, 0.9) is CONTINUE
    assert hyperband.report(by_bracket[2][0], 300, 0.9) is CONTINUE


def test_the_best_so_far_is_compared_with_the_median_of_running_means():
    rule = MedianRule([100])
    for trial in range(5):
        rule.report(trial, 50, 0.6)
        rule.report(trial, 100, 0.2 + trial / 10)  # running means .4 to .6, their median .5
    assert rule.report(5, 50, 0.45) is CONTINUE
    assert rule.report(5, 100, 0.9) is CONTINUE
    assert rule.report(6, 100, 0.55) is STOP


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("asha", Asha),
        ("hyperband", Hyperband),
        ("median", MedianRule),
        ("pasha", Pasha),
        ("population", Population),
        ("none", Asha),
    ],
)
def test_pruners_by_name(name, kind):
    rungs = () if name == "none" else RUNGS
    pruner = make_pruner(SearchConfig(pruning=name), Horizon(100, BUDGET, rungs), 1)
    assert type(pruner) is kind


def test_noise_needs_halving():
    with pytest.raises(SpoofsweepError, match="not 'median'"):
        parse_settings(SearchConfig, {"pruning": "median", "noise_budget": 0.1}, "search")

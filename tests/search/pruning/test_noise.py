"""The noise of an EER, and the leeway that pruning gives for it."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from pruner_contract import RUNGS, PrunerContract

from data_prep.eer_bootstrap import eer_interval
from data_prep.error_rates import equal_error_rate
from search.pruning.asha import Asha, Leeway
from search.pruning.horizon import Horizon
from search.pruning.noise import DevTrials, dev_trials, eer_standard_error
from search.pruning.pruner import Decision
from search.pruning.pruners import make_pruner
from search.study.config import SearchConfig

CONTINUE, STOP = Decision.CONTINUE, Decision.STOP


class TestAshaWithLeeway(PrunerContract):
    def pruner(self):
        return Asha(RUNGS, 3, leeway=Leeway(lambda value: 0.05, 0.3))


def test_figures_of_the_docstring():
    full, quarter = DevTrials(2548, 22296), DevTrials(250, 2250)
    assert eer_standard_error(0.0083, [full]) == pytest.approx(0.00095, abs=1e-5)
    assert 0.0028 < eer_standard_error(0.0083, [quarter]) < 0.0036  # bootstrap: 0.0036


@pytest.mark.parametrize(("distance", "numbers"), [(2.0, (400, 1600)), (3.0, (1000, 1000)), (1.0, (150, 600))])
def test_agrees_with_the_bootstrap_of_normal_scores(distance, numbers):
    rng = np.random.default_rng(1)
    bonafide, spoof = rng.normal(distance, size=numbers[0]), rng.normal(size=numbers[1])
    eer, _ = equal_error_rate(bonafide, spoof)
    expected = eer_interval(bonafide, spoof, num_resamples=300).standard_deviation
    assert eer_standard_error(eer, [DevTrials(*numbers)]) == pytest.approx(expected, rel=0.25)


def test_no_error_among_few_is_no_proof_of_none():
    trials = [DevTrials(20, 200)]
    assert eer_standard_error(0.0, trials) == eer_standard_error(0.025, trials) > 0.01


def test_models_over_folds_are_averaged_for_they_share_their_bona_fide_speech():
    one, other = DevTrials(100, 300), DevTrials(100, 900)
    expected = (eer_standard_error(0.1, [one]) + eer_standard_error(0.1, [other])) / 2
    assert eer_standard_error(0.1, [one, other]) == pytest.approx(expected)


def test_dev_trials_are_those_of_each_model():
    rows = [("dev", "bonafide", "-")] * 5 + [("dev", "spoof", "A1")] * 3 + [("dev", "spoof", "A2")] * 4
    rows += [("train", "bonafide", "-")] * 5 + [("train", "spoof", "A1")] * 3 + [("train", "spoof", "A2")] * 4
    index = pd.DataFrame(rows, columns=["split", "label", "attack"])
    index = index.assign(speaker=[f"{split}{number}" for number, split in enumerate(index["split"])], view=0)
    index = pd.concat([index, index.assign(view=1)])
    assert dev_trials(index, ()) == [DevTrials(5, 7)]
    assert dev_trials(index, (("A1",), ("A2",))) == [DevTrials(5, 3), DevTrials(5, 4)]


def test_within_the_noise_goes_on_and_beyond_it_is_stopped():
    decisions = {}
    for value in (0.32, 0.36):
        asha = Asha([100], 3, leeway=Leeway(lambda _: 0.05, 0.5))
        for trial in range(12):
            asha.report(trial, 100, 0.3 if trial < 4 else 0.5)  # four of the thirteen go on, six at most with leeway
        decisions[value] = asha.report(12, 100, value)
    assert decisions == {0.32: CONTINUE, 0.36: STOP}


def stopped(asha, values):
    """Numbers of the trials that were stopped at each rung; ``values`` ``[trials, rungs]``."""
    found = {rung: [] for rung in RUNGS}
    for trial, row in enumerate(values):
        for rung, value in zip(RUNGS, row, strict=True):
            if asha.report(trial, rung, float(value)) is STOP:
                found[rung].append(trial)
                break
    return found


def test_however_large_the_noise_the_budget_holds():
    values = np.random.default_rng(5).random((3000, 2))
    budget, spent = 900, {}
    for share in (0.0, 0.2):
        found = stopped(Asha(RUNGS, 3, leeway=Leeway(lambda _: 1e9, share)), values)
        num_ended = [len(found[rung]) for rung in RUNGS]
        spent[share] = sum(n * rung for n, rung in zip(num_ended, RUNGS, strict=True))
        spent[share] += (3000 - sum(num_ended)) * budget
    assert 1.05 < spent[0.2] / spent[0.0] < 1.2
    assert stopped(Asha(RUNGS, 3, leeway=Leeway(lambda _: 1e9, 0.0)), values) == stopped(Asha(RUNGS, 3), values)


@pytest.mark.parametrize("share", [0.05, 0.2, 1.0])
def test_the_budget_holds_whichever_rungs_prune(share):
    rungs, budget, eta = (1, 3, 9, 27), 81, 3
    wide = Leeway(lambda _: 1.0, share).share_going_on(len(rungs), eta)

    def cost(pruning, going_on):
        ends = [0, *pruning, budget]
        return sum((ends[k + 1] - ends[k]) * going_on**k for k in range(len(ends) - 1))

    for number in range(len(rungs) + 1):
        for pruning in combinations(rungs, number):
            assert cost(pruning, wide) <= (1 + share) * cost(pruning, 1 / eta) * (1 + 1e-12)


def test_a_search_with_a_noise_budget_has_leeway():
    horizon, config = Horizon(100, 900, RUNGS), SearchConfig(noise_budget=1.0, rung_trust=False)
    told = [(trial, 100, 0.3 if trial < 4 else 0.5) for trial in range(12)]
    decisions = []
    for noise in (0.05, 0.001):
        pruner = make_pruner(config, horizon, 1, lambda _, noise=noise: noise)
        pruner.replay(told)
        decisions.append(pruner.report(12, 100, 0.31))
    assert decisions == [CONTINUE, STOP]

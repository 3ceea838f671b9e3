"""Witnesses, and the trust that rungs earn by them."""

import math
import time

import numpy as np
import pytest
from pruner_contract import BUDGET, RUNGS, PrunerContract, courses

from search.pruning.asha import Asha
from search.pruning.horizon import Horizon
from search.pruning.pruner import Decision
from search.pruning.pruners import learnt_trust, make_pruner
from search.pruning.rung_trust import RungTrust
from search.study.config import SearchConfig
from search.trials.trial_record import TrialRecord

CONTINUE, STOP = Decision.CONTINUE, Decision.STOP


def trust_of(num_first=8, share=0.05, seed=1):
    return RungTrust(RUNGS, BUDGET, seed, num_first, share)


def witness(trust, trial, early, middle, final):
    for samples_seen, value in ((100, early), (300, middle), (BUDGET, final)):
        trust.observe(trial, samples_seen, value)


class TestTrustingAsha(PrunerContract):
    def pruner(self):
        return Asha(RUNGS, 3, trust_of())


def test_a_rung_that_ranks_prunes_and_one_that_does_not_is_skipped():
    trust = trust_of()
    for trial in range(8):
        assert trust.prunes(300) == (trial >= 5)
        witness(trust, trial, [5, 1, 7, 3, 0, 6, 2, 4][trial] / 10, trial / 10, trial / 10 + 0.05)
    assert trust.standing(300).correlation == 1.0
    assert (trust.prunes(100), trust.prunes(300)) == (False, True)
    asha = Asha(RUNGS, 3, trust)
    decisions = [(asha.report(trial, 100, 0.5), asha.report(trial, 300, 0.5)) for trial in non_witnesses(trust, 10)]
    assert [early for early, _ in decisions] == [CONTINUE] * 10
    assert [late for _, late in decisions] == [CONTINUE] + [STOP] * 9


def non_witnesses(trust, number):
    return [trial for trial in range(8, 8 + 2 * number) if not trust.is_witness(trial)][:number]


def test_nothing_is_stopped_before_the_first_witnesses_came_to_their_end():
    asha = Asha(RUNGS, 3, trust_of())
    assert all(asha.report(trial, 300, 0.1 + trial / 100) is CONTINUE for trial in range(50))


def test_trust_is_lost_when_later_witnesses_contradict():
    trust = trust_of(share=1.0)
    for trial in range(8):
        witness(trust, trial, trial / 10, trial / 10, trial / 10)
    assert trust.prunes(100)
    for trial in range(8, 60):
        witness(trust, trial, trial / 100, trial / 100, 1 - trial / 100)
    assert not trust.prunes(100)
    assert "no better" in trust.standing(100).reason


def test_witnesses_are_the_first_trials_and_a_seeded_share_of_the_rest():
    drawn = [trial for trial in range(4000) if trust_of().is_witness(trial)]
    assert drawn[:8] == list(range(8))
    assert 0.04 < (len(drawn) - 8) / 3992 < 0.06
    assert drawn == [trial for trial in reversed(range(4000)) if trust_of().is_witness(trial)][::-1]
    assert drawn != [trial for trial in range(4000) if trust_of(seed=2).is_witness(trial)]


def test_a_witness_is_stopped_by_nan_alone():
    asha = Asha(RUNGS, 3, trust_of(share=1.0))
    for trial in range(20):
        for samples_seen in (100, 300, BUDGET):
            assert asha.report(trial, samples_seen, 0.1 + trial / 100) is CONTINUE
    assert asha.report(20, 100, math.nan) is STOP


def test_only_witnesses_count_and_only_their_true_ends():
    trust = trust_of(share=0.0)
    for trial in range(5):
        witness(trust, trial + 100, 0.1 * trial, 0.1 * trial, 0.1 * trial)
    assert trust.standing(100).num_trials == 0
    trust.observe(0, 100, 0.3)
    trust.observe(0, 300, 1.0)  # diverged: no report follows
    trust.observe(1, BUDGET, 0.3)  # its first report is its last: what it was at the rungs is not known
    assert trust.standing(100).num_trials == 0


def test_as_long_as_all_come_to_their_end_all_count():
    trust = trust_of(num_first=5, share=0.0)
    for trial in (6, 1, 0, 3, 2):
        witness(trust, trial, 0.1 * trial, 0.1 * trial, 0.1 * trial)
    assert trust.standing(100).num_trials == 4  # 4 and 5 are still on their way
    trust.observe(4, 100, math.inf)
    witness(trust, 5, 0.1, 0.1, 0.1)
    assert trust.standing(100).num_trials == 6
    trust.observe(7, 100, 0.2)  # stopped there
    for trial in range(8, 20):
        witness(trust, trial, 0.1, 0.1, 0.1)
    assert trust.standing(100).num_trials == 6


def test_constant_values_earn_no_trust():
    trust = trust_of()
    for trial in range(8):
        witness(trust, trial, 0.5, trial / 10, trial / 10)
    assert not trust.prunes(100)
    assert trust.standing(100).reason == "the witnesses are all alike"


def test_the_study_s_trials_tell_the_same_as_they_told_the_pruner():
    horizon, config = Horizon(100, BUDGET, RUNGS), SearchConfig()
    told = courses(60, 1)
    reports = {trial: {step: value for other, step, value in told if other == trial} for trial in range(60)}
    trials = [TrialRecord(trial, "PRUNED", {}, reports[trial], None) for trial in reports]
    twin = TrialRecord(60, "FAIL", {}, reports[0], None, {"interrupted": True})
    learnt = learnt_trust(config, horizon, 5, [*trials, twin])
    pruner = make_pruner(config, horizon, 5)
    pruner.replay(told)
    assert learnt is not None
    assert pruner._trust is not None
    assert [learnt.standing(rung) for rung in RUNGS] == [pruner._trust.standing(rung) for rung in RUNGS]
    assert learnt_trust(SearchConfig(rung_trust=False), horizon, 5, trials) is None


@pytest.mark.parametrize("slower", [0.0, 1.0])
def test_on_curves_that_mislead_it_never_prunes_and_on_honest_ones_it_does(slower):
    """A sweep in miniature: values early on are the final ones, but with ``slower`` the best start as the worst."""
    rng = np.random.default_rng(2)
    asha, num_stopped = Asha(RUNGS, 3, trust_of()), 0
    for trial in range(100):
        final = rng.random()
        for samples_seen in (100, 300, BUDGET):
            value = final if samples_seen == BUDGET else final * (1 - 2 * slower) + slower
            if asha.report(trial, samples_seen, value) is STOP:
                num_stopped += 1
                break
    assert num_stopped == 0 if slower else num_stopped > 50


def test_ten_thousand_trials_take_no_more_a_report_than_the_first():
    """Measured: 25 microseconds a report; the bound leaves room for a busy machine."""
    asha, rng = Asha(RUNGS, 3, trust_of()), np.random.default_rng(4)
    values = rng.random(10_000)
    start_s = time.process_time()
    for trial, value in enumerate(values):
        for samples_seen in (100, 300, BUDGET):
            if asha.report(trial, samples_seen, float(value)) is STOP:
                break
    assert time.process_time() - start_s < 3.0

import math

import numpy as np
import pytest

from cluster.errors import SpoofsweepError
from data_prep.error_rates import error_rates
from deploy.export.operating_points import (
    Wishes,
    bayes_threshold,
    operating_points,
    threshold_at_false_acceptances,
    threshold_at_false_alarms,
)
from trainable.metrics.calibration import Calibration
from trainable.metrics.detection_cost import CostModel
from trainable.scores.scores import ScoreTable

BONAFIDE = np.arange(100, dtype=np.float64)
SPOOF = np.arange(-60, 40, dtype=np.float64)
CALIBRATION = Calibration(2.0, -1.0)


def table():
    score = np.concatenate((BONAFIDE, SPOOF))
    label = np.repeat(["bonafide", "spoof"], 100)
    names = [str(number) for number in range(200)]
    return ScoreTable(names, np.where(label == "spoof", "A01", "-"), label, np.full(200, ""), score)


def test_a_tenth_of_false_alarms_rejects_the_ten_lowest():
    threshold = threshold_at_false_alarms(error_rates(BONAFIDE, SPOOF), 0.1)
    assert (threshold >= BONAFIDE).mean() == pytest.approx(0.1)


def test_a_tenth_of_false_acceptances_accepts_the_ten_highest_spoofs():
    threshold = threshold_at_false_acceptances(error_rates(BONAFIDE, SPOOF), 0.1)
    assert (threshold < SPOOF).mean() == pytest.approx(0.1)


@pytest.mark.parametrize("rate", [0.013, 0.05, 0.5, 1.0])
def test_rates_are_kept_and_made_use_of(rate):
    rng = np.random.default_rng(1)
    bonafide, spoof = rng.normal(1, 1, 173), rng.normal(-1, 1, 211)
    rates = error_rates(bonafide, spoof)
    alarms = (bonafide <= threshold_at_false_alarms(rates, rate)).mean()
    acceptances = (spoof > threshold_at_false_acceptances(rates, rate)).mean()
    assert rate - 1 / 173 < alarms <= rate
    assert rate - 1 / 211 < acceptances <= rate


def test_equal_scores_fall_on_one_side_of_a_threshold():
    bonafide, spoof = np.array([1.0, 1.0, 1.0, 2.0]), np.array([0.0, 1.0, 1.0, 1.0])
    rates = error_rates(bonafide, spoof)
    assert (bonafide <= threshold_at_false_alarms(rates, 0.5)).mean() == 0
    assert (bonafide <= threshold_at_false_alarms(rates, 0.75)).mean() == 0.75
    assert (spoof > threshold_at_false_acceptances(rates, 0.5)).mean() == 0
    assert (spoof > threshold_at_false_acceptances(rates, 0.75)).mean() == 0.75


def test_the_bayes_threshold_costs_the_same_either_way():
    costs = CostModel(prior_spoof=0.2, miss=3.0, false_acceptance=5.0)
    llr = CALIBRATION(bayes_threshold(costs, CALIBRATION))
    odds = (1 - costs.prior_spoof) / costs.prior_spoof * math.exp(llr)
    assert odds * costs.miss == pytest.approx(costs.false_acceptance)


def test_points_by_name():
    wishes = Wishes((0.1,), (0.05,), CostModel(0.5, 1.0, 1.0))
    points = operating_points(7.0, CALIBRATION, table(), wishes)
    assert list(points) == [
        "eer",
        "false_alarm_rate=0.1",
        "false_acceptance_rate=0.05",
        "spoof_prior=0.05,costs=1:10",
        "spoof_prior=0.5,costs=1:1",
    ]
    assert points["eer"] == 7.0
    assert points["spoof_prior=0.5,costs=1:1"] == pytest.approx(0.5)


@pytest.mark.parametrize("num_scores", [7, 49, 300, 2548])
def test_the_least_rate_that_is_told_can_be_had(num_scores):
    label = np.repeat(["bonafide", "spoof"], num_scores)
    names = [str(number) for number in range(2 * num_scores)]
    score = np.arange(2.0 * num_scores)
    scores = ScoreTable(names, np.full(len(names), "-"), label, np.full(len(names), ""), score)
    with pytest.raises(SpoofsweepError) as refused:
        operating_points(0.0, None, scores, Wishes((1e-9,)))
    least = float(refused.value.remedy.rpartition(" ")[2])
    assert len(operating_points(0.0, None, scores, Wishes((least,)))) == 2


def test_without_calibration_and_wishes_the_eer_point_is_left():
    assert operating_points(7.0, None, None, Wishes()) == {"eer": 7.0}


@pytest.mark.parametrize(
    ("threshold", "scores", "wishes", "words"),
    [
        (None, None, Wishes(), "needs a threshold"),
        (0.0, None, Wishes((0.1,)), "needs the model's dev scores"),
        (0.0, table(), Wishes((0.001,)), "100 bona fide"),
        (0.0, table(), Wishes((), (0.001,)), "100 spoofed"),
        (0.0, table(), Wishes(costs=CostModel()), "calibrated"),
    ],
)
def test_what_cannot_be_had_is_said(threshold, scores, wishes, words):
    with pytest.raises(SpoofsweepError, match=words):
        operating_points(threshold, None, scores, wishes)

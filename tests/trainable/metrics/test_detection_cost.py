import numpy as np
import pytest

from cluster.errors import SpoofsweepError
from trainable.metrics.detection_cost import ASVSPOOF5, CostModel, act_dcf, cllr, min_dcf


def test_published_scores_give_official_figures(published_scores):
    _, labels, values = published_scores
    bonafide, spoof = values[labels == "bonafide"], values[labels == "spoof"]
    assert min_dcf(bonafide, spoof) == pytest.approx(0.0238587444, abs=5e-11)
    assert act_dcf(bonafide, spoof) == pytest.approx(0.0710300601, abs=5e-11)
    assert cllr(bonafide, spoof) == pytest.approx(0.0914946917, abs=5e-11)


def test_the_default_costs_are_those_of_asvspoof5():
    assert ASVSPOOF5.weighted_miss == pytest.approx(0.95)
    assert ASVSPOOF5.weighted_acceptance == pytest.approx(0.5)
    assert ASVSPOOF5.threshold == pytest.approx(-np.log(1.9))


@pytest.mark.parametrize(
    ("bonafide", "spoof", "expected"),
    [
        ([3.0, 4.0], [1.0, 2.0], 0.0),
        ([0.0], [1.0], 1.0),  # accepting everything costs 0.5, which is the unit
        ([1.0, 3.0], [0.0, 2.0], 0.5),  # accepting half of the spoofs: 0.5 * 0.5 / 0.5
    ],
)
def test_minimum_cost_by_hand(bonafide, spoof, expected):
    assert min_dcf(bonafide, spoof) == pytest.approx(expected)


def test_a_score_on_the_threshold_is_accepted():
    costs = CostModel(prior_spoof=0.5, false_acceptance=1.0)
    assert costs.threshold == 0.0
    assert act_dcf([0.0], [-1.0], costs) == 0.0
    assert act_dcf([1.0], [0.0], costs) == 1.0


def test_actual_cost_is_never_below_the_minimum():
    rng = np.random.default_rng(0)
    for _ in range(50):
        bonafide, spoof = rng.normal(rng.normal(), 2, 30).round(1), rng.normal(0, 2, 40).round(1)
        assert act_dcf(bonafide, spoof) >= min_dcf(bonafide, spoof) - 1e-12


def test_cllr_of_no_information_is_one_bit_and_huge_ratios_do_not_overflow():
    assert cllr([0.0, 0.0], [0.0]) == pytest.approx(1.0)
    assert cllr([1e4], [-1e4]) == 0.0
    assert cllr([-1e4], [1e4]) == pytest.approx(1e4 / np.log(2))


@pytest.mark.parametrize("cost", [min_dcf, act_dcf, cllr])
def test_useless_scores_are_refused(cost):
    with pytest.raises(SpoofsweepError, match="scores"):
        cost([], [1.0])
    with pytest.raises(SpoofsweepError, match="finite"):
        cost([np.nan], [1.0])

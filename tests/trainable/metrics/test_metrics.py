import numpy as np
import pytest

from cluster.errors import SpoofsweepError
from data_prep.error_rates import equal_error_rate, error_rates
from trainable.metrics.metrics import eer_by_attack, score_warnings


@pytest.mark.parametrize(
    ("bonafide", "spoof", "eer"),
    [
        ([1, 2, 3], [0, 0, 1.5], 1 / 3),
        ([1, 1, 2], [1, 0, 0], 1 / 3),
        ([3, 4, 5], [0, 1, 2], 0.0),
        ([0, 1], [2, 3], 1.0),
        ([1, 2, 3, 4], [0, 1, 2, 3], 0.5),
        ([7, 7], [7, 7, 7], 1.0),
    ],
)
def test_official_eer_of_known_vectors(bonafide, spoof, eer):
    assert equal_error_rate(bonafide, spoof)[0] == pytest.approx(eer, abs=1e-15)


def test_the_order_within_a_class_is_irrelevant():
    rng = np.random.default_rng(1)
    bonafide, spoof = rng.normal(1, 1, 50).round(1), rng.normal(0, 1, 90).round(1)
    assert equal_error_rate(bonafide, spoof) == equal_error_rate(rng.permutation(bonafide), rng.permutation(spoof))


def test_error_rates_run_from_accepting_to_rejecting_everything():
    rates = error_rates([1.0, 3.0], [0.0, 2.0])
    assert rates.frr.tolist() == [0, 0, 0.5, 0.5, 1]
    assert rates.far.tolist() == [1, 0.5, 0.5, 0, 0]
    assert rates.thresholds.tolist() == [-0.001, 0, 1, 2, 3]


@pytest.mark.parametrize(("bonafide", "spoof"), [([], [1.0]), ([1.0], []), ([np.nan], [1.0]), ([1.0], [np.inf])])
def test_useless_scores_are_refused(bonafide, spoof):
    with pytest.raises(SpoofsweepError, match="scores"):
        equal_error_rate(bonafide, spoof)


def test_each_attack_meets_all_bonafide_scores():
    scores = [1.0, 2.0, 3.0, 0.0, 0.5, 2.5, 9.0]
    labels = ["bonafide"] * 3 + ["spoof"] * 4
    attacks = ["-"] * 3 + ["A01", "A01", "A02", "A02"]
    found = eer_by_attack(scores, labels, attacks)
    assert found == {"A01": 0.0, "A02": equal_error_rate(scores[:3], scores[5:])[0]}


def test_doubtful_scores_are_named():
    assert score_warnings([1.0, 2.0], [-1.0, 0.0]) == []
    assert "equal" in score_warnings([1.0, 1.0], [1.0])[0]
    assert "ties" in score_warnings([1.0, 2.0], [-3.0, 1.0])[0]
    assert "polarity" in score_warnings([-2.0, -1.0], [0.0, 1.0])[0]


def test_published_scores_give_published_figures(published_scores):
    attacks, labels, values = published_scores
    eer, threshold = equal_error_rate(values[labels == "bonafide"], values[labels == "spoof"])
    assert eer == 0.008295112264154778
    assert threshold == pytest.approx(1.4934322834, abs=1e-9)
    published = {"A07": 0.530, "A08": 0.424, "A09": 0.0, "A10": 0.856, "A17": 1.263, "A18": 2.608, "A19": 0.652}
    found = eer_by_attack(values, labels, attacks)
    assert {attack: round(100 * found[attack], 3) for attack in published} == published

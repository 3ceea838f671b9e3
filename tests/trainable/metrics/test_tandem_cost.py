import numpy as np
import pytest

from cluster.errors import SpoofsweepError
from trainable.metrics.tandem_cost import (
    ASVSPOOF,
    AsvErrorRates,
    TandemCosts,
    asv_error_rates,
    min_adcf,
    min_tdcf_2019,
    min_tdcf_2021,
)


@pytest.fixture
def published_asv(shared_folder) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of target, nontarget and spoofed trials."""
    pairs = np.fromfile(shared_folder / "vectors" / "asv_2019la_eval_scores.f32", "<f4").reshape(-1, 2).astype(float)
    return tuple(pairs[pairs[:, 1] == label, 0] for label in (2, 1, 0))


def test_published_scores_give_official_figures(published_scores, published_asv):
    _, labels, values = published_scores
    bonafide, spoof = values[labels == "bonafide"], values[labels == "spoof"]
    asv = asv_error_rates(*published_asv)
    assert asv.miss == pytest.approx(0.0245810, abs=5e-8)
    assert asv.false_acceptance == pytest.approx(0.0246047, abs=5e-8)
    assert 1 - asv.spoof_acceptance == pytest.approx(0.2393475, abs=5e-8)
    assert min_tdcf_2019(bonafide, spoof, asv) == pytest.approx(0.0275294779, abs=5e-11)
    assert min_tdcf_2021(bonafide, spoof, asv) == pytest.approx(0.0885353537, abs=5e-11)


def test_priors_sum_to_one():
    assert ASVSPOOF.prior_spoof + ASVSPOOF.prior_target + ASVSPOOF.prior_nontarget == pytest.approx(1.0)


def test_a_useless_countermeasure_costs_as_much_as_none():
    asv = AsvErrorRates(miss=0.02, false_acceptance=0.02, spoof_acceptance=0.7)
    assert min_tdcf_2019([0.0], [1.0], asv) == pytest.approx(1.0)
    assert min_tdcf_2021([0.0], [1.0], asv) == pytest.approx(1.0)


def test_a_perfect_countermeasure_leaves_the_errors_of_the_speaker_verification():
    """By the 2021 form alone: C0 / (C0 + C2) with C0 = .9405 * .02 + .0095 * 10 * .02 and C2 = .05 * 10 * .7."""
    asv = AsvErrorRates(miss=0.02, false_acceptance=0.02, spoof_acceptance=0.7)
    always = 0.9405 * 0.02 + 0.095 * 0.02
    assert min_tdcf_2019([1.0], [0.0], asv) == 0.0
    assert min_tdcf_2021([1.0], [0.0], asv) == pytest.approx(always / (always + 0.35))


def test_an_asv_system_that_accepts_nobody_is_refused():
    with pytest.raises(SpoofsweepError, match="polarity"):
        min_tdcf_2019([1.0], [0.0], AsvErrorRates(miss=1.0, false_acceptance=0.5, spoof_acceptance=0.5))


def test_adcf_by_hand():
    """At the threshold 1: a third of the targets rejected, half of the nontargets and no spoof accepted."""
    target, nontarget, spoof = [1.0, 3.0, 4.0], [0.0, 2.0], [0.5, 0.6]
    costs = TandemCosts(prior_spoof=0.3, prior_target=0.5, prior_nontarget=0.2, false_acceptance=1.0)
    rates = {0.6: (0, 0.5, 0), 1: (1 / 3, 0.5, 0), 2: (1 / 3, 0, 0)}
    by_hand = [0.5 * miss + 0.2 * impostors + 0.3 * spoofs for miss, impostors, spoofs in rates.values()]
    assert min_adcf(target, nontarget, spoof, costs) == pytest.approx(min(by_hand) / 0.5)


def test_adcf_of_ties_rejects_targets_first():
    assert min_adcf([1.0], [1.0], [1.0]) == pytest.approx(1.0)


@pytest.mark.parametrize("lacking", [0, 1, 2])
def test_every_kind_of_trial_is_needed(lacking):
    kinds = [[1.0], [0.0], [0.5]]
    kinds[lacking] = []
    with pytest.raises(SpoofsweepError, match=("none for target", "none for nontarget", "none for spoof")[lacking]):
        min_adcf(*kinds)
    with pytest.raises(SpoofsweepError, match="none for"):
        asv_error_rates(*kinds)

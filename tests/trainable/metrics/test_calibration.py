import numpy as np
import pytest

from trainable.metrics.calibration import fit_calibration
from trainable.metrics.detection_cost import act_dcf, cllr, min_dcf


def test_scores_of_known_likelihood_ratio_are_recovered():
    """Of two normal distributions at +d/2 and -d/2, of one variance, the log-likelihood ratio is d times the value."""
    rng = np.random.default_rng(1)
    distance, shift, stretch = 2.0, -7.0, 0.25
    bonafide, spoof = rng.normal(distance / 2, 1, 40_000), rng.normal(-distance / 2, 1, 90_000)
    calibration = fit_calibration(stretch * bonafide + shift, stretch * spoof + shift)
    assert calibration.scale == pytest.approx(distance / stretch, rel=0.03)
    np.testing.assert_allclose(calibration(stretch * np.array([-1.0, 0.0, 1.0]) + shift), [-2, 0, 2], atol=0.06)


def test_calibration_mends_actual_cost_and_cllr_and_keeps_the_order(published_scores):
    _, labels, values = published_scores
    bonafide, spoof = values[labels == "bonafide"], values[labels == "spoof"]
    calibration = fit_calibration(bonafide[::2], spoof[::2])
    before, after = (bonafide[1::2], spoof[1::2]), (calibration(bonafide[1::2]), calibration(spoof[1::2]))
    assert act_dcf(*after) < 0.5 * act_dcf(*before)
    assert cllr(*after) < 0.6 * cllr(*before)
    assert min_dcf(*after) == pytest.approx(min_dcf(*before), abs=1e-12)


def test_classes_that_do_not_overlap_give_a_finite_scale():
    calibration = fit_calibration([2.0, 3.0], [0.0, 1.0])
    assert np.isfinite(calibration.scale)
    assert calibration.scale > 1
    assert (calibration([2.0]) > 0).all()


def test_constant_scores_say_nothing():
    assert fit_calibration([1.0, 1.0], [1.0])([1.0]) == pytest.approx([0.0], abs=1e-4)

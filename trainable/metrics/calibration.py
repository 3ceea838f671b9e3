"""Calibration: an affine map of scores to log-likelihood ratios, fitted on labelled scores of another split."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_prep.error_rates import checked_scores
from trainable.metrics.detection_cost import ASVSPOOF5, CostModel


@dataclass(frozen=True)
class Calibration:
    """``scale * score + offset`` is the natural log-likelihood ratio of bona fide to spoofed speech."""

    scale: float
    offset: float

    def __call__(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Log-likelihood ratios, of the shape of ``scores``."""
        return self.scale * np.asarray(scores, dtype=np.float64) + self.offset


def fit_calibration(bonafide: ArrayLike, spoof: ArrayLike, costs: CostModel = ASVSPOOF5) -> Calibration:
    """Logistic regression, weighted to the operating point of ``costs`` (Brümmer and Doddington 2013, sec. 3).

    Classes that do not overlap would let the scale grow without bound; a trace of regularisation keeps it finite.

    Raises:
        SpoofsweepError: a class has no scores, or a score is not finite.
    """
    from sklearn.linear_model import LogisticRegression  # half a second to import, and no other metric needs it

    bonafide_scores, spoof_scores = checked_scores(bonafide, spoof)
    scores = np.concatenate((bonafide_scores, spoof_scores))
    centre, spread = scores.mean(), scores.std() or 1.0
    is_bonafide = np.arange(scores.size) < bonafide_scores.size
    share = costs.weighted_miss / (costs.weighted_miss + costs.weighted_acceptance)
    weight = np.where(is_bonafide, share / bonafide_scores.size, (1.0 - share) / spoof_scores.size) * scores.size
    model = LogisticRegression(C=1e6, tol=1e-8, max_iter=1000)
    model.fit(((scores - centre) / spread)[:, None], is_bonafide, sample_weight=weight)
    scale = float(model.coef_[0, 0] / spread)
    log_odds = float(model.intercept_[0]) - scale * centre
    # The regression's log odds hold the prior log odds of its weights, which a likelihood ratio does not.
    return Calibration(scale, log_odds - float(np.log(share / (1.0 - share))))

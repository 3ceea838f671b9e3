"""Detection costs of a spoofing countermeasure: minDCF, actDCF and Cllr, as ASVspoof 5 evaluates track 1.

Scores are higher for bona fide. actDCF and Cllr take them as natural log-likelihood ratios; minDCF asks for their order
alone.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_prep.error_rates import checked_scores, error_rates


@dataclass(frozen=True)
class CostModel:
    """What errors cost and how often spoofs come; the defaults are those of ASVspoof 5 (Wang et al. 2024)."""

    prior_spoof: float = 0.05
    miss: float = 1.0
    """Of rejecting a bona fide utterance."""
    false_acceptance: float = 10.0
    """Of accepting a spoof."""

    @property
    def weighted_miss(self) -> float:
        """Cost of rejecting everything."""
        return self.miss * (1.0 - self.prior_spoof)

    @property
    def weighted_acceptance(self) -> float:
        """Cost of accepting everything."""
        return self.false_acceptance * self.prior_spoof

    @property
    def threshold(self) -> float:
        """Log-likelihood ratio from which on acceptance costs less, ``-ln(weighted miss / weighted acceptance)``."""
        return -math.log(self.weighted_miss / self.weighted_acceptance)

    def of(self, frr: ArrayLike, far: ArrayLike) -> NDArray[np.float64]:
        """Cost of these error rates, relative to the cheaper of accepting and rejecting everything."""
        cost = self.weighted_miss * np.asarray(frr) + self.weighted_acceptance * np.asarray(far)
        return cost / min(self.weighted_miss, self.weighted_acceptance)


ASVSPOOF5 = CostModel()


def min_dcf(bonafide: ArrayLike, spoof: ArrayLike, costs: CostModel = ASVSPOOF5) -> float:
    """The lowest normalised detection cost of any threshold (evaluation plan of ASVspoof 5, eq. 3-4).

    Raises:
        SpoofsweepError: a class has no scores, or a score is not finite.
    """
    rates = error_rates(bonafide, spoof)
    return float(costs.of(rates.frr, rates.far).min())


def act_dcf(bonafide: ArrayLike, spoof: ArrayLike, costs: CostModel = ASVSPOOF5) -> float:
    """The normalised detection cost at the threshold that log-likelihood ratios have; a score on it is accepted.

    Raises:
        SpoofsweepError: a class has no scores, or a score is not finite.
    """
    bonafide_scores, spoof_scores = checked_scores(bonafide, spoof)
    frr, far = np.mean(bonafide_scores < costs.threshold), np.mean(spoof_scores >= costs.threshold)
    return float(costs.of(frr, far))


def cllr(bonafide: ArrayLike, spoof: ArrayLike) -> float:
    """Cost of log-likelihood ratios in bits (Brümmer and du Preez 2006): 0 for perfect ones, 1 for none at all.

    Raises:
        SpoofsweepError: a class has no scores, or a score is not finite.
    """
    bonafide_scores, spoof_scores = checked_scores(bonafide, spoof)
    # logaddexp, where log(1 + exp(x)) would overflow.
    mean = np.logaddexp(0.0, -bonafide_scores).mean() + np.logaddexp(0.0, spoof_scores).mean()
    return float(mean / (2 * math.log(2)))

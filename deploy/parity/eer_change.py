"""By how much one set of scores has a higher EER than another of the same utterances."""

import numpy as np

from data_prep.error_rates import equal_error_rate
from trainable.scores.scores import ScoreTable


def eer_change_interval(
    before: ScoreTable, after: ScoreTable, num_resamples: int = 500, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Paired percentile bootstrap of the difference (Efron and Tibshirani 1993, section 13.3).

    Both EERs are of the same resampled utterances, each class by itself, so that what both have in common cancels out.

    Args:
        before, after: of the same utterances in the same order.
    """
    rng = np.random.default_rng(seed)
    changes = np.empty(num_resamples)
    pairs = [(table.bonafide, table.spoof) for table in (before, after)]
    num_bonafide, num_spoof = map(len, pairs[0])
    for number in range(num_resamples):
        chosen = rng.integers(num_bonafide, size=num_bonafide), rng.integers(num_spoof, size=num_spoof)
        first, second = (equal_error_rate(bonafide[chosen[0]], spoof[chosen[1]])[0] for bonafide, spoof in pairs)
        changes[number] = second - first
    low, high = np.quantile(changes, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)

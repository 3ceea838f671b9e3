"""The mean error rate over the seeds of a training, and how sure it is."""

from collections.abc import Sequence
from statistics import fmean

import numpy as np

from data_prep.error_rates import equal_error_rate
from trainable.scores.scores import ScoreTable


def mean_interval(tables: Sequence[ScoreTable], num_resamples: int = 1000) -> tuple[float, float]:
    """95 % percentile interval of the mean EER over seeds, by a bootstrap of seeds and the utterances of each class.

    The tables, one a seed, hold the same utterances in the same order.
    """
    rng = np.random.default_rng(0)
    bonafide, spoof = [table.bonafide for table in tables], [table.spoof for table in tables]
    means = []
    for _ in range(num_resamples):
        seeds = rng.integers(len(tables), size=len(tables))
        rows, columns = (rng.integers(scores[0].size, size=scores[0].size) for scores in (bonafide, spoof))
        means.append(fmean(equal_error_rate(bonafide[seed][rows], spoof[seed][columns])[0] for seed in seeds))
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)

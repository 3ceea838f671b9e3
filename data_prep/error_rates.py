"""The equal error rate and its bootstrap interval. Scores are higher for bona fide; every rate is a fraction.

The equal error rate follows ``compute_det_curve`` and ``compute_eer`` of the official ASVspoof 2019, 2021 and 5
evaluation packages (``eval_metrics.py``), number for number.

Legend: N bona fide and spoofed scores together, R bootstrap resamples.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cluster.errors import SpoofsweepError

FloatArray = NDArray[np.float64]

_RESAMPLED_SCORES_AT_ONCE = 2_000_000


class ErrorRates(NamedTuple):
    """Points of the detection error trade-off, from the lowest threshold to the highest; arrays ``[N + 1]``."""

    frr: FloatArray
    """False rejection rate: share of bona fide scores at or below the threshold."""
    far: FloatArray
    """False acceptance rate: share of spoofed scores above the threshold."""
    thresholds: FloatArray


class Interval(NamedTuple):
    """Bootstrap percentile interval of an EER."""

    low: float
    high: float
    standard_deviation: float


def error_rates(bonafide: ArrayLike, spoof: ArrayLike) -> ErrorRates:
    """False rejection and false acceptance at every threshold.

    Raises:
        SpoofsweepError: a class has no scores, or a score is not finite.
    """
    scores, is_bonafide = _sorted_scores(bonafide, spoof)
    rejected = np.cumsum(is_bonafide)
    num_bonafide = int(rejected[-1])
    num_spoof = scores.size - num_bonafide
    accepted = num_spoof - (np.arange(1, scores.size + 1) - rejected)
    return ErrorRates(
        frr=np.concatenate(([0.0], rejected / num_bonafide)),
        far=np.concatenate(([1.0], accepted / num_spoof)),
        thresholds=np.concatenate(([scores[0] - 0.001], scores)),
    )


def equal_error_rate(bonafide: ArrayLike, spoof: ArrayLike) -> tuple[float, float]:
    """Official EER, and the threshold where it is taken.

    It is the mean of both rates at the first threshold where they differ least. Pessimistic on ties: among equal scores
    the bona fide ones are rejected first, so constant scores give 1.0 (see `trainable.metrics.score_warnings`).

    Raises:
        SpoofsweepError: a class has no scores, or a score is not finite.
    """
    rates = error_rates(bonafide, spoof)
    point = int(np.argmin(np.abs(rates.frr - rates.far)))
    return float((rates.frr[point] + rates.far[point]) / 2), float(rates.thresholds[point])


def eer_interval(
    bonafide: ArrayLike, spoof: ArrayLike, num_resamples: int = 500, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Percentile bootstrap of the EER, resampling each class by itself (Efron and Tibshirani 1993, section 13.3).

    A resample is drawn as counts over the sorted scores, so nothing is sorted again; every resampled EER equals
    `equal_error_rate` of the scores drawn.

    Raises:
        SpoofsweepError: a class has no scores, or a score is not finite.
    """
    _, is_bonafide = _sorted_scores(bonafide, spoof)
    rng = np.random.default_rng(seed)
    rows = max(1, _RESAMPLED_SCORES_AT_ONCE // is_bonafide.size)
    chunks = [min(rows, num_resamples - start) for start in range(0, num_resamples, rows)]
    eers = np.concatenate([_resampled_eers(is_bonafide, chunk, rng) for chunk in chunks])
    low, high = np.quantile(eers, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high), float(eers.std(ddof=1)) if num_resamples > 1 else 0.0)


def _sorted_scores(bonafide: ArrayLike, spoof: ArrayLike) -> tuple[FloatArray, NDArray[np.int64]]:
    """Scores ``[N]`` in the official order (ascending, stable with bona fide before spoof) and 1 where bona fide."""
    classes = [np.asarray(values, dtype=np.float64).ravel() for values in (bonafide, spoof)]
    if 0 in (classes[0].size, classes[1].size):
        found = f"{classes[0].size} bona fide and {classes[1].size} spoofed"
        raise SpoofsweepError("an error rate needs scores of both classes", found)
    scores = np.concatenate(classes)
    if not np.isfinite(scores).all():
        raise SpoofsweepError("scores must be finite", f"{int((~np.isfinite(scores)).sum())} that are not")
    order = np.argsort(scores, kind="stable")
    return scores[order], (order < classes[0].size).astype(np.int64)


def _resampled_eers(is_bonafide: NDArray[np.int64], num_resamples: int, rng: np.random.Generator) -> FloatArray:
    """EERs ``[R]`` of resamples of sorted scores; ``is_bonafide`` ``[N]``."""
    counts_RN = np.empty((num_resamples, is_bonafide.size), dtype=np.int64)
    for kind in (0, 1):
        members = np.flatnonzero(is_bonafide == kind)
        counts_RN[:, members] = _draw_counts(members.size, num_resamples, rng)
    # Each row repeats its labels to N again (both classes keep their size), in the order of the official sort.
    labels_RN = np.repeat(np.tile(is_bonafide, num_resamples), counts_RN.ravel()).reshape(num_resamples, -1)
    rejected_RN = np.cumsum(labels_RN, axis=1)
    num_bonafide = int(is_bonafide.sum())
    num_spoof = is_bonafide.size - num_bonafide
    frr_RN = rejected_RN / num_bonafide
    far_RN = (num_spoof - (np.arange(1, is_bonafide.size + 1) - rejected_RN)) / num_spoof
    point_R = np.abs(frr_RN - far_RN).argmin(axis=1)[:, None]
    return (np.take_along_axis(frr_RN, point_R, 1) + np.take_along_axis(far_RN, point_R, 1))[:, 0] / 2


def _draw_counts(num_scores: int, num_resamples: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How often each of ``num_scores`` is drawn with replacement, ``[R, num_scores]``."""
    drawn = rng.integers(num_scores, size=(num_resamples, num_scores))
    drawn += np.arange(num_resamples)[:, None] * num_scores
    return np.bincount(drawn.ravel(), minlength=num_resamples * num_scores).reshape(num_resamples, num_scores)

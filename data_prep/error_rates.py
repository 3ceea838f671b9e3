"""The equal error rate. Scores are higher for bona fide; every rate is a fraction.

The equal error rate follows ``compute_det_curve`` and ``compute_eer`` of the official ASVspoof 2019, 2021 and 5
evaluation packages (``eval_metrics.py``), number for number.

Legend: N bona fide and spoofed scores together.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cluster.errors import SpoofsweepError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class ErrorRates(NamedTuple):
    """Points of the detection error trade-off, from the lowest threshold to the highest; arrays ``[N + 1]``."""

    frr: FloatArray
    """False rejection rate: share of bona fide scores at or below the threshold."""
    far: FloatArray
    """False acceptance rate: share of spoofed scores above the threshold."""
    thresholds: FloatArray


def error_rates(bonafide: ArrayLike, spoof: ArrayLike) -> ErrorRates:
    """False rejection and false acceptance at every threshold.

    Raises:
        SpoofsweepError: a class has no scores, or a score is not finite.
    """
    order, is_bonafide = sorted_labels(bonafide, spoof)
    scores = np.concatenate(checked_scores(bonafide, spoof))[order]
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
    the bona fide ones are rejected first, so constant scores give 1.0 (see `trainable.metrics.metrics.score_warnings`).

    Raises:
        SpoofsweepError: a class has no scores, or a score is not finite.
    """
    rates = error_rates(bonafide, spoof)
    point = int(np.argmin(np.abs(rates.frr - rates.far)))
    return float((rates.frr[point] + rates.far[point]) / 2), float(rates.thresholds[point])


def eer_standard_error(eer: ArrayLike, num_bonafide: int, num_spoof: int) -> FloatArray:
    """How far an EER measured on so many utterances is off, one standard deviation, where the true one is ``eer``.

    Source: Bengio and Mariethoz 2004, "A statistical significance test for person authentication" (Odyssey), the
    variance of the half total error rate with both rates equal: ``e (1 - e) (1 / B + 1 / S) / 4``. Utterances count as
    independent. The threshold moves with the data here; where both rates are equally steep at it, that cancels to
    first order. It needs no scores; where there are some, `data_prep.eer_bootstrap` takes them as they are.
    """
    eers = np.asarray(eer, dtype=np.float64)
    return np.sqrt(eers * (1.0 - eers) * (1.0 / num_bonafide + 1.0 / num_spoof)) / 2.0


def checked_scores(bonafide: ArrayLike, spoof: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Both as flat float64.

    Raises:
        SpoofsweepError: a class has no scores, or a score is not finite.
    """
    bonafide_scores, spoof_scores = (np.asarray(values, dtype=np.float64).ravel() for values in (bonafide, spoof))
    if not (bonafide_scores.size and spoof_scores.size):
        found = f"{bonafide_scores.size} bona fide and {spoof_scores.size} spoofed"
        raise SpoofsweepError("an error rate needs scores of both classes", found)
    num_bad = int((~np.isfinite(bonafide_scores)).sum() + (~np.isfinite(spoof_scores)).sum())
    if num_bad:
        raise SpoofsweepError("scores must be finite", f"{num_bad} that are not")
    return bonafide_scores, spoof_scores


def sorted_labels(bonafide: ArrayLike, spoof: ArrayLike) -> tuple[IntArray, NDArray[np.bool_]]:
    """The official order ``[N]`` of both classes' scores, bona fide ones first before sorting (ascending and stable, so
    that among equal scores the bona fide ones come first), and in that order whether a score is bona fide.

    Raises:
        SpoofsweepError: a class has no scores, or a score is not finite.
    """
    bonafide_scores, spoof_scores = checked_scores(bonafide, spoof)
    order = np.argsort(np.concatenate((bonafide_scores, spoof_scores)), kind="stable")
    return order, order < bonafide_scores.size

"""Thresholds of a detector by what they are chosen for. Scores are higher for bona fide; a score above is bona fide."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.errors import SpoofsweepError
from data_prep.error_rates import ErrorRates, error_rates
from trainable.metrics.calibration import Calibration
from trainable.metrics.detection_cost import ASVSPOOF5, CostModel
from trainable.scores.scores import ScoreTable

EER = "eer"
"""Where validation made as many errors of both kinds."""


@dataclass(frozen=True)
class Wishes:
    """The operating points that a user asks for."""

    false_alarm_rates: tuple[float, ...] = ()
    """Shares of bona fide speech that may be called spoofed."""
    false_acceptance_rates: tuple[float, ...] = ()
    """Shares of spoofs that may be taken for bona fide speech."""
    costs: CostModel | None = None
    """Priors and costs to decide by; those of ASVspoof 5 are always among the points of a calibrated model."""

    @property
    def need_scores(self) -> bool:
        """Whether they ask for error rates, which only labelled scores tell."""
        return bool(self.false_alarm_rates or self.false_acceptance_rates)


NO_WISHES = Wishes()


def operating_points(
    eer_threshold: float | None, calibration: Calibration | None, scores: ScoreTable | None, wishes: Wishes
) -> dict[str, float]:
    """Thresholds of raw scores by name, `EER` first.

    Args:
        eer_threshold: from validation.
        scores: of dev; none where they are not at hand.

    Raises:
        SpoofsweepError: the model was never validated, or a wish needs scores or a calibration that there are not.
    """
    if eer_threshold is None:
        raise SpoofsweepError("a detector needs a threshold", "a model that was never validated, or diverged")
    points = {EER: eer_threshold}
    if wishes.need_scores:
        points |= _at_rates(scores, wishes)
    if wishes.costs is not None and calibration is None:
        raise SpoofsweepError(
            "priors and costs need a calibrated model",
            "one without calibration and without dev scores to fit it on",
            "export a finalist or champion, or give --shards, the folder of the study's shard sets",
        )
    if calibration is not None:
        for costs in (ASVSPOOF5, *([] if wishes.costs is None else [wishes.costs])):
            points[cost_name(costs)] = bayes_threshold(costs, calibration)
    return points


def bayes_threshold(costs: CostModel, calibration: Calibration) -> float:
    """The raw score at which accepting and rejecting cost the same, if the calibration is right."""
    return (costs.threshold - calibration.offset) / calibration.scale


def threshold_at_false_alarms(rates: ErrorRates, rate: float) -> float:
    """The highest threshold that calls at most this share of bona fide speech spoofed."""
    return float(rates.thresholds[_are_real(rates) & (rates.frr <= rate)][-1])


def threshold_at_false_acceptances(rates: ErrorRates, rate: float) -> float:
    """The lowest threshold that takes at most this share of spoofs for bona fide speech."""
    return float(rates.thresholds[_are_real(rates) & (rates.far <= rate)][0])


def cost_name(costs: CostModel) -> str:
    """Of the operating point of a prior and costs, of a false alarm before those of a false acceptance."""
    return f"spoof_prior={costs.prior_spoof:g},costs={costs.miss:g}:{costs.false_acceptance:g}"


def _are_real(rates: ErrorRates) -> NDArray[np.bool_]:
    """Which points a threshold can have: among equal scores the last, for it falls on all of them alike."""
    return np.append(np.diff(rates.thresholds) > 0, True)


def _at_rates(scores: ScoreTable | None, wishes: Wishes) -> dict[str, float]:
    if scores is None:
        raise SpoofsweepError(
            "a threshold at an error rate needs the model's dev scores",
            "a model without them",
            "export a finalist's run, or give --shards, the folder of the study's shard sets",
        )
    _require_enough(wishes.false_alarm_rates, len(scores.bonafide), "bona fide")
    _require_enough(wishes.false_acceptance_rates, len(scores.spoof), "spoofed")
    rates = error_rates(scores.bonafide, scores.spoof)
    alarms = {f"false_alarm_rate={r:g}": threshold_at_false_alarms(rates, r) for r in wishes.false_alarm_rates}
    acceptances = {
        f"false_acceptance_rate={r:g}": threshold_at_false_acceptances(rates, r) for r in wishes.false_acceptance_rates
    }
    return alarms | acceptances


def _require_enough(rates: Sequence[float], num_scores: int, kind: str) -> None:
    for rate in rates:
        if rate * num_scores < 1:
            raise SpoofsweepError(
                "an error rate must be one that the dev scores can show",
                f"{rate:g} of {num_scores} {kind} utterances",
                f"ask for at least {math.ceil(1e4 / num_scores) / 1e4:g}",
            )

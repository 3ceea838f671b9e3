"""How far a validation EER may be from what it measures, for want of validation trials."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pandas as pd

from trainable.data.hold_out import Folds, hold_out

Noise = Callable[[float], float]
"""From a trial's value to its standard error."""


class DevTrials(NamedTuple):
    """Validation utterances of a model by class."""

    num_bonafide: int
    num_spoof: int


def dev_trials(index: pd.DataFrame, folds: Folds) -> list[DevTrials]:
    """What each model of a trial is validated on.

    Args:
        index: the shards' index, columns split, speaker, attack, label and view.
        folds: attacks held out, a group a model.
    """
    clean = index[index["view"] == 0]
    counts = []
    for attacks in folds or ((),):
        divided = hold_out(clean, attacks)
        labels = divided.loc[divided["split"] == "dev", "label"]
        counts.append(DevTrials(int((labels == "bonafide").sum()), int((labels == "spoof").sum())))
    return counts


def eer_standard_error(eer: float, trials: Sequence[DevTrials]) -> float:
    """Standard error of an EER, or of the mean EER of several models.

    sqrt(p (1 - p) (1 / N_b + 1 / N_s)) / 2: the deviation of the half total error rate of Bengio and Mariethoz 2004, "A
    statistical significance test for person authentication", where both error rates are p. That takes the threshold as
    fixed; where the densities of both classes are equal at it, its own movement changes nothing. On the ASVspoof 2019
    dev set (2,548 and 22,296) it gives 0.095 points at 0.83%, where the bootstrap gives 0.09. Deviations: p is at least
    half an error in the smaller class, since no error among few is no proof of none; errors of several models are
    averaged as if they were one, for the models share their bona fide speech.
    """
    errors = []
    for num_bonafide, num_spoof in trials:
        rate = min(max(eer, 0.5 / min(num_bonafide, num_spoof)), 0.5)
        errors.append(math.sqrt(rate * (1.0 - rate) * (1.0 / num_bonafide + 1.0 / num_spoof)) / 2.0)
    return sum(errors) / len(errors)

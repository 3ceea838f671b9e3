"""Error rates by attack, and what makes a detector's scores doubtful. Scores are higher for bona fide."""

import numpy as np
from numpy.typing import ArrayLike

from data_prep.error_rates import equal_error_rate

_MANY_TIES = 0.01


def eer_by_attack(scores: ArrayLike, labels: ArrayLike, attacks: ArrayLike) -> dict[str, float]:
    """EER of each attack's spoofs against all bona fide scores, by attack name; all arrays ``[N]``."""
    values, kinds, names = np.asarray(scores, dtype=np.float64), np.asarray(labels), np.asarray(attacks)
    is_spoof = kinds == "spoof"
    bonafide = values[kinds == "bonafide"]
    return {
        str(name): equal_error_rate(bonafide, values[is_spoof & (names == name)])[0]
        for name in np.unique(names[is_spoof])
    }


def score_warnings(bonafide: ArrayLike, spoof: ArrayLike) -> list[str]:
    """What makes these scores doubtful, as sentences; empty when nothing does."""
    bonafide_scores, spoof_scores = np.asarray(bonafide, dtype=np.float64), np.asarray(spoof, dtype=np.float64)
    values = np.concatenate((bonafide_scores, spoof_scores))
    if np.unique(values).size == 1:
        return ["all scores are equal: the detector tells nothing apart, and the official EER of ties is 1"]
    warnings = []
    tied = float(np.isin(bonafide_scores, spoof_scores).mean())
    if tied > _MANY_TIES:
        warnings.append(
            f"{tied:.1%} of the bona fide scores equal a spoofed score: the official EER is pessimistic on ties"
        )
    if np.median(bonafide_scores) < np.median(spoof_scores):
        flipped = equal_error_rate(-bonafide_scores, -spoof_scores)[0]
        warnings.append(
            "bona fide scores lie below spoofed ones: is the polarity right? Higher must mean bona fide; "
            f"with the sign turned round the EER would be {flipped:.2%}"
        )
    return warnings

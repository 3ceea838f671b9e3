"""What a trial says about itself at each validation."""

import math
from dataclasses import dataclass

from trainable.metrics.detection_cost import ASVSPOOF5


@dataclass(frozen=True)
class Report:
    """State of a trial after a validation.

    Args:
        samples_seen: training samples so far; the time axis of everything.
        passes: the same in passes over the training split.
        metrics: train_loss (mean since the report before), learning_rate (last used), grad_norm (mean before clipping),
            dev_eer, dev_eer_low, dev_eer_high, dev_eer_sd (bootstrap), dev_threshold, dev_mean_attack_eer and
            dev_worst_attack_eer (over the attacks of dev, each one's spoofs against all bona fide speech; spoofs
            without an attack's name count as one attack), dev_min_dcf, dev_act_dcf and dev_cllr (of the scores as they
            are), utterances_per_s (training alone), epoch_s (seconds of training and validation since the report
            before), diverged (0 or 1). A trial over folds has others, see `trainable.training.folds`.
        final: no report follows.
    """

    samples_seen: int
    passes: float
    metrics: dict[str, float]
    final: bool

    @property
    def diverged(self) -> bool:
        """Whether loss or scores stopped being finite."""
        return self.metrics["diverged"] == 1.0


WORST_DEV = {
    "dev_eer": 1.0,
    "dev_eer_low": 1.0,
    "dev_eer_high": 1.0,
    "dev_eer_sd": 0.0,
    "dev_threshold": 0.0,
    "dev_mean_attack_eer": 1.0,
    "dev_worst_attack_eer": 1.0,
    "dev_min_dcf": 1.0,
    "dev_act_dcf": float(ASVSPOOF5.of(1.0, 1.0)),
    "dev_cllr": math.inf,
}
"""Validation metrics of a diverged trial: nothing scores worse, whatever its scores.

minDCF is 1 where no threshold does better than to decide the same of everything; actDCF is 2.9 where every decision is
wrong, as the EER is 1; Cllr has no bound, for scores may be wrong with any confidence, and any number in the place of
infinity would rank above a trial that ended.
"""

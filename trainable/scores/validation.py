"""What the scores of the validation split say about a trial."""

import statistics

import numpy as np

from data_prep.eer_bootstrap import eer_interval
from data_prep.error_rates import equal_error_rate
from trainable.config import ValidationConfig
from trainable.metrics.metrics import eer_by_attack
from trainable.scores.costs import detection_costs
from trainable.scores.scores import ScoreTable


def validation_metrics(table: ScoreTable, config: ValidationConfig) -> dict[str, float] | None:
    """EER with its bootstrap interval and threshold, EERs over attacks, and costs; none when scores are not finite."""
    if not np.isfinite(table.score).all():
        return None
    eer, threshold = equal_error_rate(table.bonafide, table.spoof)
    low, high, deviation = eer_interval(table.bonafide, table.spoof, config.num_resamples, config.confidence)
    attack_eers = eer_by_attack(table.score, table.label, table.attack).values()
    return {
        "dev_eer": eer,
        "dev_eer_low": low,
        "dev_eer_high": high,
        "dev_eer_sd": deviation,
        "dev_threshold": threshold,
        "dev_mean_attack_eer": statistics.fmean(attack_eers),
        "dev_worst_attack_eer": max(attack_eers),
        **{f"dev_{name}": cost for name, cost in detection_costs(table).items()},
    }

"""What a trial says about itself at each validation."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """State of a trial after a validation.

    Args:
        samples_seen: training samples so far; the time axis of everything.
        passes: the same in passes over the training split.
        metrics: train_loss (mean since the report before), learning_rate (last used), grad_norm (mean before clipping),
            dev_eer, dev_eer_low, dev_eer_high, dev_eer_sd (bootstrap), dev_threshold, utterances_per_s (training
            alone), epoch_s (seconds of training and validation since the report before), diverged (0 or 1). A trial
            over folds has others, see `trainable.folds`.
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


WORST_DEV = {"dev_eer": 1.0, "dev_eer_low": 1.0, "dev_eer_high": 1.0, "dev_eer_sd": 0.0, "dev_threshold": 0.0}
"""Validation metrics of a diverged trial."""

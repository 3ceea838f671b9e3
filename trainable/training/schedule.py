"""The learning rate as a pure function of progress, so that resuming needs no state."""

import math

from trainable.config import OptimizerConfig


def learning_rate(config: OptimizerConfig, progress: float) -> float:
    """Rate at ``progress`` (share of the budget seen, 0 to 1): linear warm-up, then constant or half a cosine to zero.

    Cosine: Loshchilov and Hutter 2017, eq. 5, one period without restart.
    """
    if progress < config.warmup_share:
        return config.learning_rate * progress / config.warmup_share
    if config.schedule == "constant":
        return config.learning_rate
    after_warmup = min(1.0, (progress - config.warmup_share) / (1.0 - config.warmup_share))
    return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * after_warmup))

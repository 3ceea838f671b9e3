import pytest

from trainable.config import OptimizerConfig
from trainable.training.schedule import learning_rate


def test_cosine_rises_and_falls_to_zero():
    config = OptimizerConfig(learning_rate=2.0e-3, warmup_share=0.1)
    rates = [learning_rate(config, progress) for progress in (0.0, 0.05, 0.1, 0.55, 1.0)]
    assert rates == pytest.approx([0.0, 1e-3, 2e-3, 1e-3, 0.0], abs=1e-12)


def test_constant_stays_after_warm_up():
    config = OptimizerConfig(learning_rate=1e-3, schedule="constant", warmup_share=0.5)
    assert [learning_rate(config, progress) for progress in (0.25, 0.5, 1.0)] == pytest.approx([5e-4, 1e-3, 1e-3])


def test_no_warm_up_begins_at_the_peak():
    assert learning_rate(OptimizerConfig(learning_rate=1e-3, warmup_share=0.0), 0.0) == 1e-3

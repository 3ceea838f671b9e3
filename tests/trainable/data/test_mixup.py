import pytest
import torch
from courses import assert_resumes_exactly
from torch.nn import functional

from trainable.data.mixup import Mixture, draw_mixture
from trainable.training.training import Training

CPU = torch.device("cpu")


def test_without_alpha_nothing_is_mixed() -> None:
    assert draw_mixture(0.0, 8, 1, CPU) is None


def test_a_mixture_follows_from_its_seed() -> None:
    first, again, other = (draw_mixture(0.4, 8, seed, CPU) for seed in (1, 1, 2))
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.share == again.share != other.share
    assert torch.equal(first.other, again.other)
    assert sorted(first.other.tolist()) == list(range(8))


def test_shares_follow_the_beta_distribution() -> None:
    """Of mean 1/2 and variance 1 / (4 (2 alpha + 1))."""
    shares = torch.tensor([mixture.share for seed in range(2000) if (mixture := draw_mixture(0.5, 2, seed, CPU))])
    assert shares.mean().item() == pytest.approx(0.5, abs=0.03)
    assert shares.var().item() == pytest.approx(0.125, abs=0.01)


def test_features_and_loss_are_mixed_in_the_same_shares() -> None:
    """The loss is the cross-entropy of the mixed one-hot labels."""
    features, logits, labels = torch.randn(4, 5, 3), torch.randn(4, 2), torch.tensor([0, 1, 1, 0])
    mixture = Mixture(torch.tensor(0.3), torch.tensor([1, 0, 3, 2]))
    torch.testing.assert_close(mixture.features(features), 0.3 * features + 0.7 * features[mixture.other])
    one_hot = functional.one_hot(labels, 2).float()
    expected = functional.cross_entropy(logits, 0.3 * one_hot + 0.7 * one_hot[mixture.other])
    loss = mixture.loss(functional.cross_entropy, logits, labels, labels[mixture.other])
    torch.testing.assert_close(loss, expected)


def test_killed_training_with_mixup_and_l1_resumes_bit_for_bit(toy_shards, toy_trial, tmp_path) -> None:
    config = toy_trial(batch={"size": 8, "crop_s": 0.5, "mixup_alpha": 0.3}, optimizer={"l1": 1e-4}, budget_passes=2.0)
    assert_resumes_exactly(config, toy_shards, tmp_path / "checkpoint", steps=3)


def test_l1_shrinks_the_weights(toy_shards, toy_trial) -> None:
    sums = {}
    for l1 in (0.0, 0.01):
        training = Training(toy_trial(optimizer={"l1": l1}, budget_passes=3.0), toy_shards, seed=1)
        for _ in training:
            pass
        sums[l1] = sum(p.abs().sum().item() for p in training.model.parameters() if p.dim() > 1)
    assert sums[0.01] < 0.9 * sums[0.0]

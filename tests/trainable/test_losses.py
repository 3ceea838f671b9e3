import pytest
import torch
from torch.nn import functional

from cluster.errors import SpoofsweepError
from cluster.settings import parse_settings
from trainable.config import LossConfig
from trainable.losses import WeightedCrossEntropy

LOGITS = torch.tensor([[1.0, -1.0], [0.5, 0.0], [-2.0, 0.5], [0.0, 3.0]])
LABELS = torch.tensor([0, 1, 0, 1])


@pytest.mark.parametrize("weight", [0.0, 1.0, -0.1])
def test_a_class_weight_of_zero_is_refused(weight):
    with pytest.raises(SpoofsweepError, match="bonafide_weight"):
        parse_settings(LossConfig, {"bonafide_weight": weight})


def test_equal_weights_are_plain_cross_entropy():
    loss = WeightedCrossEntropy(LossConfig(bonafide_weight=0.5), bonafide_share=0.3)(LOGITS, LABELS)
    torch.testing.assert_close(loss, functional.cross_entropy(LOGITS, LABELS))


@pytest.mark.parametrize("weight", [0.05, 0.5, 0.9])
def test_chance_level_costs_log_two_whatever_the_weight(weight):
    """With the classes drawn at their share, so a learning rate means the same for each weight."""
    loss = WeightedCrossEntropy(LossConfig(bonafide_weight=weight), bonafide_share=0.25)
    assert float(loss(torch.zeros(4, 2), torch.tensor([1, 0, 0, 0]))) == pytest.approx(0.6931, abs=1e-4)


def test_weight_shifts_the_loss_to_its_class():
    loss = WeightedCrossEntropy(LossConfig(bonafide_weight=0.9), bonafide_share=0.5)
    torch.testing.assert_close(loss(LOGITS[:1], LABELS[:1]), 0.2 * functional.cross_entropy(LOGITS[:1], LABELS[:1]))
    torch.testing.assert_close(loss(LOGITS[1:2], LABELS[1:2]), 1.8 * functional.cross_entropy(LOGITS[1:2], LABELS[1:2]))


def test_label_smoothing_penalises_certainty():
    certain = torch.tensor([[20.0, -20.0]])
    losses = [WeightedCrossEntropy(LossConfig(label_smoothing=s), 0.5)(certain, LABELS[:1]) for s in (0.0, 0.1)]
    assert losses[0] < 1e-6 < losses[1]

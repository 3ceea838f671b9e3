import pytest
import torch
from torch.nn import functional
from toy_shards import NUM_BINS

from cluster.errors import SpoofsweepError
from cluster.settings import parse_settings
from trainable.checkpoints.checkpoint import read_model
from trainable.config import LossConfig
from trainable.models.heads import build_head
from trainable.models.losses import LOSSES, WeightedLoss
from trainable.training.training import Training

LOGITS = torch.tensor([[1.0, -1.0], [0.5, 0.0], [-2.0, 0.5], [0.0, 3.0]])
LABELS = torch.tensor([0, 1, 0, 1])


@pytest.mark.parametrize("weight", [0.0, 1.0, -0.1])
def test_a_class_weight_of_zero_is_refused(weight):
    with pytest.raises(SpoofsweepError, match="bonafide_weight"):
        parse_settings(LossConfig, {"bonafide_weight": weight})


def test_equal_weights_are_plain_cross_entropy():
    loss = WeightedLoss(LossConfig(bonafide_weight=0.5), bonafide_share=0.3)(LOGITS, LABELS)
    torch.testing.assert_close(loss, functional.cross_entropy(LOGITS, LABELS))


@pytest.mark.parametrize("weight", [0.05, 0.5, 0.9])
def test_chance_level_costs_log_two_whatever_the_weight(weight):
    """With the classes drawn at their share, so a learning rate means the same for each weight."""
    loss = WeightedLoss(LossConfig(bonafide_weight=weight), bonafide_share=0.25)
    assert float(loss(torch.zeros(4, 2), torch.tensor([1, 0, 0, 0]))) == pytest.approx(0.6931, abs=1e-4)


def test_weight_shifts_the_loss_to_its_class():
    loss = WeightedLoss(LossConfig(bonafide_weight=0.9), bonafide_share=0.5)
    torch.testing.assert_close(loss(LOGITS[:1], LABELS[:1]), 0.2 * functional.cross_entropy(LOGITS[:1], LABELS[:1]))
    torch.testing.assert_close(loss(LOGITS[1:2], LABELS[1:2]), 1.8 * functional.cross_entropy(LOGITS[1:2], LABELS[1:2]))


def test_label_smoothing_penalises_certainty():
    certain = torch.tensor([[20.0, -20.0]])
    losses = [WeightedLoss(LossConfig(label_smoothing=s), 0.5)(certain, LABELS[:1]) for s in (0.0, 0.1)]
    assert losses[0] < 1e-6 < losses[1]


COSINES = torch.tensor([[0.8, 0.5], [0.1, 0.95], [-0.2, 0.6], [0.3, 0.4]])


def utterance_losses(kind: str, **settings: float) -> torch.Tensor:
    """Of ``COSINES`` and ``LABELS``."""
    return LOSSES[kind][0](LossConfig(kind=kind, **settings), COSINES, LABELS)


def test_focal_without_focus_is_cross_entropy():
    torch.testing.assert_close(utterance_losses("focal", focal_gamma=0.0), utterance_losses("cross_entropy"))


def test_focal_by_hand():
    true = torch.softmax(COSINES, dim=1)[torch.arange(4), LABELS]
    torch.testing.assert_close(utterance_losses("focal", focal_gamma=2.0), -((1 - true) ** 2) * true.log())


def test_am_softmax_by_hand():
    """Equation 6 of the paper, with the cosine of the true class and that of the other."""
    true, other = COSINES[torch.arange(4), LABELS], COSINES[torch.arange(4), 1 - LABELS]
    lifted = torch.exp(15 * (true - 0.3))
    expected = -torch.log(lifted / (lifted + torch.exp(15 * other)))
    torch.testing.assert_close(utterance_losses("am_softmax", scale=15.0, margin=0.3), expected)


def test_one_class_softmax_by_hand():
    """Equation 4: bona fide speech above one margin and spoofs below the other cost little."""
    cosine = COSINES[:, 1] - COSINES[:, 0]
    signed = torch.where(LABELS == 1, 0.9 - cosine, cosine - 0.2)
    torch.testing.assert_close(utterance_losses("oc_softmax"), torch.log1p(torch.exp(20 * signed)))


def test_squared_distance_by_hand():
    expected = torch.tensor([0.2**2 + 0.5**2, 0.1**2 + 0.05**2, 1.2**2 + 0.6**2, 0.3**2 + 0.6**2])
    torch.testing.assert_close(utterance_losses("p2sgrad"), expected)


@pytest.mark.parametrize("kind", LOSSES)
def test_every_loss_falls_with_the_score_of_its_class(kind):
    better = COSINES + 0.05 * torch.where(functional.one_hot(LABELS, 2) == 1, 1.0, -1.0)
    config = LossConfig(kind=kind)
    assert (LOSSES[kind][0](config, better, LABELS) < LOSSES[kind][0](config, COSINES, LABELS)).all()


@pytest.mark.parametrize("head", ["cosine", "one_class"])
def test_cosines_do_not_know_the_size_of_an_embedding(head):
    layer, embedding = build_head(head, 6), torch.randn(5, 6)
    torch.testing.assert_close(layer(embedding), layer(7 * embedding))
    assert (layer(embedding).abs() <= 1 + 1e-6).all()


@pytest.mark.parametrize("kind", LOSSES)
def test_training_learns_by_every_loss_and_its_model_comes_back(kind, toy_shards, toy_trial, tmp_path):
    config = toy_trial(loss={"kind": kind, "bonafide_weight": 0.5}, budget_passes=12.0, report_passes=12.0)
    training = Training(config, toy_shards, seed=1)
    assert list(training)[-1].metrics["dev_eer"] < 0.25
    training.write_model(tmp_path / "model")
    _, model = read_model(tmp_path / "model")
    features = torch.randn(3, 60, NUM_BINS)
    assert torch.equal(model(features), training.model.eval()(features))

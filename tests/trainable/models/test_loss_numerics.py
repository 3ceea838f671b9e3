"""Losses where float32 could overflow, vanish or cancel, against float64; and their precision in training."""

import pytest
import torch
from roundoff import LOSS_SCALE, UNIT

from trainable.config import LossConfig
from trainable.models.losses import LOSSES, WeightedLoss
from trainable.training.training import Training

MARGINS = torch.tensor([0.0, 1e-3, 0.5, 3.0, 10.0, 17.0, 20.0, 50.0, 104.0, 300.0, 3e4])
LOGITS = torch.cat([-MARGINS.flip(0), MARGINS])
"""Differences of two logits, from certainly wrong to certainly right: beyond 17 float32 rounds a probability to 1,
beyond 104 to 0."""
COSINES = torch.linspace(-1.0, 1.0, 41)
EXTREMES = {
    "cross_entropy": LossConfig(),
    "cross_entropy-smoothed": LossConfig(label_smoothing=0.2),
    "focal": LossConfig(kind="focal"),
    "focal-of-cross-entropy": LossConfig(kind="focal", focal_gamma=0.0),
    "focal-below-one": LossConfig(kind="focal", focal_gamma=0.3),
    "focal-steep": LossConfig(kind="focal", focal_gamma=10.0, label_smoothing=0.2),
    "am_softmax": LossConfig(kind="am_softmax", scale=100.0, margin=1.0),
    "am_softmax-inverted": LossConfig(kind="am_softmax", scale=100.0, margin=-1.0),
    "oc_softmax": LossConfig(kind="oc_softmax", scale=100.0, margin=1.0, spoof_margin=-1.0),
    "p2sgrad": LossConfig(kind="p2sgrad"),
}


def losses_and_slopes(config, logits_BC, label):
    logits_BC = logits_BC.clone().requires_grad_()
    loss_B = LOSSES[config.kind][0](config, logits_BC, torch.full((len(logits_BC),), label))
    loss_B.sum().backward()
    return loss_B.detach().double(), logits_BC.grad.double()


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("name", EXTREMES)
def test_losses_neither_overflow_nor_vanish(name, label):
    """A sum of logits rounds by ``u`` of its terms, a probability therefore too, a slope besides by ``scale`` times
    that; where float64 sees a loss or a slope, float32 sees the same."""
    config = EXTREMES[name]
    linear = LOSSES[config.kind][1] == "linear"
    values = LOGITS if linear else COSINES
    logits_BC = torch.stack((torch.zeros_like(values) if linear else -values, values), dim=1)
    scale = 1.0 if linear else config.scale
    terms_B = 1.0 + scale * logits_BC.double().abs().sum(dim=1) + scale
    tolerance_B = 8 * UNIT["float32"] * terms_B
    loss_B, slope_BC = losses_and_slopes(config, logits_BC, label)
    exact_B, exact_BC = losses_and_slopes(config, logits_BC.double(), label)
    assert loss_B.isfinite().all()
    assert slope_BC.isfinite().all()
    known_BC = exact_BC.isfinite()  # float64 has the like trouble further out, where slopes are nothing
    assert ((loss_B - exact_B).abs() <= tolerance_B).all()
    assert ((slope_BC - exact_BC).abs() <= scale * tolerance_B[:, None])[known_BC].all()


@pytest.mark.parametrize("kind", ["cross_entropy", "focal", "am_softmax", "oc_softmax", "p2sgrad"])
def test_a_certain_mistake_is_answered_in_full(kind):
    """The slope does not vanish where the model is wrong by as much as it can be."""
    config = LossConfig(kind=kind, scale=100.0)
    worst = 300.0 if LOSSES[kind][1] == "linear" else 1.0
    _, slope_BC = losses_and_slopes(config, torch.tensor([[worst, -worst]]), 1)
    assert slope_BC[0, 1] <= -(100.0 if "softmax" in kind else 1.0)


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("mixup", [0.0, 0.5])
def test_training_computes_losses_in_float32(kind, precision, mixup, toy_shards, toy_trial, monkeypatch):
    seen = set()
    compute, head = LOSSES[kind]

    def watched(config, logits_BC, label_B):
        loss_B = compute(config, logits_BC, label_B)
        seen.update({logits_BC.dtype, loss_B.dtype, torch.is_autocast_enabled(logits_BC.device.type)})
        return loss_B

    monkeypatch.setitem(LOSSES, kind, (watched, head))
    config = toy_trial(loss={"kind": kind}, precision=precision, batch={"mixup_alpha": mixup})
    Training(config, toy_shards, seed=1).step()
    assert seen == {torch.float32, False}


def test_class_weights_keep_the_loss_in_float32():
    loss = WeightedLoss(LossConfig(bonafide_weight=0.9), 0.1)(torch.randn(4, 2), torch.tensor([0, 1, 0, 1]))
    assert loss.dtype == torch.float32


def test_the_loss_scale_saves_gradients_that_fp16_cannot_hold():
    """float16 ends at 6e-8: a loss that is nearly gone moves no weight unless it is scaled."""
    weight = torch.full((4,), 1.0, requires_grad=True)
    for scale, expected in ((1.0, 0.0), (LOSS_SCALE, 1e-8)):
        weight.grad = None
        (scale * (1e-8 * weight.half().float()).sum()).backward()
        torch.testing.assert_close(weight.grad / scale, torch.full((4,), expected), rtol=2 * UNIT["fp16"], atol=0.0)

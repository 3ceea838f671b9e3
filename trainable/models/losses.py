"""Losses by name: each maps logits of its own head to a loss an utterance, which the class weights then average.

Legend: B batch, C classes (spoof = 0, bona fide = 1).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainable.config import LossConfig
from trainable.models.heads import Head

UtteranceLoss = Callable[[LossConfig, Tensor, Tensor], Tensor]
"""Of the settings, ``logits_BC`` and ``label_B``: the loss of each utterance, ``[B]``."""


def cross_entropy(config: LossConfig, logits_BC: Tensor, label_B: Tensor) -> Tensor:
    """Cross-entropy of the softmax."""
    return functional.cross_entropy(logits_BC, label_B, reduction="none", label_smoothing=config.label_smoothing)


def focal(config: LossConfig, logits_BC: Tensor, label_B: Tensor) -> Tensor:
    """Cross-entropy times ``(1 - p) ** gamma``, p the probability of the true class (Lin et al. 2017, eq. 4).

    The weight goes along with its gradient, as published.
    """
    true_B = functional.log_softmax(logits_BC, dim=1).gather(1, label_B[:, None])[:, 0].exp()
    # Where 1 - p rounds to zero, the slope of a power below 1 would be infinite, and the gradient not a number.
    missing_B = (1.0 - true_B).clamp(min=torch.finfo(true_B.dtype).tiny)
    return missing_B**config.focal_gamma * cross_entropy(config, logits_BC, label_B)


def am_softmax(config: LossConfig, logits_BC: Tensor, label_B: Tensor) -> Tensor:
    """Cross-entropy of scaled cosines, the true one less a margin (Wang, Cheng, Liu and Liu 2018, eq. 6)."""
    margin_BC = config.margin * functional.one_hot(label_B, logits_BC.shape[1])
    return cross_entropy(config, config.scale * (logits_BC - margin_BC), label_B)


def oc_softmax(config: LossConfig, logits_BC: Tensor, label_B: Tensor) -> Tensor:
    """One-class softmax (Zhang, Jiang and Duan 2021, eq. 4).

    Bona fide speech is drawn within one margin of its vector, spoofs are pushed beyond another: the cosine of the first
    should be above ``margin``, that of the second below ``spoof_margin``.
    """
    cosine_B = logits_BC[:, 1] - logits_BC[:, 0]
    lacking_B = torch.where(label_B == 1, config.margin - cosine_B, cosine_B - config.spoof_margin)
    return functional.softplus(config.scale * lacking_B)


def p2sgrad(config: LossConfig, logits_BC: Tensor, label_B: Tensor) -> Tensor:
    """Squared distance of the cosines from one-hot labels, whose gradient is that of P2SGrad (Wang and Yamagishi 2021,
    eq. 3; Zhang et al. 2019)."""
    return (logits_BC - functional.one_hot(label_B, logits_BC.shape[1])).square().sum(dim=1)


LOSSES: dict[str, tuple[UtteranceLoss, Head]] = {
    "cross_entropy": (cross_entropy, "linear"),
    "focal": (focal, "linear"),
    "am_softmax": (am_softmax, "cosine"),
    "oc_softmax": (oc_softmax, "one_class"),
    "p2sgrad": (p2sgrad, "cosine"),
}
"""Each with the head that it wants."""


def head_of(config: LossConfig) -> Head:
    """The head of a model that this loss trains."""
    return LOSSES[config.kind][1]


class WeightedLoss(nn.Module):
    """Mean over the batch of ``weight[class] * loss``.

    The two weights are scaled so that their mean over the training draws is 1. The loss then keeps its size whatever
    ``bonafide_weight`` is, and unlike PyTorch's own weighted mean, which divides by the weights that happen to be in
    the batch, a batch with few bona fide utterances does not count its spoofs for more.

    Args:
        bonafide_share: share of bona fide utterances among the training draws.
    """

    def __init__(self, config: LossConfig, bonafide_share: float) -> None:
        super().__init__()
        self._config, self._loss = config, LOSSES[config.kind][0]
        weight_C = torch.tensor([1.0 - config.bonafide_weight, config.bonafide_weight])
        mean = (1.0 - bonafide_share) * weight_C[0] + bonafide_share * weight_C[1]
        self.weight_C: Tensor
        self.register_buffer("weight_C", weight_C / mean, persistent=False)

    def forward(self, logits_BC: Tensor, label_B: Tensor) -> Tensor:
        return (self.weight_C[label_B] * self._loss(self._config, logits_BC, label_B)).mean()

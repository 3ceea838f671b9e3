"""Weighted cross-entropy.

Legend: B batch, C classes (spoof = 0, bona fide = 1).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainable.config import LossConfig


class WeightedCrossEntropy(nn.Module):
    """Mean over the batch of ``weight[class] * cross_entropy``.

    The two weights are scaled so that their mean over the training draws is 1. The loss then keeps its size whatever
    ``bonafide_weight`` is, and unlike PyTorch's own weighted mean, which divides by the weights that happen to be in
    the batch, a batch with few bona fide utterances does not count its spoofs for more.

    Args:
        bonafide_share: share of bona fide utterances among the training draws.
    """

    def __init__(self, config: LossConfig, bonafide_share: float) -> None:
        super().__init__()
        self.label_smoothing = config.label_smoothing
        weight_C = torch.tensor([1.0 - config.bonafide_weight, config.bonafide_weight])
        mean = (1.0 - bonafide_share) * weight_C[0] + bonafide_share * weight_C[1]
        self.weight_C: Tensor
        self.register_buffer("weight_C", weight_C / mean, persistent=False)

    def forward(self, logits_BC: Tensor, label_B: Tensor) -> Tensor:
        loss_B = functional.cross_entropy(logits_BC, label_B, reduction="none", label_smoothing=self.label_smoothing)
        return (self.weight_C[label_B] * loss_B).mean()

"""Poolings over time: a sequence of hidden vectors becomes one vector an utterance.

Legend: B batch, T frames, H hidden units.
"""

import torch
from torch import Tensor, nn

from trainable.config import ModelConfig

_MIN_VARIANCE = 1e-6
_ATTENTION_UNITS = 64


class MeanPooling(nn.Module):
    """Average over time: ``[B, T, H] -> [B, H]``."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.output_size = size

    def forward(self, hidden_BTH: Tensor) -> Tensor:
        return hidden_BTH.mean(dim=1)


class MaxPooling(nn.Module):
    """Maximum over time: ``[B, T, H] -> [B, H]``."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.output_size = size

    def forward(self, hidden_BTH: Tensor) -> Tensor:
        return hidden_BTH.amax(dim=1)


class AttentiveStatistics(nn.Module):
    """Attentive statistics pooling (Okabe, Koshinaka and Shinoda 2018, eq. 2-6): ``[B, T, H] -> [B, 2 H]``.

    Deviation: no bias k in eq. 2, because the softmax over time cancels it.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.output_size = 2 * size
        self.hidden = nn.Linear(size, _ATTENTION_UNITS)
        self.score = nn.Linear(_ATTENTION_UNITS, 1, bias=False)

    def forward(self, hidden_BTH: Tensor) -> Tensor:
        weight_BT1 = self.score(torch.tanh(self.hidden(hidden_BTH))).softmax(dim=1)
        mean_BH = (weight_BT1 * hidden_BTH).sum(dim=1)
        # Eq. 6 as the variance about the mean: E[h^2] - E[h]^2 cancels badly in single precision.
        variance_BH = (weight_BT1 * (hidden_BTH - mean_BH[:, None]).square()).sum(dim=1)
        return torch.cat((mean_BH, variance_BH.clamp(min=_MIN_VARIANCE).sqrt()), dim=1)


def build_pooling(config: ModelConfig, size: int) -> MeanPooling | MaxPooling | AttentiveStatistics:
    """The pooling that ``config.pooling`` names, for hidden vectors of ``size`` units."""
    if config.pooling == "mean":
        return MeanPooling(size)
    return MaxPooling(size) if config.pooling == "max" else AttentiveStatistics(size)

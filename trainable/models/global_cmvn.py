"""Global mean and variance normalisation, a fixed layer in front of a network.

Legend: B batch, T frames, F feature bins.
"""

import torch
from torch import Tensor, nn


class GlobalCmvn(nn.Module):
    """``(feature - mean) / standard deviation`` by bin, ``[B, T, F] -> [B, T, F]``.

    The statistics are saved with the weights, so a model needs no shards to apply them.
    """

    def __init__(self, mean_F: Tensor, std_F: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean_F", mean_F)
        self.register_buffer("std_F", std_F)
        self.mean_F: Tensor
        self.std_F: Tensor

    @classmethod
    def unfilled(cls, num_bins: int) -> "GlobalCmvn":
        """To be filled from saved weights."""
        return cls(torch.zeros(num_bins), torch.ones(num_bins))

    def forward(self, feat_BTF: Tensor) -> Tensor:
        return (feat_BTF - self.mean_F) / self.std_F

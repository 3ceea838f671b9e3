"""Brings every feature bin to zero mean and unit variance.

Legend: B batch, T frames, F feature bins.
"""

from torch import Tensor, nn


class BinScale(nn.BatchNorm1d):
    """Batch statistics of each bin over utterances and frames: ``[B, T, F] -> [B, T, F]``."""

    def forward(self, feat_BTF: Tensor) -> Tensor:
        return super().forward(feat_BTF.flatten(0, 1)).view_as(feat_BTF)

"""Kinds of dropout beside PyTorch's own. Draws come from the global generator of the device, as PyTorch's do.

Legend: B batch, T frames, F feature bins, C channels, H hidden units.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from trainable.config import ModelConfig


class BandDropout(nn.Module):
    """Zeroes a band of frequencies of each utterance's map, in all channels and frames: ``[B, C, T, F]`` as it was.

    Frequency masking, which generalises to unseen attacks and channels (Chen et al. 2020, Kwak et al. 2022), in hidden
    maps. Deviations: the band's share of the bins is uniform about ``p``, as wide as stays within 0 and 1, and its
    place wraps around, so that every bin is dropped with probability ``p``; what is left is scaled as by dropout.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, maps_BCTF: Tensor) -> Tensor:
        if not self.training or not self.p:
            return maps_BCTF
        num_utterances, num_bins = maps_BCTF.shape[0], maps_BCTF.shape[3]
        start_B1, draw_B1 = torch.rand(2, num_utterances, 1, device=maps_BCTF.device)
        share_B1 = self.p + (2 * draw_B1 - 1) * min(self.p, 1 - self.p)
        place_F = (torch.arange(num_bins, device=maps_BCTF.device) + 0.5) / num_bins
        kept_BF = (place_F - start_B1).remainder(1.0) >= share_B1
        return maps_BCTF * (kept_BF / (1 - self.p)).to(maps_BCTF.dtype)[:, None, None]


class LockedDropout(nn.Module):
    """Dropout of a sequence by the same mask at all frames (Gal and Ghahramani 2016): ``[B, T, H]`` as it was."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout1d(p)

    def forward(self, hidden_BTH: Tensor) -> Tensor:
        return self.dropout(hidden_BTH.transpose(1, 2)).transpose(1, 2)


class StochasticDepth(nn.Module):
    """Zeroes the map of an utterance, with which the body of a block is left out: ``[B, C, T, F]`` as it was.

    Huang, Sun, Liu, Sedra and Weinberger 2016. Deviation: what stays is scaled in training instead of in evaluation.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout3d(p)

    def forward(self, maps_BCTF: Tensor) -> Tensor:
        return self.dropout(maps_BCTF.unsqueeze(0)).squeeze(0)  # utterances in the place of channels


_MAP_DROPOUTS: dict[str, Callable[[float], nn.Module]] = {
    "channel": nn.Dropout2d,
    "element": nn.Dropout,
    "band": BandDropout,
}


def map_dropout(config: ModelConfig) -> nn.Module:
    """The dropout behind a convolution block, of the kind that ``config.cnn_dropout_kind`` names."""
    return _MAP_DROPOUTS[config.cnn_dropout_kind](config.cnn_dropout)

"""A causal CNN-GRU of few parameters, for phones: no frame waits for a later one.

Legend: B batch, T frames, F feature bins, C channels, H hidden units.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from trainable.config import ModelConfig
from trainable.models.blocks import pooled_bins
from trainable.models.heads import Head, build_head
from trainable.models.recurrent import recurrent

MAX_PARAMETERS = 50_000
_KERNEL = 3
_CHANNELS = (16, 24, 32)


class CausalSeparable(nn.Module):
    """A depthwise and a pointwise convolution (Howard et al. 2017) that see the past alone; halves frequency."""

    def __init__(self, num_inputs: int, num_outputs: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            num_inputs, num_inputs, _KERNEL, stride=(1, 2), padding=(0, 1), groups=num_inputs, bias=False
        )
        self.pointwise = nn.Conv2d(num_inputs, num_outputs, 1, bias=False)
        self.norm = nn.BatchNorm2d(num_outputs)

    def forward(self, maps_BCTF: Tensor) -> Tensor:
        return torch.relu(self.norm(self.pointwise(self.depthwise(pad(maps_BCTF, (0, 0, _KERNEL - 1, 0))))))


class EdgeGru(nn.Module):
    """``feat_BTF -> logits_BC``: the mean over time of `frame_logits`, which a stream can take as they come.

    Of the settings, ``gru_size`` and ``dropout`` count. Features are scaled by batch statistics of each bin, without
    the mean over the window, which a stream does not know.
    """

    def __init__(self, config: ModelConfig, num_bins: int, head: Head = "linear") -> None:
        super().__init__()
        self.scale = nn.BatchNorm1d(num_bins)
        self.lift = nn.Conv2d(1, _CHANNELS[0], (1, _KERNEL), padding=(0, 1), bias=False)
        widths = (_CHANNELS[0], *_CHANNELS)
        self.blocks = nn.Sequential(*(CausalSeparable(a, b) for a, b in pairwise(widths)))
        num_values = _CHANNELS[-1] * pooled_bins(num_bins, len(_CHANNELS))
        self.project = nn.Linear(num_values, config.gru_size)
        self.gru = nn.GRU(config.gru_size, config.gru_size, batch_first=True)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = build_head(head, config.gru_size)

    def frame_logits(self, feat_BTF: Tensor) -> Tensor:
        """Logits ``[B, T, C]`` of every frame, from it and the frames before."""
        scaled_BTF = self.scale(feat_BTF.flatten(0, 1)).view_as(feat_BTF)
        maps_BCTF = self.blocks(self.lift(scaled_BTF.unsqueeze(1)))
        hidden_BTH = recurrent(self.gru, self.project(maps_BCTF.transpose(1, 2).flatten(2)))
        with torch.autocast(feat_BTF.device.type, enabled=False):
            return self.classifier(self.dropout(hidden_BTH.float()))

    def forward(self, feat_BTF: Tensor) -> Tensor:
        return self.frame_logits(feat_BTF).mean(dim=1)

"""A causal CNN-GRU of few parameters and few operations, for phones: no step waits for a later one.

Legend: B batch, T frames, F feature bins, C channels, S steps, H hidden units.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from trainable.config import ModelConfig
from trainable.models.bin_scale import BinScale
from trainable.models.blocks import pooled_bins
from trainable.models.causal import CausalConv2d, Memory, go_on, look_back, state_shapes
from trainable.models.dropouts import LockedDropout
from trainable.models.heads import Head, build_head
from trainable.models.streamable import Streamable

_KERNEL = 3
_NUM_HALVINGS = 1
"""Of time, if nothing is said."""


class EdgeGru(Streamable):
    """``feat_BTF -> logits_BC``, streamable.

    Of the settings, ``edge_channels``, ``gru_size``, ``dropout`` and ``time_strides`` count; the latter by how often
    they halve time, once if there are none, in the first blocks. Features are scaled by batch statistics of each bin,
    without the mean over the window, which a stream does not know. Dropout is one mask for all steps, as if it stood
    behind their mean.
    """

    def __init__(self, config: ModelConfig, num_bins: int, head: Head = "linear") -> None:
        super().__init__()
        num_halvings = _NUM_HALVINGS if config.time_strides is None else config.time_strides.count(2)
        self.step_frames = 2**num_halvings
        self.scale = BinScale(num_bins)
        blocks = (
            _block(a, b, pooled_bins(num_bins, place), 2 if place < num_halvings else 1)
            for place, (a, b) in enumerate(pairwise((1, *config.edge_channels)))
        )
        self.blocks = nn.Sequential(*blocks).to(memory_format=torch.channels_last)
        num_values = config.edge_channels[-1] * pooled_bins(num_bins, len(config.edge_channels))
        self.project = nn.Linear(num_values, config.gru_size)
        self.gru = nn.GRU(config.gru_size, config.gru_size, batch_first=True)
        self.dropout = LockedDropout(config.dropout)
        self.classifier = build_head(head, config.gru_size)
        self.state_shapes = state_shapes(self)

    def follow(self, feat_BTF: Tensor, states: Sequence[Tensor] | None) -> tuple[Tensor, list[Tensor]]:
        memory = Memory(states)
        maps_BCTF = look_back(self.blocks, self.scale(feat_BTF).unsqueeze(1), memory)
        hidden_BSH = go_on(self.gru, self.project(maps_BCTF.transpose(1, 2).flatten(2)), memory)
        with torch.autocast(feat_BTF.device.type, enabled=False):
            return self.classifier(self.dropout(hidden_BSH.float())), memory.following


def _block(num_inputs: int, num_outputs: int, num_bins: int, time_stride: int) -> nn.Sequential:
    """Halves frequency and, asked, time by the convolution's stride, so that nothing is computed to be dropped."""
    return nn.Sequential(
        CausalConv2d(num_inputs, num_outputs, num_bins, _KERNEL, (time_stride, 2)),
        nn.BatchNorm2d(num_outputs),
        nn.ReLU(inplace=True),
    )

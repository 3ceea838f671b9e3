"""The CNN-GRU for streams: convolutions over the past and frequency, then a one-way GRU.

Legend: B batch, T frames, F feature bins, C channels, S steps, H hidden units.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from trainable.config import ModelConfig
from trainable.models.blocks import InputNormalisation, convolution_stack, pooled_bins, strides
from trainable.models.causal import Memory, go_on, look_back, state_shapes
from trainable.models.dropouts import LockedDropout
from trainable.models.heads import Head, build_head
from trainable.models.streamable import Streamable


class CausalCnnGru(Streamable):
    """``feat_BTF -> logits_BC``, streamable; the network of ``cnn_gru`` with ``causal``.

    The settings are those of `trainable.models.cnn_gru.CnnGru`, but for what a stream cannot have and is not heeded:
    ``bidirectional``, ``pooling`` (the mean over steps) and ``normalise`` (batch statistics of each bin alone). Time is
    pooled within steps. Dropout before the classifier is one mask for all steps, as if it stood behind their mean.
    """

    def __init__(self, config: ModelConfig, num_bins: int, head: Head = "linear") -> None:
        super().__init__()
        self.step_frames = math.prod(strides(config))
        self.normalise = InputNormalisation(num_bins, subtract_mean=False)
        self.blocks = convolution_stack(config, num_bins)
        self.gru_dropout = LockedDropout(config.gru_input_dropout)
        num_inputs = config.channels[-1] * pooled_bins(num_bins, len(config.channels))
        sizes = [num_inputs, *[config.gru_size] * config.gru_layers]
        self.grus = nn.ModuleList(nn.GRU(a, b, batch_first=True) for a, b in pairwise(sizes))
        self.between = nn.Dropout(config.dropout)
        self.dropout = LockedDropout(config.dropout)
        self.classifier = build_head(head, config.gru_size)
        self.state_shapes = state_shapes(self)

    def follow(self, feat_BTF: Tensor, states: Sequence[Tensor] | None) -> tuple[Tensor, list[Tensor]]:
        memory = Memory(states)
        maps_BCTF = look_back(self.blocks, self.normalise(feat_BTF).unsqueeze(1), memory)
        hidden_BSH = self.gru_dropout(maps_BCTF.transpose(1, 2).flatten(2))
        for place, gru in enumerate(self.grus):
            hidden_BSH = go_on(gru, self.between(hidden_BSH) if place else hidden_BSH, memory)
        with torch.autocast(feat_BTF.device.type, enabled=False):
            return self.classifier(self.dropout(hidden_BSH.float())), memory.following

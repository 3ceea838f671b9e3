"""LCNN with bidirectional LSTMs, the baseline of ASVspoof 2021 (Wang and Yamagishi 2021, table 2).

Legend: B batch, T frames, F feature bins, C channels, H hidden units.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from trainable.config import ModelConfig
from trainable.models.blocks import MaxFeatureMap
from trainable.models.heads import Head, build_head
from trainable.models.recurrent import recurrent

# Kernel, channels behind the max feature map, and what follows it: pooling, batch normalisation.
_LAYERS = (
    (5, 32, "p"),
    (1, 32, "n"),
    (3, 48, "pn"),
    (1, 48, "n"),
    (3, 64, "p"),
    (1, 64, "n"),
    (3, 32, "n"),
    (1, 32, "n"),
    (3, 32, "p"),
)
_NUM_POOLINGS = 4
_RECURRENT_LAYERS = 2


class _Halve(nn.Module):
    """Maximum over two frames and two bins, without a last odd one; a single frame or bin stays."""

    def forward(self, maps_BCTF: Tensor) -> Tensor:
        return max_pool2d(maps_BCTF, [2 if size > 1 else 1 for size in maps_BCTF.shape[2:]])


class LcnnBilstm(nn.Module):
    """``feat_BTF -> logits_BC``, of fixed layers; of the settings only ``dropout`` counts (0.7 as published).

    Deviations: a single frame or bin is pooled no further, so that short windows and few bins survive; two logits for
    the losses here instead of one vector for P2SGrad. The mean over time is that of the LSTMs' output plus their
    input, as published.
    """

    def __init__(self, config: ModelConfig, num_bins: int, head: Head = "linear") -> None:
        super().__init__()
        stack: list[nn.Module] = []
        num_inputs = 1
        for kernel_size, num_outputs, then in _LAYERS:
            stack += [nn.Conv2d(num_inputs, 2 * num_outputs, kernel_size, padding=kernel_size // 2), MaxFeatureMap()]
            if "p" in then:
                stack.append(_Halve())
            if "n" in then:
                stack.append(nn.BatchNorm2d(num_outputs, affine=False))
            num_inputs = num_outputs
        self.blocks = nn.Sequential(*stack, nn.Dropout(config.dropout)).to(memory_format=torch.channels_last)
        size = num_inputs * max(1, num_bins // 2**_NUM_POOLINGS)
        self.lstm = nn.LSTM(size, size // 2, _RECURRENT_LAYERS, batch_first=True, bidirectional=True)
        self.classifier = build_head(head, size)

    def forward(self, feat_BTF: Tensor) -> Tensor:
        maps_BCTF = self.blocks(feat_BTF.unsqueeze(1))
        hidden_BTH = maps_BCTF.transpose(1, 2).flatten(2)
        recurrent_BTH = recurrent(self.lstm, hidden_BTH)
        with torch.autocast(feat_BTF.device.type, enabled=False):
            return self.classifier((recurrent_BTH.float() + hidden_BTH.float()).mean(dim=1))

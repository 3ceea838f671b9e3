"""Convolutions over time and frequency, then self-attention over time: a Transformer or a Conformer.

Legend: B batch, T frames, F feature bins, C channels, H hidden units.
"""

import math

import torch
from torch import Tensor, nn

from trainable.config import ModelConfig
from trainable.models.blocks import InputNormalisation, convolution_stack, pooled_bins
from trainable.models.classifier import Classifier
from trainable.models.heads import Head

_FEED_FORWARD = 2
"""Width of the feed-forward layers, in units of the model's; 4 in the papers, of models forty times as large."""
_CONFORMER_KERNEL = 15
"""Frames of the depthwise convolution, at a quarter or an eighth of the feature rate; 31 in the paper."""


class _CnnAttention(nn.Module):
    def __init__(self, config: ModelConfig, num_bins: int, head: Head = "linear") -> None:
        super().__init__()
        self.normalise = InputNormalisation(num_bins, config.normalise)
        self.blocks = convolution_stack(config, num_bins)
        num_values = config.channels[-1] * pooled_bins(num_bins, len(config.channels))
        self.project = nn.Linear(num_values, config.attention_size)
        self.classifier = Classifier(config, config.attention_size, head)

    def attend(self, hidden_BTH: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, feat_BTF: Tensor) -> Tensor:
        maps_BCTF = self.blocks(self.normalise(feat_BTF).unsqueeze(1))
        return self.classifier(self.attend(self.project(maps_BCTF.transpose(1, 2).flatten(2))))


class CnnTransformer(_CnnAttention):
    """``feat_BTF -> logits_BC``, with Transformer layers (Vaswani et al. 2017), normalised before each sublayer."""

    def __init__(self, config: ModelConfig, num_bins: int, head: Head = "linear") -> None:
        super().__init__(config, num_bins, head)
        layer = nn.TransformerEncoderLayer(
            config.attention_size,
            config.attention_heads,
            _FEED_FORWARD * config.attention_size,
            config.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.encoder = nn.TransformerEncoder(
            layer, config.attention_layers, nn.LayerNorm(config.attention_size), enable_nested_tensor=False
        )

    def attend(self, hidden_BTH: Tensor) -> Tensor:
        return self.encoder(hidden_BTH + _positions(hidden_BTH))


class CnnConformer(_CnnAttention):
    """``feat_BTF -> logits_BC``, with Conformer layers (Gulati et al. 2020), those of torchaudio.

    Deviation of torchaudio's from the paper: attention knows no positions, only the convolutions do.
    """

    def __init__(self, config: ModelConfig, num_bins: int, head: Head = "linear") -> None:
        super().__init__(config, num_bins, head)
        from torchaudio.models import Conformer  # a second to import, and the other models do without

        self.encoder = Conformer(
            config.attention_size,
            config.attention_heads,
            _FEED_FORWARD * config.attention_size,
            config.attention_layers,
            _CONFORMER_KERNEL,
            config.dropout,
        )

    def attend(self, hidden_BTH: Tensor) -> Tensor:
        # Layer by layer: its own forward wants lengths, and reads the largest back from the device.
        hidden_TBH = hidden_BTH.transpose(0, 1)
        for layer in self.encoder.conformer_layers:
            hidden_TBH = layer(hidden_TBH, None)
        return hidden_TBH.transpose(0, 1)


def _positions(hidden_BTH: Tensor) -> Tensor:
    """Sines and cosines of the frame number ``[T, H]`` (Vaswani et al. 2017, sec. 3.5)."""
    num_frames, size = hidden_BTH.shape[1:]
    pairs = torch.arange(0, size, 2, device=hidden_BTH.device)
    angle = torch.arange(num_frames, device=hidden_BTH.device)[:, None] * torch.exp(pairs * (-math.log(10_000) / size))
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1).to(hidden_BTH.dtype)

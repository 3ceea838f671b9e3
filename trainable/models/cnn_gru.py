"""Convolutions over time and frequency, then a GRU over time.

Legend: B batch, T frames, F feature bins, C channels, H hidden units (both directions together).
"""

from torch import Tensor, nn

from trainable.config import ModelConfig
from trainable.models.blocks import InputNormalisation, convolution_stack, pooled_bins
from trainable.models.classifier import Classifier
from trainable.models.dropouts import LockedDropout
from trainable.models.heads import Head


class CnnGru(nn.Module):
    """``feat_BTF -> logits_BC``. Convolutions and GRU run under the caller's autocast."""

    def __init__(self, config: ModelConfig, num_bins: int, head: Head = "linear") -> None:
        super().__init__()
        self.normalise = InputNormalisation(num_bins, config.normalise)
        self.blocks = convolution_stack(config)
        self.gru_dropout = LockedDropout(config.gru_input_dropout)
        self.gru = nn.GRU(
            config.channels[-1] * pooled_bins(num_bins, len(config.channels)),
            config.gru_size,
            config.gru_layers,
            batch_first=True,
            bidirectional=config.bidirectional,
            dropout=config.dropout if config.gru_layers > 1 else 0.0,
        )
        self.classifier = Classifier(config, config.gru_size * (1 + config.bidirectional), head)

    def forward(self, feat_BTF: Tensor) -> Tensor:
        maps_BCTF = self.blocks(self.normalise(feat_BTF).unsqueeze(1))
        hidden_BTH, _ = self.gru(self.gru_dropout(maps_BCTF.transpose(1, 2).flatten(2)))
        return self.classifier(hidden_BTH)

"""Convolutions over time and frequency, then a GRU over time.

Legend: B batch, T frames, F feature bins, C channels, H hidden units (both directions together).
"""

from torch import Tensor, nn

from trainable.config import ModelConfig
from trainable.models.blocks import InputNormalisation, convolution_stack, pooled_bins
from trainable.models.classifier import Classifier
from trainable.models.dropouts import LockedDropout
from trainable.models.heads import Head
from trainable.models.recurrent import recurrent


class CnnGru(nn.Module):
    """``feat_BTF -> logits_BC``. Convolutions and GRU run under the caller's autocast."""

    def __init__(self, config: ModelConfig, num_bins: int, head: Head = "linear") -> None:
        super().__init__()
        self.normalise = InputNormalisation(num_bins, config.normalise)
        self.blocks = convolution_stack(config, num_bins)
        self.gru_dropout = LockedDropout(config.gru_input_dropout)
        num_inputs = config.channels[-1] * pooled_bins(num_bins, len(config.channels))
        num_outputs = config.gru_size * (1 + config.bidirectional)
        self.gru = self._layer(num_inputs, config)
        # Layer by layer: cuDNN draws the dropout between layers of one GRU from a state of its own, which the seed of
        # a step does not reach, so that a resumed training would take another course.
        self.further = nn.ModuleList(self._layer(num_outputs, config) for _ in range(config.gru_layers - 1))
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = Classifier(config, num_outputs, head)

    @staticmethod
    def _layer(num_inputs: int, config: ModelConfig) -> nn.GRU:
        return nn.GRU(num_inputs, config.gru_size, batch_first=True, bidirectional=config.bidirectional)

    def forward(self, feat_BTF: Tensor) -> Tensor:
        maps_BCTF = self.blocks(self.normalise(feat_BTF).unsqueeze(1))
        hidden_BTH = recurrent(self.gru, self.gru_dropout(maps_BCTF.transpose(1, 2).flatten(2)))
        for layer in self.further:
            hidden_BTH = recurrent(layer, self.dropout(hidden_BTH))
        return self.classifier(hidden_BTH)

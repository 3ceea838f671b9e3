"""From a sequence of hidden vectors to the logits of an utterance.

Legend: B batch, T frames, H hidden units, C classes (spoof = 0, bona fide = 1).
"""

import torch
from torch import Tensor, nn

from trainable.config import ModelConfig
from trainable.models.heads import Head, build_head
from trainable.models.pooling import build_pooling


class Classifier(nn.Module):
    """Pooling over time, dropout and the head: ``[B, T, H] -> logits_BC``, in float32 under any autocast.

    Logits of bfloat16 tie.
    """

    def __init__(self, config: ModelConfig, size: int, head: Head) -> None:
        super().__init__()
        self.pooling = build_pooling(config, size)
        self.dropout = nn.Dropout(config.dropout)
        self.head = build_head(head, self.pooling.output_size)

    def forward(self, hidden_BTH: Tensor) -> Tensor:
        with torch.autocast(hidden_BTH.device.type, enabled=False):
            return self.head(self.dropout(self.pooling(hidden_BTH.float())))

"""The last layer, as the loss wants it. All give ``logits_BC``, whose difference is the score.

Each takes the embeddings of utterances, ``[B, D]``, or of the steps of utterances, ``[B, S, D]``.

Legend: B batch, S steps, D embedding, C classes (spoof = 0, bona fide = 1).
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Head = Literal["linear", "cosine", "one_class"]
NUM_CLASSES = 2


class CosineHead(nn.Module):
    """Cosines between the embedding and a vector a class: ``[B, D] -> [B, C]``, within -1 and 1."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(NUM_CLASSES, size))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, embedding_BD: Tensor) -> Tensor:
        return _cosines(embedding_BD, self.weight)


class OneClassHead(nn.Module):
    """The cosine between the embedding and the one vector of bona fide speech; the logit of spoofs is 0."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, size))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, embedding_BD: Tensor) -> Tensor:
        cosine_B1 = _cosines(embedding_BD, self.weight)
        return torch.cat((torch.zeros_like(cosine_B1), cosine_B1), dim=-1)


def build_head(head: Head, size: int) -> nn.Module:
    """The head of that name, for embeddings of ``size``."""
    if head == "linear":
        return nn.Linear(size, NUM_CLASSES)
    return CosineHead(size) if head == "cosine" else OneClassHead(size)


def _cosines(embedding_BD: Tensor, weight_CD: Tensor) -> Tensor:
    return functional.linear(functional.normalize(embedding_BD, dim=-1), functional.normalize(weight_CD, dim=-1))

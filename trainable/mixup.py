"""Mixup (Zhang, Cisse, Dauphin and Lopez-Paz 2018): a batch mixed with a shuffled copy of itself.

Legend: B batch, T frames, F feature bins, C classes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from data_prep.draws import generator
from trainable.feature_store import to_device


@dataclass(frozen=True)
class Mixture:
    """How much of each utterance stays, and whom it is mixed with."""

    share: float
    other: Tensor
    """Numbers ``[B]`` of the utterances."""

    def features(self, feat_BTF: Tensor) -> Tensor:
        """The mixed batch."""
        return torch.lerp(feat_BTF[self.other], feat_BTF, self.share)

    def loss(self, loss: Callable[[Tensor, Tensor], Tensor], logits_BC: Tensor, label_B: Tensor) -> Tensor:
        """The loss against both labels, in the same shares; for cross-entropy that of the mixed label (eq. 1)."""
        return self.share * loss(logits_BC, label_B) + (1.0 - self.share) * loss(logits_BC, label_B[self.other])


def draw_mixture(alpha: float, batch_size: int, seed: int, device: torch.device) -> Mixture | None:
    """The mixture of one step, its share from Beta(alpha, alpha); none with ``alpha`` 0."""
    if not alpha:
        return None
    rng = generator(seed, "mixup")
    return Mixture(float(rng.beta(alpha, alpha)), to_device(rng.permutation(batch_size), device))

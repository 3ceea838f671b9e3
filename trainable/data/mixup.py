"""Mixup (Zhang, Cisse, Dauphin and Lopez-Paz 2018): a batch mixed with a shuffled copy of itself.

Legend: B batch, T frames, F feature bins, C classes.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from data_prep.draws import generator
from trainable.data.frames import to_device

Loss = Callable[[Tensor, Tensor], Tensor]
"""Of logits and labels."""


class Mixture(NamedTuple):
    """How much of each utterance stays, and whom it is mixed with; tensors, so that a captured step can take others."""

    share: Tensor
    """A single number."""
    other: Tensor
    """Numbers ``[B]`` of the utterances."""

    def features(self, feat_BTF: Tensor) -> Tensor:
        """The mixed batch."""
        return torch.lerp(feat_BTF[self.other], feat_BTF, self.share)

    def loss(self, loss: Loss, logits_BC: Tensor, label_B: Tensor, other_label_B: Tensor) -> Tensor:
        """The loss against the own labels and the others', in the same shares.

        For cross-entropy this is the loss against the mixed label (eq. 1).
        """
        return torch.lerp(loss(logits_BC, other_label_B), loss(logits_BC, label_B), self.share)


def draw_mixture(alpha: float, batch_size: int, seed: int, device: torch.device) -> Mixture | None:
    """The mixture of one step, its share from Beta(alpha, alpha); none with ``alpha`` 0."""
    if not alpha:
        return None
    rng = generator(seed, "mixup")
    share = torch.tensor(rng.beta(alpha, alpha), dtype=torch.float32)
    return Mixture(to_device(share, device), to_device(rng.permutation(batch_size), device))

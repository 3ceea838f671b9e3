"""Mean and variance normalisation over the frames of an utterance.

Tensor names carry shapes: F frames, N feature bins.
"""

from torch import Tensor

STD_FLOOR = 1e-3
"""No bin is divided by less: features are logarithms, cepstra and their derivatives, and one that moves by less than
this, as in digital silence, holds rounding errors."""


def normalise_utterance(feat_FN: Tensor) -> Tensor:
    """Every bin with zero mean and, unless it hardly moves, unit standard deviation (dividing by F) over the frames."""
    centred_FN = feat_FN - feat_FN.mean(dim=0)
    return centred_FN / centred_FN.square().mean(dim=0).sqrt().clamp(min=STD_FLOOR)

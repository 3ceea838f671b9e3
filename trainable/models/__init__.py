"""Architectures by name.

A model maps ``feat_BTF`` (float32, any number of frames) to ``logits_BC`` (spoof = 0, bona fide = 1).
"""

from collections.abc import Callable

from torch import nn

from trainable.config import ModelConfig
from trainable.models.cnn_gru import CnnGru

MODELS: dict[str, Callable[[ModelConfig, int], nn.Module]] = {"cnn_gru": CnnGru}


def build_model(config: ModelConfig, num_bins: int) -> nn.Module:
    """The architecture that ``config.kind`` names, for features of ``num_bins`` bins, freshly initialised."""
    return MODELS[config.kind](config, num_bins)

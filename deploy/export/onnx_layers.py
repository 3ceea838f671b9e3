"""Layers that have a shorter form in ONNX than PyTorch's export finds.

Legend: B batch, T frames, F feature bins.
"""

import copy

import torch
from torch import Tensor, nn

from deploy.export.onnx_recurrent import OnnxRecurrent
from trainable.models.bin_scale import BinScale


class OnnxScale(nn.Module):
    """A `BinScale` in evaluation: a factor and a summand a bin, ``[B, T, F] -> [B, T, F]``."""

    def __init__(self, scale: BinScale) -> None:
        super().__init__()
        assert scale.running_mean is not None
        assert scale.running_var is not None
        factor_F = scale.weight.detach() * torch.rsqrt(scale.running_var + scale.eps)
        self.register_buffer("factor_F", factor_F)
        self.register_buffer("summand_F", scale.bias.detach() - scale.running_mean * factor_F)
        self.factor_F: Tensor
        self.summand_F: Tensor

    def forward(self, feat_BTF: Tensor) -> Tensor:
        return feat_BTF * self.factor_F + self.summand_F


def with_onnx_layers(model: nn.Module) -> nn.Module:
    """A copy of a model, for `torch.onnx.export` alone, in which such layers are replaced."""
    replaced = copy.deepcopy(model)
    for module in list(replaced.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.GRU | nn.LSTM):
                setattr(module, name, OnnxRecurrent(child))
            elif isinstance(child, BinScale):
                setattr(module, name, OnnxScale(child))
    return replaced

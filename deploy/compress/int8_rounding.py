"""What weights stored in eight bits become when they are read, so that a network can be scored as its file will."""

import copy

import torch
from torch import nn

from deploy.compress.onnx_surgery import FEWEST, LARGEST


@torch.no_grad()
def rounded(model: nn.Module) -> nn.Module:
    """A copy whose weights are rounded as `deploy.compress.onnx_surgery.store_weights_in_int8` stores them.

    There a normalisation is first taken into its convolution; since each output channel has a scale of its own, that
    changes nothing.
    """
    copied = copy.deepcopy(model)
    for weight in (each for each in copied.parameters() if each.ndim > 1 and each.numel() >= FEWEST):
        scale = weight.abs().amax(dim=tuple(range(1, weight.ndim)), keepdim=True) / LARGEST
        scale[scale == 0.0] = 1.0
        weight.copy_((weight / scale).round() * scale)
    return copied

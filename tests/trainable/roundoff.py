"""What the formats of mixed precision promise, and how a model's numbers in them are got.

Legend: B batch, T frames, F feature bins, C classes.

A format with p bits of significand rounds a number by at most u = 2^-p of its size: p is 8 in bfloat16, 11 in float16
and 24 in float32. Errors of different roundings are independent, so those of n of them add up to about sqrt(n) u.
"""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from trainable.hardware.precision import Precision, autocast, full_precision
from trainable.models.dropouts import BandDropout
from trainable.models.losses import WeightedLoss

UNIT = {"bf16": 2.0**-8, "fp16": 2.0**-11, "float32": 2.0**-24}
LOWER: tuple[Precision, ...] = ("bf16", "fp16")
LOSS_SCALE = 2.0**16
"""What a GradScaler begins with."""
DEVICES = (
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")),
)


_DROPOUTS = nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d | BandDropout


class Pass(NamedTuple):
    """One forward and backward pass, in float64 on the CPU."""

    logits: Tensor
    """``[B, C]``."""
    gradient: Tensor
    """Of all parameters, behind each other."""


def run(model: nn.Module, loss: WeightedLoss, feat_BTF: Tensor, label_B: Tensor, precision: Precision) -> Pass:
    """As a training step does it: autocast around the model alone, the loss in float32.

    In fp16 the loss is scaled as a GradScaler would in the end: it halves its scale until no gradient overflows.
    """
    with full_precision(), autocast(precision, feat_BTF.device):
        logits_BC = model(feat_BTF)
    value = loss(logits_BC.float(), label_B)
    scale = LOSS_SCALE if precision == "fp16" else 1.0
    while True:
        with full_precision():
            parts = torch.autograd.grad(scale * value, list(model.parameters()), retain_graph=True)
        gradient = torch.cat([part.flatten() for part in parts]).double().cpu() / scale
        if gradient.isfinite().all() or scale < 1.0:
            return Pass(logits_BC.detach().double().cpu(), gradient)
        scale /= 2


def without_dropout(model: nn.Module) -> nn.Module:
    """The model in training, where batch statistics count, with every dropout off."""
    for module in model.modules():
        if isinstance(module, _DROPOUTS):
            module.p = 0.0
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0
    return model.train()


def relative_error(found: Tensor, exact: Tensor, size: Tensor | None = None) -> float:
    """Euclidean size of the difference, as a share of that of ``size``, or else of what is exact."""
    found, exact = found.detach().double(), exact.detach().double()
    return float((found - exact).norm() / (exact if size is None else size).norm())

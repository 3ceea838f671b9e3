"""Runs recurrent layers in the arithmetic that is sound for them.

Legend: B batch, T frames, H hidden units.
"""

import torch
from torch import Tensor, nn


def recurrent(layer: nn.Module, hidden_BTH: Tensor, initial_BH: Tensor | None = None) -> Tensor:
    """All outputs ``[B, T, H']`` of a batch-first GRU or LSTM; a one-way GRU can go on from where another part ended.

    Under autocast cuDNN's layers take fp16 whatever type autocast has (PyTorch 2.14, AutocastRNN.cpp). With bf16 there
    is no loss scaler to lift small gradients into its range, so there they stay in float32, by TF32 where it is on.
    """
    if hidden_BTH.is_cuda and torch.get_autocast_dtype("cuda") == torch.bfloat16:
        with torch.autocast("cuda", enabled=False):
            return _outputs(layer, hidden_BTH.float(), initial_BH)
    return _outputs(layer, hidden_BTH, initial_BH)


def _outputs(layer: nn.Module, hidden_BTH: Tensor, initial_BH: Tensor | None) -> Tensor:
    return layer(hidden_BTH, None if initial_BH is None else initial_BH[None])[0]

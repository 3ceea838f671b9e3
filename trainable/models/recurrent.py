"""Runs recurrent layers in the arithmetic that is sound for them.

Legend: B batch, T frames, H hidden units.
"""

import torch
from torch import Tensor, nn


def recurrent(layer: nn.Module, hidden_BTH: Tensor) -> Tensor:
    """All outputs ``[B, T, H']`` of a batch-first GRU or LSTM.

    Under autocast cuDNN's layers take fp16 whatever type autocast has (PyTorch 2.14, AutocastRNN.cpp). With bf16 there
    is no loss scaler to lift small gradients into its range, so there they stay in float32, by TF32 where it is on.
    """
    if hidden_BTH.is_cuda and torch.get_autocast_dtype("cuda") == torch.bfloat16:
        with torch.autocast("cuda", enabled=False):
            return layer(hidden_BTH.float())[0]
    return layer(hidden_BTH)[0]

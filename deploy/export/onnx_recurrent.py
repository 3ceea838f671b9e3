"""Recurrent layers as the ONNX operators that they are, while a model is traced.

PyTorch's own export of them takes long and leaves a dozen needless operators about each; before 2.14 it also fixes the
number of frames.

Legend: B batch, T frames, H hidden units, D directions, L layers.
"""

from typing import Any

import torch
from torch import Tensor, nn

_GATES = {"GRU": (1, 0, 2), "LSTM": (0, 3, 1, 2)}
"""Where ONNX has PyTorch's gates: update, reset, new of reset, update, new; input, output, forget, cell of input,
forget, cell, output."""


class OnnxRecurrent(nn.Module):
    """A batch-first GRU or LSTM for `torch.onnx.export` alone: ``[B, T, H] -> ([B, T, D H'],)``."""

    def __init__(self, layer: nn.GRU | nn.LSTM) -> None:
        super().__init__()
        self._kind = layer.mode
        self._size, self._num_layers = layer.hidden_size, layer.num_layers
        self._directions = 2 if layer.bidirectional else 1
        for number in range(layer.num_layers):
            suffixes = [f"_l{number}", f"_l{number}_reverse"][: self._directions]
            for name in ("weight_ih", "weight_hh"):
                parts = [self._reordered(getattr(layer, name + suffix)) for suffix in suffixes]
                self.register_buffer(f"{name}_{number}", torch.stack(parts))
            biases = [
                torch.cat([self._reordered(getattr(layer, name + suffix)) for name in ("bias_ih", "bias_hh")])
                for suffix in suffixes
            ]
            self.register_buffer(f"bias_{number}", torch.stack(biases))

    def forward(self, hidden_BTH: Tensor, initial_LBH: Tensor | None = None) -> tuple[Tensor]:
        hidden_TBH = hidden_BTH.transpose(0, 1)
        for number in range(self._num_layers):
            initial_DBH = initial_LBH
            if initial_LBH is not None and self._num_layers > 1:
                initial_DBH = initial_LBH[number * self._directions : (number + 1) * self._directions]
            hidden_TBH = self._run(number, hidden_TBH, initial_DBH)
        return (hidden_TBH.transpose(0, 1),)

    def _run(self, number: int, hidden_TBH: Tensor, initial_DBH: Tensor | None) -> Tensor:
        weights = (self.get_buffer(f"{name}_{number}") for name in ("weight_ih", "weight_hh", "bias"))
        attributes: dict[str, Any] = {"hidden_size": self._size}
        if self._kind == "GRU":
            attributes["linear_before_reset"] = 1  # as cuDNN has it, and PyTorch with it
        if self._directions == 2:
            attributes["direction"] = "bidirectional"
        num_frames, batch, _ = hidden_TBH.shape
        (outputs_TDBH,) = torch.onnx.ops.symbolic_multi_out(
            self._kind,
            (hidden_TBH, *weights, None, initial_DBH),
            attributes,
            dtypes=(hidden_TBH.dtype,),
            shapes=((num_frames, self._directions, batch, self._size),),
        )
        if self._directions == 1:
            return outputs_TDBH.squeeze(1)
        return outputs_TDBH.transpose(1, 2).flatten(2)

    def _reordered(self, rows: Tensor) -> Tensor:
        """Weights or biases of all gates, in ONNX's order."""
        gates = rows.detach().chunk(len(_GATES[self._kind]))
        return torch.cat([gates[place] for place in _GATES[self._kind]])

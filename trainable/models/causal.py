"""Layers that see the past alone, and what they remember of it between the parts of a stream.

Legend: B batch, T frames, F feature bins, C channels, H hidden units.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from trainable.models.recurrent import recurrent


class Memory:
    """States on their way through a model: each layer takes its own, in the order in which they run, and leaves
    the next.

    Args:
        states: of all layers; none stands for zeros, as in the beginning.
    """

    def __init__(self, states: Sequence[Tensor] | None) -> None:
        self._states = None if states is None else iter(states)
        self.following: list[Tensor] = []

    def take(self) -> Tensor | None:
        """The state of the layer that runs; none in the beginning."""
        return None if self._states is None else next(self._states)

    def leave(self, state: Tensor) -> None:
        """The state that this layer goes on from."""
        self.following.append(state)


class CausalConv2d(nn.Module):
    """A convolution whose last frame of each step is the step's own last: ``[B, C, T, F] -> [B, C', T / stride, F']``.

    Frames at the end that fill no stride are left out.

    Args:
        num_bins: of its input, which its memory is as wide as.
        kernel_size: frames and bins.
        stride: frames and bins.
    """

    STATE = "past"

    def __init__(
        self,
        num_inputs: int,
        num_outputs: int,
        num_bins: int,
        kernel_size: int,
        stride: tuple[int, int] = (1, 1),
        bias: bool = False,
    ) -> None:
        super().__init__()
        padding = (0, kernel_size // 2)
        self.conv = nn.Conv2d(num_inputs, num_outputs, kernel_size, stride, padding, bias=bias)
        self.num_past = kernel_size - stride[0]
        self.state_shape = (num_inputs, self.num_past, num_bins)

    def forward(self, maps_BCTF: Tensor, memory: Memory) -> Tensor:
        past_BCTF = memory.take()
        if past_BCTF is None:
            joined_BCTF = pad(maps_BCTF, (0, 0, self.num_past, 0))
        else:
            joined_BCTF = torch.cat((past_BCTF, maps_BCTF), dim=2)
        memory.leave(joined_BCTF[:, :, -self.num_past :])
        return self.conv(joined_BCTF)


class CausalGru(nn.Module):
    """A one-way GRU that goes on from its memory: ``[B, T, H] -> [B, T, H']``."""

    STATE = "hidden"

    def __init__(self, num_inputs: int, size: int) -> None:
        super().__init__()
        self.gru = nn.GRU(num_inputs, size, batch_first=True)
        self.state_shape = (size,)

    def forward(self, hidden_BTH: Tensor, memory: Memory) -> Tensor:
        outputs_BTH = recurrent(self.gru, hidden_BTH, memory.take())
        memory.leave(outputs_BTH[:, -1])
        return outputs_BTH


def state_shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Shapes, without the batch, of what the layers of a model remember, if they run in the order of their making."""
    layers = [layer for layer in model.modules() if isinstance(layer, CausalConv2d | CausalGru)]
    return {f"{layer.STATE}_{place}": layer.state_shape for place, layer in enumerate(layers)}

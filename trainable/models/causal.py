"""Layers that see the past alone, and what they remember of it between the parts of a stream.

Legend: B batch, T frames, F feature bins, C channels, H hidden units.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

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


@runtime_checkable
class LooksBack(Protocol):
    """A layer of maps ``[B, C, T, F]``, or what consists of such, that can go on from where another part ended."""

    def look_back(self, maps_BCTF: Tensor, memory: Memory) -> Tensor: ...


class CausalConv2d(nn.Conv2d):
    """A convolution whose output of a step hears that step and what was before: ``T / stride`` frames of ``T``.

    Frames at the end that fill no stride are left out.

    Args:
        num_bins: of its input, which its memory is as wide as.
        kernel_size: frames and bins, more than its strides.
        stride: frames and bins.
    """

    def __init__(
        self,
        num_inputs: int,
        num_outputs: int,
        num_bins: int,
        kernel_size: int,
        stride: tuple[int, int] = (1, 1),
        bias: bool = False,
    ) -> None:
        super().__init__(num_inputs, num_outputs, kernel_size, stride, (0, kernel_size // 2), bias=bias)
        self.num_past = kernel_size - stride[0]
        self.state_shape = (num_inputs, self.num_past, num_bins)

    def look_back(self, maps_BCTF: Tensor, memory: Memory) -> Tensor:
        past_BCTF = memory.take()
        if past_BCTF is None:
            joined_BCTF = pad(maps_BCTF, (0, 0, self.num_past, 0))
        else:
            joined_BCTF = torch.cat((past_BCTF, maps_BCTF), dim=2)
        memory.leave(joined_BCTF[:, :, -self.num_past :])
        return self(joined_BCTF)


def look_back(layer: nn.Module, maps_BCTF: Tensor, memory: Memory) -> Tensor:
    """Run a layer, or layers in a sequence, of which some look back and the others see each frame by itself."""
    if isinstance(layer, LooksBack):
        return layer.look_back(maps_BCTF, memory)
    if not isinstance(layer, nn.Sequential):
        return layer(maps_BCTF)
    for part in layer:
        maps_BCTF = look_back(part, maps_BCTF, memory)
    return maps_BCTF


def go_on(gru: nn.Module, hidden_BTH: Tensor, memory: Memory) -> Tensor:
    """All outputs ``[B, T, H']`` of a one-way GRU of one layer, from its memory on."""
    outputs_BTH = recurrent(gru, hidden_BTH, memory.take())
    memory.leave(outputs_BTH[:, -1])
    return outputs_BTH


def state_shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Shapes, without the batch, of what the layers of a model remember, if they run in the order of their making."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in model.modules():
        if isinstance(layer, CausalConv2d):
            shapes[f"past_{len(shapes)}"] = layer.state_shape
        elif isinstance(layer, nn.GRU):
            shapes[f"hidden_{len(shapes)}"] = (layer.hidden_size,)
    return shapes

"""What a network takes: parameters, bytes and time; and the largest one that takes no more than it may."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from cluster.errors import SpoofsweepError
from trainable.sizing.latency import latency_ms

_NUM_MEASUREMENTS = 3


@dataclass(frozen=True)
class Footprint:
    """Of one network, in float32."""

    num_parameters: int
    size_kb: float
    """Of all tensors, in thousands of bytes."""
    latency_ms: float
    """Of a scoring window, see `trainable.sizing.latency`; the lowest of three, for other work can only add to it."""

    @classmethod
    def of(cls, model: nn.Module, num_frames: int, num_bins: int) -> "Footprint":
        """Measured; the arguments as for `trainable.sizing.latency.latency_ms`."""
        return cls(
            num_parameters=sum(parameter.numel() for parameter in model.parameters()),
            size_kb=sum(tensor.nbytes for tensor in model.state_dict().values()) / 1000,
            latency_ms=min(latency_ms(model, num_frames, num_bins) for _ in range(_NUM_MEASUREMENTS)),
        )


@dataclass(frozen=True)
class Limits:
    """What a network may take; none is no limit."""

    size_kb: float | None = None
    latency_ms: float | None = None

    def allow(self, footprint: Footprint) -> bool:
        """Whether it takes no more."""
        return (self.size_kb is None or footprint.size_kb <= self.size_kb) and (
            self.latency_ms is None or footprint.latency_ms <= self.latency_ms
        )


KEEPS = tuple(round(0.05 * step, 2) for step in range(19, 0, -1))
"""Shares of the units that are tried for limits, from the most on."""


def largest_keep(limits: Limits, footprint_of: Callable[[float], Footprint]) -> float:
    """The largest share of the units with which a network stays within limits.

    Args:
        footprint_of: a share of the units.

    Raises:
        SpoofsweepError: none does.
    """
    for keep in KEEPS:
        footprint = footprint_of(keep)
        if limits.allow(footprint):
            return keep
    found = f"{footprint.size_kb:.1f} kB and {footprint.latency_ms:.2f} ms with {KEEPS[-1]:.0%} of the units"
    raise SpoofsweepError("pruning must be able to meet the limits", found, "allow more, or train a smaller network")

"""Makes sure that a process which trains one trial after another really gives the memory of each back."""

import gc
import sys
import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from cluster.errors import SpoofsweepError
from trainable.hardware.host_memory import give_freed_memory_back

KEPT_BYTES = 64 * 2**20
"""What libraries allocate once and keep as long as the process lives, such as cuDNN's states of dropout. Trials that
each leave something behind exceed it sooner or later."""
_NUM_NAMED = 3


class ReleaseCheck:
    """Follows what belongs to a trial, and tells when it or its memory outlives the trial.

    Args:
        device: ``cpu`` or ``cuda``; what is allocated on a GPU now counts as there from the start.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._followed: list[weakref.ref[Any]] = []
        self._allocated_before = self._allocated()

    def follow(self, things: Iterable[Any]) -> None:
        """Expect these objects to be gone at the next `release`, besides those already followed."""
        self._followed += [weakref.ref(thing) for thing in things]

    def release(self) -> None:
        """Collect what nobody holds any more, hand its memory back, and see that nothing of the trial is left.

        Raises:
            SpoofsweepError: something followed is alive, or GPU memory is held.
        """
        if "torch._dynamo" in sys.modules:
            torch._dynamo.reset()  # compiled steps are kept, and after eight of them no more are compiled
        gc.collect()  # model and plan hang together in cycles
        if self._device == "cuda":
            # cuBLAS keeps tens of megabytes for each thread and stream that it ran on. There is no public way to free
            # them.
            torch._C._cuda_clearCublasWorkspaces()
            torch.cuda.empty_cache()
        give_freed_memory_back()
        alive = [thing for thing in [ref() for ref in self._followed] if thing is not None]
        held = self._allocated() - self._allocated_before
        if alive or held > KEPT_BYTES:
            raise SpoofsweepError(
                "a trial must leave no memory held to the next one",
                self._found(alive, held),
                "this is a fault in the program: report it with the trial's configuration",
            )
        self._followed.clear()

    def _allocated(self) -> int:
        return torch.cuda.memory_allocated() if self._device == "cuda" else 0

    def _found(self, alive: list[Any], held: int) -> str:
        """What is held and by whom; reads the collector's list of everything, so for failures only."""
        held_by = ", ".join([f"{type(thing).__name__} held by {_holders(thing, alive)}" for thing in alive])
        # By their very types: asking anything else of the objects of other libraries may have effects, and a compiler's
        # fake tensors hold no memory and have no size.
        tensors = [each for each in gc.get_objects() if type(each) in (Tensor, nn.Parameter)]
        tensors = [tensor for tensor in tensors if tensor.device.type == self._device]
        tensors.sort(key=lambda tensor: tensor.nbytes, reverse=True)
        largest = ", ".join(f"{str(t.dtype).removeprefix('torch.')} {list(t.shape)}" for t in tensors[:_NUM_NAMED])
        parts = [held_by] if alive else []
        parts += [f"{held / 1e6:.0f} MB of the GPU"] if held > 0 else []
        return "; ".join([*parts, f"{len(tensors)} tensors on the {self._device}, the largest {largest}"])


def _holders(thing: Any, ours: list[Any]) -> str:
    """Kinds of what refers to ``thing``, this check's own list left out."""
    kinds = {type(holder).__name__ for holder in gc.get_referrers(thing) if holder is not ours}
    return " and ".join(sorted(kinds - {"frame"})) or "a running function"

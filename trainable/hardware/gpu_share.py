"""The share of a GPU's memory that one process may take, where several trials share the GPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from cluster.errors import MemoryShortageError, SpoofsweepError

CONTEXT_BYTES = 512 * 2**20
"""Set aside of each share for the CUDA context and loaded kernels, which PyTorch's allocator does not see."""


@dataclass(frozen=True)
class GpuShare:
    """What a process is given of the device that it computes on.

    Args:
        device: ``cpu`` or ``cuda``.
        share: of the GPU's memory; 1 and more is all of it.
    """

    device: str
    share: float

    @property
    def is_capped(self) -> bool:
        """Whether there is anything to enforce."""
        return self.device == "cuda" and 0.0 < self.share < 1.0

    def cap_bytes(self, total_bytes: int) -> int:
        """What PyTorch may take of a GPU that has ``total_bytes``.

        Raises:
            SpoofsweepError: the CUDA context alone fills the share.
        """
        cap = int(self.share * total_bytes) - CONTEXT_BYTES
        if cap <= 0:
            found = f"{self.share:.3g} of {_gb(total_bytes)}, of which a CUDA context takes {_gb(CONTEXT_BYTES)}"
            raise SpoofsweepError("a share of a GPU must hold a trial", found, "lower cluster.trials_per_gpu")
        return cap

    def enforce(self) -> None:
        """Let PyTorch refuse this process more memory of the GPU than its share.

        Raises:
            SpoofsweepError: the share is too small for anything.
        """
        if self.is_capped:
            total_bytes = torch.cuda.get_device_properties("cuda").total_memory
            torch.cuda.set_per_process_memory_fraction(self.cap_bytes(total_bytes) / total_bytes)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Context in which running out of GPU memory is told as what it means for the study.

        Raises:
            MemoryShortageError: for PyTorch's own error; and for one that was made of it, with the cap named besides.
        """
        try:
            yield
        except torch.OutOfMemoryError as error:
            remedy = "lower batch.size, batch.crop_s or the model's sizes"
            raise self._full("a trial must fit the memory that it is given", _first_line(error), remedy) from error
        except SpoofsweepError as error:
            if not (self.is_capped and isinstance(error.__cause__, torch.OutOfMemoryError)):
                raise
            raise self._full(error.rule, error.value, error.remedy or "") from error

    def _full(self, rule: str, found: object, remedy: str) -> MemoryShortageError:
        if not self.is_capped:
            return MemoryShortageError(rule, found, remedy)
        gpu = torch.cuda.get_device_properties("cuda")
        cap = f"{_gb(self.cap_bytes(gpu.total_memory))}, its share of {gpu.name} with {_gb(gpu.total_memory)}"
        fewer = "or let fewer trials share a GPU (cluster.trials_per_gpu)"
        return MemoryShortageError(f"{rule}: its cap is {cap}", found, f"{remedy}; {fewer}")


def _gb(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB"


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]

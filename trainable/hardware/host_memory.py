"""What the C library does with memory that a training has freed."""

import ctypes

# Of mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Let the process keep what tensors on the CPU have freed, for those of the next step.

    By default glibc maps every large block by itself and hands it back when it is freed, so each step begins with pages
    that the kernel has to find and clear: a quarter of the time of a step of the default CNN-GRU on a CPU. Where the C
    library has no ``mallopt`` nothing changes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _NEVER)


def give_freed_memory_back() -> None:
    """Hand what is free back to the system, between two trials of one process."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)

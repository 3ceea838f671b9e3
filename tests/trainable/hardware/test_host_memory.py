import resource
import sys
from pathlib import Path

import pytest
import torch

from trainable.hardware.host_memory import give_freed_memory_back, keep_freed_memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs the allocator of glibc")
MEGABYTES = 2**18
"""Of float32."""


def page_faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_memory_of_one_step_serves_the_next() -> None:
    keep_freed_memory()
    torch.ones(64 * MEGABYTES)
    before = page_faults()
    for _ in range(20):
        torch.ones(64 * MEGABYTES)
    # Now and then a small block lies in the way of the next large one; the default is a new mapping for all twenty.
    assert page_faults() - before < 10 * 64 * 2**20 // resource.getpagesize()


def test_it_is_given_back() -> None:
    keep_freed_memory()
    torch.ones(256 * MEGABYTES)
    before = resident_bytes()
    give_freed_memory_back()
    assert before - resident_bytes() > 200 * 2**20

import pytest
import torch

from cluster.errors import SpoofsweepError
from trainable.hardware.gpu_share import CONTEXT_BYTES, GpuShare

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: only CUDA caps a process's memory")


def test_the_cap_leaves_room_for_every_processs_context() -> None:
    total = 16 * 2**30
    assert 4 * (GpuShare("cuda", 0.25).cap_bytes(total) + CONTEXT_BYTES) == total


def test_a_share_that_a_context_fills_is_refused() -> None:
    with pytest.raises(SpoofsweepError, match=r"must hold a trial; got 0.0625 of 8.6 GB.*lower cluster.trials_per_gpu"):
        GpuShare("cuda", 0.0625).cap_bytes(8 * 2**30)


@pytest.mark.parametrize(("device", "share"), [("cpu", 0.0), ("cpu", 0.5), ("cuda", 1.0), ("cuda", 2.0)])
def test_whole_devices_are_not_capped(device: str, share: float) -> None:
    assert not GpuShare(device, share).is_capped


def test_running_out_of_memory_is_told_as_the_studys() -> None:
    wanted = r"must fit the memory.*; got Tried to allocate 9 GiB; lower batch.size"
    with pytest.raises(SpoofsweepError, match=wanted) as caught, GpuShare("cpu", 0.0).explained():
        raise torch.OutOfMemoryError("Tried to allocate 9 GiB\nand much more text")
    assert isinstance(caught.value.__cause__, torch.OutOfMemoryError)


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="something else"), GpuShare("cpu", 0.0).explained():
        raise RuntimeError("something else")


@needs_gpu
def test_a_process_gets_no_more_than_its_share() -> None:
    share = GpuShare("cuda", 0.1)
    try:
        share.enforce()
        total = torch.cuda.get_device_properties("cuda").total_memory
        with (
            pytest.raises(SpoofsweepError, match=r"its cap is .*fewer trials share a GPU"),
            share.explained(),
        ):
            torch.empty(int(0.12 * total), dtype=torch.uint8, device="cuda")
        with (
            pytest.raises(SpoofsweepError, match=r"too large: its cap is .*; smaller; or let fewer"),
            share.explained(),
        ):
            raise SpoofsweepError("too large", "9 GiB", "smaller") from torch.OutOfMemoryError(
                "Tried to allocate 9 GiB"
            )
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)

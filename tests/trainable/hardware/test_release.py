import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from cluster.errors import SpoofsweepError
from trainable.hardware.release import KEPT_BYTES, ReleaseCheck

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: PyTorch counts no memory on a CPU")


class Holder:
    def __init__(self, model: nn.Module) -> None:
        self.model, self.myself = model, self  # a cycle: only the collector ends it


def test_what_nobody_holds_is_released() -> None:
    check = ReleaseCheck("cpu")
    holder = Holder(nn.Linear(3, 4))
    check.follow([holder, holder.model])
    del holder
    check.release()


def test_a_model_that_is_held_is_named_with_its_holder() -> None:
    check = ReleaseCheck("cpu")
    held = [nn.Linear(3, 4)]
    check.follow(held)
    with pytest.raises(SpoofsweepError, match=r"must leave no memory held .*got Linear held by list; \d+ tensors"):
        check.release()
    held.clear()
    check.release()


def test_tensors_of_a_compiler_are_not_counted() -> None:
    with FakeTensorMode(shape_env=ShapeEnv()):
        sizeless = torch.ones(5).nonzero()  # as many rows as only the values would tell
    with pytest.raises(RuntimeError, match="symbolic"):
        _ = sizeless.nbytes
    check = ReleaseCheck("cpu")
    held = [nn.Linear(3, 4)]
    check.follow(held)
    with pytest.raises(SpoofsweepError, match=r"must leave no memory held"):
        check.release()


def test_what_was_released_is_forgotten() -> None:
    check = ReleaseCheck("cpu")
    check.follow([nn.Linear(3, 4)])
    check.release()
    check.release()


@needs_gpu
def test_gpu_memory_that_is_held_is_told() -> None:
    check = ReleaseCheck("cuda")
    kept = torch.zeros(KEPT_BYTES // 4 + 2**20, device="cuda")
    with pytest.raises(SpoofsweepError, match=r"MB of the GPU; .*float32"):
        check.release()
    ReleaseCheck("cuda").release()  # there from its start
    del kept
    check.release()

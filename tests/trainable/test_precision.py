import pytest
import torch

from cluster.errors import SpoofsweepError
from trainable import precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(("native", "expected"), [(True, "bf16"), (False, "float32")])
def test_auto_uses_bf16_on_a_cpu_only_where_it_is_native(monkeypatch, native, expected):
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: native)
    assert precision.resolve_precision("auto", CPU) == expected


def test_cpu_support_agrees_with_the_kernel():
    with open("/proc/cpuinfo") as file:
        flags = file.read().split()
    assert precision.cpu_has_bf16() == ("avx512_bf16" in flags or "amx_tile" in flags)


def test_fp16_is_refused_on_a_cpu():
    with pytest.raises(SpoofsweepError, match="fp16 needs a GPU"):
        precision.resolve_precision("fp16", CPU)


@pytest.mark.parametrize(("wanted", "dtype"), [("float32", torch.float32), ("bf16", torch.bfloat16)])
def test_autocast_computes_in_the_precision(wanted, dtype):
    with precision.autocast(wanted, CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype

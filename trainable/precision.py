"""Arithmetic of the forward pass: which one a device should use, and the contexts that turn it on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from cluster.errors import SpoofsweepError

Precision = Literal["float32", "bf16", "fp16"]

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_precision(wanted: Literal["auto", "float32", "bf16", "fp16"], device: torch.device) -> Precision:
    """The precision to use on ``device``; ``auto`` is bf16 where it is native, else fp16 on a GPU, else float32.

    Raises:
        SpoofsweepError: fp16 is asked for on a CPU, which has no arithmetic for it.
    """
    on_gpu = device.type == "cuda"
    if wanted == "fp16" and not on_gpu:
        raise SpoofsweepError("fp16 needs a GPU", f"device '{device}'", 'set precision to "auto", "bf16" or "float32"')
    if wanted != "auto":
        return wanted
    if on_gpu:
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if device.type == "cpu" and cpu_has_bf16() else "float32"


def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 natively; oneDNN's own test is also true where it only emulates."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Context of a forward pass in ``precision``."""
    return torch.autocast(device.type, dtype=_DTYPES.get(precision, torch.bfloat16), enabled=precision in _DTYPES)


@contextmanager
def full_precision() -> Iterator[None]:
    """Context of scoring: float32 on a GPU without its TF32 short cut, and deterministic; nothing changes on a CPU."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def algorithms(device: torch.device, deterministic: bool) -> Iterator[None]:
    """Context of training: deterministic algorithms on a GPU, or the fastest; nothing changes on a CPU.

    What has no deterministic form says so once, in a warning of PyTorch's.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    if device.type == "cuda":
        torch.use_deterministic_algorithms(deterministic, warn_only=True)
    try:
        with torch.backends.cudnn.flags(enabled=True, deterministic=deterministic, benchmark=not deterministic):
            yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])

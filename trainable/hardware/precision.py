"""Arithmetic of the forward pass: which one a device should use, and the contexts that turn it on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch

# What recurrent layers need to be deterministic on a GPU (PyTorch's documentation of nn.GRU): buffers of one size.
# Read when CUDA's libraries are first used.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

Precision = Literal["float32", "bf16", "fp16"]

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_precision(wanted: Literal["auto", "float32", "bf16", "fp16"], device: torch.device) -> Precision:
    """The precision to use on ``device``; ``auto`` is bf16 where it is native, else fp16 on a GPU, else float32.

    What is asked for by name is given everywhere. A CPU without such arithmetic emulates it: rounding is right, but
    bf16 takes about twice as long as float32, and fp16 four to twenty times.
    """
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
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
def algorithms(device: torch.device, deterministic: bool, tf32: bool = False) -> Iterator[None]:
    """Context of training: deterministic algorithms on a GPU, or the fastest; nothing changes on a CPU.

    What has no deterministic form says so once, in a warning of PyTorch's. Without ``tf32``, float32 is what it says.
    """
    # Not `torch.use_deterministic_algorithms`, which imports PyTorch's compiler: 6 s of processor time in every worker.
    memory: Any = torch.utils.deterministic
    before, filled = torch.get_deterministic_debug_mode(), memory.fill_uninitialized_memory
    if device.type == "cuda":
        torch.set_deterministic_debug_mode("warn" if deterministic else "default")
        memory.fill_uninitialized_memory = False  # nothing here reads what it has not written
    flags = {"benchmark": not deterministic, "deterministic": deterministic, "allow_tf32": tf32}
    try:
        with torch.backends.cudnn.flags(enabled=True, **flags):
            yield
    finally:
        torch.set_deterministic_debug_mode(before)
        memory.fill_uninitialized_memory = filled

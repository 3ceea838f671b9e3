"""The device that a user names."""

import torch

from cluster.errors import SpoofsweepError


def device_named(name: str) -> torch.device:
    """``cpu`` or ``cuda``.

    Raises:
        SpoofsweepError: it is another, or this machine has no GPU.
    """
    if name != "cpu" and not (name == "cuda" and torch.cuda.is_available()):
        raise SpoofsweepError("the device must be cpu, or cuda on a machine with a GPU", name)
    return torch.device(name)

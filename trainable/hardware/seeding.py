"""The seed of all that is random in a step: it follows from the trial's seed and the samples seen alone."""

import numpy as np
import torch


def step_seed(seed: int, samples_seen: int) -> int:
    """Of the step that follows after ``samples_seen``."""
    return int(np.random.SeedSequence([seed, samples_seen]).generate_state(1)[0])


def seed_generators(seed: int, device: torch.device) -> None:
    """Begin PyTorch's generators anew, of the CPU and of the device."""
    # torch.manual_seed also asks for kinds of devices that are not there, and notes the call stack for each.
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)

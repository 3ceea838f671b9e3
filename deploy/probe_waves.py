"""Waves that exported detectors are held against their models on.

Legend: B batch, T samples.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad


def probe_waves(num_samples: int, sample_rate: int) -> Tensor:
    """Reddish noise that swells four times a second, as speech does, at three levels: ``[3, num_samples]``."""
    level_B1 = torch.tensor([[0.2], [0.05], [0.005]])
    noise_BT = torch.randn(len(level_B1), num_samples, generator=torch.Generator().manual_seed(0))
    smooth_BT = noise_BT + pad(noise_BT[:, :-1], (1, 0))
    envelope_T = torch.sin(torch.arange(num_samples) * (4 * torch.pi / sample_rate)).square()
    return level_B1 * envelope_T * smooth_BT

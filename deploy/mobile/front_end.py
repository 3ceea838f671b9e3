"""The acoustic front end of one wave as matrix products, which every mobile runtime has.

Tensor names carry shapes: F frames, W window samples, Bin bins of the Fourier transform, N feature bins.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from data_prep.features import KINDS
from data_prep.features.filter_banks import LogFilterBank
from data_prep.features.spectrum import LogSpectrum
from data_prep.features_config import FeaturesConfig


class MatrixSpectrum(nn.Module):
    """What `data_prep.features.spectrum.PowerSpectrum` gives, ``[F, W] -> [F, Bin]``, without a Fourier transform."""

    def __init__(self, config: FeaturesConfig, bins: range) -> None:
        super().__init__()
        window_W = torch.hamming_window(config.window_samples, periodic=False, dtype=torch.float64)
        spectrum_WBin = torch.fft.rfft(torch.diag(window_W), n=config.fft_size)[:, bins.start : bins.stop]
        self.register_buffer("real_BinW", spectrum_WBin.real.T.float())
        self.register_buffer("imaginary_BinW", spectrum_WBin.imag.T.float())
        self.real_BinW: Tensor
        self.imaginary_BinW: Tensor

    def forward(self, frames_FW: Tensor) -> Tensor:
        # As linear layers, which ExecuTorch hands to XNNPACK; it computes other products by itself, slowly.
        return linear(frames_FW, self.real_BinW).square() + linear(frames_FW, self.imaginary_BinW).square()


def matrix_front_end(config: FeaturesConfig) -> nn.Module:
    """Features ``[F, N]`` of analysis windows ``[F, W]``, every frame by itself."""
    front_end = KINDS[config.kind](config)
    for module in list(front_end.modules()):
        if isinstance(module, LogFilterBank):
            module.register_module("power", MatrixSpectrum(config, range(len(module.filters_BinK))))
        elif isinstance(module, LogSpectrum):
            module.register_module("power", MatrixSpectrum(config, config.fourier_bins))
    return front_end

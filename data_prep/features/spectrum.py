"""Power spectra of windows of samples.

Tensor names carry shapes: F frames, W window samples, Bin bins of the Fourier transform.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from data_prep.features_config import FeaturesConfig

SPECTRUM_FLOOR = 1e-8
"""Added to the power of a bin before the logarithm: about what 16-bit quantisation noise puts there."""


class PowerSpectrum(nn.Module):
    """Squared magnitude of the Fourier transform behind a symmetric Hamming window, ``[F, W] -> [F, Bin]``.

    Args:
        config: window, transform size and band.
        bins: the bins of the Fourier transform to keep.
    """

    def __init__(self, config: FeaturesConfig, bins: range) -> None:
        super().__init__()
        self._num_padded = config.fft_size - config.window_samples
        self._bins = slice(bins.start, bins.stop)
        self.register_buffer("window_W", torch.hamming_window(config.window_samples, periodic=False), persistent=False)
        self.window_W: Tensor

    def forward(self, frames_FW: Tensor) -> Tensor:
        # Padded here: the transform's own padding takes half as long again.
        spectrum = torch.fft.rfft(pad(frames_FW * self.window_W, (0, self._num_padded)))
        # Squared as pairs of reals, side by side in memory, a third faster than as two strided halves.
        real, imaginary = torch.view_as_real(spectrum)[:, self._bins].square().unbind(-1)
        return real + imaginary


class LogSpectrum(nn.Module):
    """Natural logarithm of the power spectrum from ``low_hz`` to ``high_hz``, with `SPECTRUM_FLOOR`."""

    def __init__(self, config: FeaturesConfig) -> None:
        super().__init__()
        self.power = PowerSpectrum(config, config.fourier_bins)

    def forward(self, frames_FW: Tensor) -> Tensor:
        return torch.log(self.power(frames_FW) + SPECTRUM_FLOOR)

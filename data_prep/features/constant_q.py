"""The constant-Q transform with windows in time, and its cepstra.

Tensor names carry shapes: F frames, W window samples, K constant-Q bins, U points of a uniform grid, N coefficients.
"""

import math

import torch
import torchaudio.functional as audio
from torch import Tensor, nn

from data_prep.features.spline import spline_matrix
from data_prep.features_config import FeaturesConfig

CONSTANT_Q_FLOOR = 1e-10
"""Added to the power of a bin before the logarithm: about what 16-bit quantisation noise puts there."""
_POINTS_IN_FIRST_OCTAVE = 16
"""Of the uniform grid behind CQCC: d in the ASVspoof baselines."""


class LogConstantQ(nn.Module):
    """Natural logarithm of constant-Q (variable-Q, unless ``gamma_hz`` is 0) power, ``[F, W] -> [F, K]``.

    Brown's constant-Q transform (1991, eq. 5) with the bandwidths of Schörkhuber et al. (2014): a bin is the inner
    product of the samples around the middle of the frame with a complex exponential under a periodic Hann window,
    scaled to unit sum times the square root of its length, so that white noise is equally loud in all bins. Deviation
    from the toolbox of the CQCC baselines: its windows are drawn in frequency over the whole utterance, which neither
    streams nor keeps to a frame.

    An octave's bins are one matrix product over the samples of its longest window.
    """

    def __init__(self, config: FeaturesConfig) -> None:
        super().__init__()
        self._parts: list[slice] = []
        centre = math.ceil(config.constant_q_length(0) / 2)
        for number, first in enumerate(range(0, config.num_constant_q_bins, config.bins_per_octave)):
            before, after = _halves(config.constant_q_length(first))
            self._parts.append(slice(centre - before, centre + after))
            last = min(first + config.bins_per_octave, config.num_constant_q_bins)
            self.register_buffer(f"octave_{number}_W2K", _octave(config, range(first, last)), persistent=False)

    def forward(self, frames_FW: Tensor) -> Tensor:
        octaves = []
        for number, part in enumerate(self._parts):
            kernels_W2K = self.get_buffer(f"octave_{number}_W2K")
            real_FK, imaginary_FK = (frames_FW[:, part] @ kernels_W2K).chunk(2, dim=1)
            octaves.append(real_FK.square() + imaginary_FK.square())
        return torch.log(torch.cat(octaves, dim=1) + CONSTANT_Q_FLOOR)


class ConstantQCepstra(nn.Module):
    """CQCC (Todisco, Delgado and Evans 2016, sec. 3): log constant-Q power, laid on a uniform grid of frequencies by a
    cubic spline, orthonormal DCT-II, ``[F, W] -> [F, N]``.

    The grid has ``_POINTS_IN_FIRST_OCTAVE`` points in the first octave. Spline and DCT are linear: one matrix.
    """

    def __init__(self, config: FeaturesConfig) -> None:
        super().__init__()
        self.log_power = LogConstantQ(config)
        hertz_K = [config.constant_q_hz(index) for index in range(config.num_constant_q_bins)]
        step_hz = config.low_hz / _POINTS_IN_FIRST_OCTAVE
        num_points = 1 + int((hertz_K[-1] - hertz_K[0]) / step_hz)
        grid_U = config.low_hz + step_hz * torch.arange(num_points, dtype=torch.float64)
        dct_UN = audio.create_dct(config.num_coefficients, num_points, norm="ortho").double()
        matrix_KN = spline_matrix(torch.tensor(hertz_K, dtype=torch.float64), grid_U).T @ dct_UN
        self.register_buffer("matrix_KN", matrix_KN.float(), persistent=False)
        self.matrix_KN: Tensor

    def forward(self, frames_FW: Tensor) -> Tensor:
        return self.log_power(frames_FW) @ self.matrix_KN


def _halves(length: float) -> tuple[int, int]:
    """Samples of a window before its centre, and from the centre on."""
    return math.ceil(length / 2), math.floor(length / 2)


def _octave(config: FeaturesConfig, bins: range) -> Tensor:
    """Kernels ``[W, 2 K]`` of neighbouring bins, real parts before imaginary ones, W the window of the first."""
    before, after = _halves(config.constant_q_length(bins[0]))
    kernels = torch.zeros(before + after, 2, len(bins), dtype=torch.float64)
    for column, index in enumerate(bins):
        length = config.constant_q_length(index)
        own_before, own_after = _halves(length)
        window_W = torch.hann_window(own_before + own_after, periodic=True, dtype=torch.float64)
        window_W *= math.sqrt(length) / window_W.sum()
        time_W = torch.arange(-own_before, own_after, dtype=torch.float64)
        phase_W = 2 * math.pi * config.constant_q_hz(index) / config.sample_rate * time_W
        rows = slice(before - own_before, before + own_after)
        kernels[rows, 0, column] = window_W * torch.cos(phase_W)
        kernels[rows, 1, column] = -window_W * torch.sin(phase_W)
    return kernels.flatten(1).float()

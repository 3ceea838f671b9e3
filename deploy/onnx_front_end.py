"""The acoustic front end as convolutions over a whole batch of waves, made for ONNX; it gives what `FrontEnd` gives.

Tensor names carry shapes: B batch, T samples, F frames, W window samples, Bin bins of the Fourier transform, K filters,
N feature bins.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d

from data_prep.features.constant_q import CONSTANT_Q_FLOOR, ConstantQCepstra, LogConstantQ
from data_prep.features.deltas import with_deltas
from data_prep.features.filter_banks import LOG_FLOOR, Cepstra, LogFilterBank
from data_prep.features.normalisation import normalise_utterance
from data_prep.features.spectrum import SPECTRUM_FLOOR
from data_prep.features_config import FeaturesConfig


class OnnxFrontEnd(nn.Module):
    """Features ``[B, F, N]`` of waves ``[B, 1 + T]``, whose first sample only stands before the others.

    Pre-emphasis looks at it; it is 0 at the start of a wave. Large matrices are computed in the graph from small
    constants: ONNX Runtime does so once, when it loads the file, which thus stays small. (The matrices of the
    constant-Q kinds are kept as they are.)
    """

    def __init__(self, config: FeaturesConfig) -> None:
        """Raises SpoofsweepError where a filter falls between the bins of the Fourier transform."""
        super().__init__()
        self.config = config
        self.static = _STATIC[config.kind](config)

    def forward(self, wave_BT: Tensor) -> Tensor:
        samples_BT = wave_BT[:, 1:]
        if self.config.pre_emphasis:
            samples_BT = samples_BT - self.config.pre_emphasis * wave_BT[:, :-1]
        static_BNF = self.static(samples_BT[:, None])
        if self.config.deltas or self.config.cmvn == "utterance":
            return self._over_time(static_BNF)
        return static_BNF.transpose(1, 2)

    def _over_time(self, static_BNF: Tensor) -> Tensor:
        """``[B, F, N (1 + orders)]`` with what looks at other frames; utterances stand side by side, as columns."""
        batch, num_static, num_frames = static_BNF.shape
        feat_FN = with_deltas(static_BNF.permute(2, 0, 1).flatten(1), self.config.deltas, self.config.delta_reach)
        if self.config.cmvn == "utterance":
            feat_FN = normalise_utterance(feat_FN)
        orders = 1 + self.config.deltas
        return feat_FN.reshape(num_frames, orders, batch, num_static).permute(2, 0, 1, 3).flatten(2)


class _PowerSpectrum(nn.Module):
    """``[B, 1, T] -> [B, Bin, F]``: a convolution with the windowed Fourier matrix, real parts first."""

    def __init__(self, config: FeaturesConfig, bins: range) -> None:
        super().__init__()
        self._bins, self._size, self._hop = bins, config.fft_size, config.hop_samples
        self.register_buffer("window_W", torch.hamming_window(config.window_samples, periodic=False))
        self.window_W: Tensor

    def forward(self, wave_B1T: Tensor) -> Tensor:
        real_BBinF, imaginary_BBinF = conv1d(wave_B1T, self.kernel(), stride=self._hop).chunk(2, dim=1)
        return real_BBinF.square() + imaginary_BBinF.square()

    def kernel(self) -> Tensor:
        """``[2 Bin, 1, W]``; every cosine is looked up on the unit circle, so that no phase is rounded."""
        angle = torch.arange(self._size, dtype=torch.float64) * (2 * math.pi / self._size)
        bin_Bin1 = torch.arange(self._bins.start, self._bins.stop)[:, None]
        phase_BinW = bin_Bin1 * torch.arange(self.window_W.shape[0]) % self._size
        parts = (part.float()[phase_BinW] * self.window_W for part in (angle.cos(), angle.sin()))
        return torch.cat(tuple(parts))[:, None]


class _LogSpectrum(nn.Module):
    """``[B, 1, T] -> [B, Bin, F]``."""

    def __init__(self, config: FeaturesConfig) -> None:
        super().__init__()
        self.power = _PowerSpectrum(config, config.fourier_bins)

    def forward(self, wave_B1T: Tensor) -> Tensor:
        return torch.log(self.power(wave_B1T) + SPECTRUM_FLOOR)


class _LogFilterBank(nn.Module):
    """``[B, 1, T] -> [B, K, F]``. Of the filters, which overlap in pairs, only what is not zero is kept."""

    def __init__(self, config: FeaturesConfig) -> None:
        super().__init__()
        filters_KBin = LogFilterBank(config).filters_BinK.T
        used_Bin = filters_KBin.amax(dim=0).nonzero().flatten()
        first = int(used_Bin[0])
        filters_KBin = filters_KBin[:, first:]
        self.power = _PowerSpectrum(config, range(first, first + filters_KBin.shape[1]))
        self._shape = tuple(filters_KBin.shape)
        place = filters_KBin.flatten().nonzero().flatten()
        self.register_buffer("place", place.int())
        self.register_buffer("weight", filters_KBin.flatten()[place])
        self.place: Tensor
        self.weight: Tensor

    def forward(self, wave_B1T: Tensor) -> Tensor:
        empty = torch.zeros(self._shape[0] * self._shape[1])
        filters_KBin = empty.scatter(0, self.place.long(), self.weight).view(self._shape)
        return torch.log(filters_KBin @ self.power(wave_B1T) + LOG_FLOOR)


class _LogConstantQ(nn.Module):
    """``[B, 1, T] -> [B, K, F]``: a convolution an octave, on the samples of its longest window."""

    def __init__(self, config: FeaturesConfig) -> None:
        super().__init__()
        source = LogConstantQ(config)
        self._hop, self._size, self._parts = config.hop_samples, config.window_samples, source.parts
        for number in range(len(source.parts)):
            kernel_K1W = source.get_buffer(f"octave_{number}_W2K").T[:, None].contiguous()
            self.register_buffer(f"octave_{number}", kernel_K1W)

    def forward(self, wave_B1T: Tensor) -> Tensor:
        octaves = []
        for number, part in enumerate(self._parts):
            end = wave_B1T.shape[-1] - (self._size - part.stop)
            both = conv1d(wave_B1T[..., part.start : end], self.get_buffer(f"octave_{number}"), stride=self._hop)
            real_BKF, imaginary_BKF = both.chunk(2, dim=1)
            octaves.append(real_BKF.square() + imaginary_BKF.square())
        return torch.log(torch.cat(octaves, dim=1) + CONSTANT_Q_FLOOR)


class _Cepstra(nn.Module):
    """``[B, 1, T] -> [B, N, F]``: a matrix on top of another kind."""

    def __init__(self, logarithm: nn.Module, matrix_KN: Tensor) -> None:
        super().__init__()
        self.logarithm = logarithm
        self.register_buffer("matrix_NK", matrix_KN.T.contiguous())
        self.matrix_NK: Tensor

    def forward(self, wave_B1T: Tensor) -> Tensor:
        return self.matrix_NK @ self.logarithm(wave_B1T)


def _fourier_cepstra(config: FeaturesConfig) -> nn.Module:
    return _Cepstra(_LogFilterBank(config), Cepstra(config).dct_KN)


def _constant_q_cepstra(config: FeaturesConfig) -> nn.Module:
    return _Cepstra(_LogConstantQ(config), ConstantQCepstra(config).matrix_KN)


_STATIC = {
    "lfcc": _fourier_cepstra,
    "mfcc": _fourier_cepstra,
    "lfb": _LogFilterBank,
    "logmel": _LogFilterBank,
    "logspec": _LogSpectrum,
    "cqt": _LogConstantQ,
    "cqcc": _constant_q_cepstra,
}

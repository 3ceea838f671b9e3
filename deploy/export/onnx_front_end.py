"""The acoustic front end of a whole batch as the few operators that ONNX needs; it gives what `FrontEnd` gives.

Tensor names carry shapes: B batch, F frames, W window samples, Bin bins of the Fourier transform, K filters, N feature
bins, H half a window's samples.
"""

import math

import torch
from torch import Tensor, nn

from data_prep.features import KINDS
from data_prep.features.deltas import with_deltas
from data_prep.features.filter_banks import LOG_FLOOR, Cepstra, LogFilterBank
from data_prep.features.normalisation import normalise_utterance
from data_prep.features.spectrum import SPECTRUM_FLOOR
from data_prep.features_config import FeaturesConfig


class OnnxFrontEnd(nn.Module):
    """Features ``[B, F, N]`` of analysis windows ``[B, F, W]`` (see `deploy.export.onnx_framing`).

    Large matrices are computed in the graph from small constants: ONNX Runtime does so once, when it loads the file,
    which thus stays small. (The matrices of the constant-Q kinds are kept as they are.)
    """

    def __init__(self, config: FeaturesConfig) -> None:
        """Raises SpoofsweepError where a filter falls between the bins of the Fourier transform."""
        super().__init__()
        self.config = config
        self.static = _EachFrame(config) if config.is_constant_q else _FOURIER[config.kind](config)

    def forward(self, frames_BFW: Tensor) -> Tensor:
        static_BFN = self.static(frames_BFW)
        if self.config.deltas or self.config.cmvn == "utterance":
            return self._over_time(static_BFN)
        return static_BFN

    def _over_time(self, static_BFN: Tensor) -> Tensor:
        """``[B, F, N (1 + orders)]`` with what looks at other frames; utterances stand side by side, as columns."""
        batch, num_frames, num_static = static_BFN.shape
        feat_FN = with_deltas(static_BFN.transpose(0, 1).flatten(1), self.config.deltas, self.config.delta_reach)
        if self.config.cmvn == "utterance":
            feat_FN = normalise_utterance(feat_FN)
        orders = 1 + self.config.deltas
        return feat_FN.reshape(num_frames, orders, batch, num_static).permute(2, 0, 1, 3).flatten(2)


class _PowerSpectrum(nn.Module):
    """``[B, F, W] -> [B, F, Bin]``.

    The window is symmetric, and power does not depend on where time begins. Counted from the middle of the window,
    cosines are even and sines odd, so sums and differences of mirrored samples take half the multiplications.
    """

    def __init__(self, config: FeaturesConfig, bins: range) -> None:
        super().__init__()
        self._bins, self._size, self._window = bins, config.fft_size, config.window_samples
        window_W = torch.hamming_window(config.window_samples, periodic=False)
        weight_H = window_W[: (len(window_W) + 1) // 2].clone()
        if len(window_W) % 2:
            weight_H[-1] /= 2  # the middle sample is its own mirror image
        self.register_buffer("weight_H", weight_H)
        self.weight_H: Tensor

    def forward(self, frames_BFW: Tensor) -> Tensor:
        half = len(self.weight_H)
        left_BFH, right_BFH = frames_BFW[..., :half], frames_BFW[..., -half:].flip(2)
        cos_HBin, sin_HBin = self._matrices()
        real_BFBin, imaginary_BFBin = (left_BFH + right_BFH) @ cos_HBin, (left_BFH - right_BFH) @ sin_HBin
        return real_BFBin * real_BFBin + imaginary_BFBin * imaginary_BFBin

    def _matrices(self) -> tuple[Tensor, Tensor]:
        """Weighted cosines and sines ``[H, Bin]``, looked up on the unit circle, so that no phase is rounded."""
        angle = torch.arange(2 * self._size, dtype=torch.float64) * (math.pi / self._size)
        from_middle_H = torch.arange(1 - self._window, 1, 2)  # in half samples
        bin_Bin = torch.arange(self._bins.start, self._bins.stop)
        phase_HBin = from_middle_H[:, None] * bin_Bin % (2 * self._size)
        weight_H1 = self.weight_H[:, None]
        return angle.cos().float()[phase_HBin] * weight_H1, angle.sin().float()[phase_HBin] * weight_H1


class _LogSpectrum(nn.Module):
    """``[B, F, W] -> [B, F, Bin]``."""

    def __init__(self, config: FeaturesConfig) -> None:
        super().__init__()
        self.power = _PowerSpectrum(config, config.fourier_bins)

    def forward(self, frames_BFW: Tensor) -> Tensor:
        return torch.log(self.power(frames_BFW) + SPECTRUM_FLOOR)


class _LogFilterBank(nn.Module):
    """``[B, F, W] -> [B, F, K]``. Of the filters, which overlap in pairs, only what is not zero is kept."""

    def __init__(self, config: FeaturesConfig) -> None:
        super().__init__()
        filters_BinK = LogFilterBank(config).filters_BinK
        first = int(filters_BinK.amax(dim=1).nonzero()[0])
        filters_BinK = filters_BinK[first:]
        self.power = _PowerSpectrum(config, range(first, first + len(filters_BinK)))
        self._shape = filters_BinK.shape
        place = filters_BinK.flatten().nonzero().flatten()
        self.register_buffer("place", place.int())
        self.register_buffer("weight", filters_BinK.flatten()[place])
        self.place: Tensor
        self.weight: Tensor

    def forward(self, frames_BFW: Tensor) -> Tensor:
        empty = torch.zeros(self._shape.numel())
        filters_BinK = empty.scatter(0, self.place.long(), self.weight).view(self._shape)
        return torch.log(self.power(frames_BFW) @ filters_BinK + LOG_FLOOR)


class _FourierCepstra(nn.Module):
    """``[B, F, W] -> [B, F, N]``."""

    def __init__(self, config: FeaturesConfig) -> None:
        super().__init__()
        self.log_bank = _LogFilterBank(config)
        self.register_buffer("dct_KN", Cepstra(config).dct_KN)
        self.dct_KN: Tensor

    def forward(self, frames_BFW: Tensor) -> Tensor:
        return self.log_bank(frames_BFW) @ self.dct_KN


class _EachFrame(nn.Module):
    """The front end's own kind, ``[B, F, W] -> [B, F, N]``."""

    def __init__(self, config: FeaturesConfig) -> None:
        super().__init__()
        self.kind = KINDS[config.kind](config)

    def forward(self, frames_BFW: Tensor) -> Tensor:
        return self.kind(frames_BFW.flatten(0, 1)).unflatten(0, frames_BFW.shape[:2])


_FOURIER = {
    "lfcc": _FourierCepstra,
    "mfcc": _FourierCepstra,
    "lfb": _LogFilterBank,
    "logmel": _LogFilterBank,
    "logspec": _LogSpectrum,
}

"""The acoustic front end: one implementation for preparation, detection and export.

Tensor names carry shapes: B batch, T samples, F frames, W window samples, K filters, N feature bins.
"""

import warnings

import torch
import torchaudio.functional as audio
from torch import Tensor, nn

from cluster.errors import SpoofsweepError
from data_prep.config import FeaturesConfig

LOG_FLOOR = 1e-7
"""Added to filter energies before the logarithm: about what 16-bit quantisation noise puts into one filter."""


class FrontEnd(nn.Module):
    """LFCC with deltas, or log-mel.

    LFCC follows the ASVspoof 2019 baseline (Todisco et al. 2019): Hamming windows, power spectrum, triangular filters
    equally spaced in hertz, logarithm, orthonormal DCT-II with the zeroth coefficient, and deltas over three frames.
    Deviations: natural logarithm with ``LOG_FLOOR``; deltas are central differences divided by two; no pre-emphasis, a
    constant offset in the cepstrum. Log-mel takes filters equally spaced on the HTK mel scale, of unit height.

    Windows start at every hop from the first sample and never pad, so a frame depends on its own samples only (and,
    through each order of deltas, on one more neighbour). Rows of a batch are computed one by one: the result is the
    same, byte for byte, whatever the batch.
    """

    def __init__(self, config: FeaturesConfig) -> None:
        """Raises SpoofsweepError where a filter falls between the bins of the Fourier transform."""
        super().__init__()
        self.config = config
        self.register_buffer("window_W", torch.hamming_window(config.window_samples, periodic=False), persistent=False)
        self.register_buffer("filters_BinK", _filter_bank(config), persistent=False)
        if config.kind == "lfcc":
            dct_KN = audio.create_dct(config.num_coefficients, config.num_filters, norm="ortho")
            self.register_buffer("dct_KN", dct_KN, persistent=False)
        self.window_W: Tensor
        self.filters_BinK: Tensor
        self.dct_KN: Tensor

    def num_frames(self, num_samples: int) -> int:
        """Frames of a wave of ``num_samples``; 0 below one window."""
        if num_samples < self.config.window_samples:
            return 0
        return 1 + (num_samples - self.config.window_samples) // self.config.hop_samples

    def forward(self, wave_BT: Tensor) -> Tensor:
        """Features ``[B, F, N]`` float32 of waves ``[B, T]`` float32 of at least one window.

        Raises:
            ValueError: the waves are shorter than one window.
        """
        if wave_BT.shape[-1] < self.config.window_samples:
            raise ValueError(f"{wave_BT.shape[-1]} samples are below one window of {self.config.window_samples}")
        return torch.stack([self._features(wave_T) for wave_T in wave_BT])

    def _features(self, wave_T: Tensor) -> Tensor:
        frames_FW = wave_T.unfold(0, self.config.window_samples, self.config.hop_samples)
        spectrum_FBin = torch.fft.rfft(frames_FW * self.window_W, n=self.config.fft_size)
        power_FBin = spectrum_FBin.real.square() + spectrum_FBin.imag.square()
        log_FK = torch.log(power_FBin @ self.filters_BinK + LOG_FLOOR)
        if self.config.kind == "logmel":
            return log_FK
        orders = [log_FK @ self.dct_KN]
        for _ in range(self.config.deltas):
            orders.append(deltas(orders[-1]))
        return torch.cat(orders, dim=1)


def deltas(feat_FN: Tensor) -> Tensor:
    """Central differences over time ``(x[t+1] - x[t-1]) / 2``, the first and last frame repeated beyond the ends.

    The same as ``torchaudio.functional.compute_deltas(win_length=3)``, without its convolution.
    """
    padded = torch.cat([feat_FN[:1], feat_FN, feat_FN[-1:]])
    return (padded[2:] - padded[:-2]) / 2


def _filter_bank(config: FeaturesConfig) -> Tensor:
    num_bins = config.fft_size // 2 + 1
    high_hz = config.high_hz or config.sample_rate / 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torchaudio's advice on empty filters; an error below
        if config.kind == "lfcc":
            bank = audio.linear_fbanks(num_bins, config.low_hz, high_hz, config.num_filters, config.sample_rate)
        else:
            bank = audio.melscale_fbanks(num_bins, config.low_hz, high_hz, config.num_filters, config.sample_rate)
    empty = int((bank.amax(dim=0) <= 0).sum())
    if empty:
        raise SpoofsweepError(
            "every filter must cover a bin of the Fourier transform",
            f"{empty} of {config.num_filters} filters between the bins of fft_size {config.fft_size}",
            "lower features.num_filters or raise features.fft_size",
        )
    return bank

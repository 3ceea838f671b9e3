"""Triangular filter banks over the power spectrum, and cepstra of them.

Tensor names carry shapes: F frames, W window samples, Bin bins of the Fourier transform, K filters, N coefficients.
"""

import warnings

import torch
import torchaudio.functional as audio
from torch import Tensor, nn

from cluster.errors import SpoofsweepError
from data_prep.features.spectrum import PowerSpectrum
from data_prep.features_config import FeaturesConfig

LOG_FLOOR = 1e-7
"""Added to filter energies before the logarithm: about what 16-bit quantisation noise puts into one filter."""


class LogFilterBank(nn.Module):
    """Natural logarithm of triangular filters of unit height over the power spectrum, ``[F, W] -> [F, K]``.

    Filters are equally spaced in hertz for lfcc and lfb, on the HTK mel scale otherwise.
    """

    def __init__(self, config: FeaturesConfig) -> None:
        """Raises SpoofsweepError where a filter falls between the bins of the Fourier transform."""
        super().__init__()
        filters_BinK = _filters(config)
        # Bins above the last filter are not computed at all.
        num_bins = int(filters_BinK.amax(dim=1).nonzero().max()) + 1
        self.power = PowerSpectrum(config, range(num_bins))
        self.register_buffer("filters_BinK", filters_BinK[:num_bins].contiguous(), persistent=False)
        self.filters_BinK: Tensor

    def forward(self, frames_FW: Tensor) -> Tensor:
        return torch.log(self.power(frames_FW) @ self.filters_BinK + LOG_FLOOR)


class Cepstra(nn.Module):
    """LFCC or MFCC: orthonormal DCT-II of the log filter bank, with the zeroth coefficient, ``[F, W] -> [F, N]``.

    LFCC follows the ASVspoof baselines (Sahidullah, Kinnunen and Hanilci 2015; Todisco et al. 2019). Deviations: the
    natural logarithm with ``LOG_FLOOR``, so coefficients are ``ln 10`` times those of the decimal one; and the last
    frame is not filled up with zeros. The programs of 2015 and 2019 take derivatives by a helper ``deltas(x, 3)``: if
    it is Ellis's of 2003 (rastamat), which does not divide, theirs are twice ours at the first order and four times at
    the second, ``ln 10`` aside. With ``energy``, the first coefficient is the log energy instead, as in the LFCC-LCNN
    baseline of ASVspoof 2021.
    """

    def __init__(self, config: FeaturesConfig) -> None:
        """Raises SpoofsweepError where a filter falls between the bins of the Fourier transform."""
        super().__init__()
        self.log_bank = LogFilterBank(config)
        self.register_buffer("dct_KN", _cepstral_matrix(config), persistent=False)
        self.dct_KN: Tensor

    def forward(self, frames_FW: Tensor) -> Tensor:
        return self.log_bank(frames_FW) @ self.dct_KN


def _filters(config: FeaturesConfig) -> Tensor:
    """The triangles; with ``energy`` one filter more, which sums the band."""
    bank = audio.linear_fbanks if config.kind in ("lfcc", "lfb") else audio.melscale_fbanks
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torchaudio's advice on empty filters; an error below
        filters_BinK = bank(
            config.fft_size // 2 + 1, config.low_hz, config.top_hz, config.num_filters, config.sample_rate
        )
    empty = int((filters_BinK.amax(dim=0) <= 0).sum())
    if empty:
        raise SpoofsweepError(
            "every filter must cover a bin of the Fourier transform",
            f"{empty} of {config.num_filters} filters between the bins of fft_size {config.fft_size}",
            "lower features.num_filters or raise features.fft_size",
        )
    if not config.energy:
        return filters_BinK
    band_Bin = torch.zeros(len(filters_BinK))
    band_Bin[config.fourier_bins.start : config.fourier_bins.stop] = 1
    return torch.cat([filters_BinK, band_Bin[:, None]], dim=1)


def _cepstral_matrix(config: FeaturesConfig) -> Tensor:
    dct_KN = audio.create_dct(config.num_coefficients, config.num_filters, norm="ortho")
    if not config.energy:
        return dct_KN
    dct_KN = torch.cat([dct_KN, torch.zeros(1, config.num_coefficients)])
    dct_KN[:, 0] = 0
    dct_KN[-1, 0] = 1
    return dct_KN

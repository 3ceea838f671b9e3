"""RawBoost (Tak et al. 2022, "RawBoost: a raw data boosting and augmentation method applied to automatic speaker
verification anti-spoofing", ICASSP), as its authors' program defines it, by blockwise transforms.

Drawing and applying are apart, so that a plain implementation can be given the same draws. Three deviations: centres
of notches stay below half the sampling rate, filters run in single precision, and a wave that exceeds full scale by
its stationary noise, which comes last, is scaled back to it, as ``make_view`` does after every step.

Array names carry shapes: T samples, M filters, N notches of a filter, K frequencies.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

from data_prep.augmentation.gain import within_full_scale
from data_prep.augmentation.rawboost_config import RawBoostStep
from data_prep.augmentation.scene import Drawn, Scene
from data_prep.decoding import Wave

Floats = npt.NDArray[np.floating[Any]]

_SERIES = {1: "lnl", 2: "isd", 3: "ssi", 4: "lnl isd ssi", 5: "lnl isd", 6: "lnl ssi", 7: "isd ssi"}
"""Parts of the published algorithms, in order; number 8 is the sum of the first two, each on the original."""
_GAIN_GRID = 512
"""Frequencies from 0 to (but without) half the sampling rate, on which the peak gain of a filter is found."""
_BLOCK = 4096
_EDGE_HZ = 1e-3
"""How far the edges of a notch stay away from 0 and from half the sampling rate."""


@dataclass(frozen=True)
class Filters:
    """Filters, each a cascade of band-stop filters; arrays ``[M, N]``, the gain ``[M]``."""

    centre_hz: Floats
    width_hz: Floats
    num_taps: npt.NDArray[np.int64]
    """Odd."""
    gain_db: Floats
    """Of the frequency that passes best."""


def apply_rawboost(step: RawBoostStep, wave_T: Wave, scene: Scene, rng: np.random.Generator) -> tuple[Wave, Drawn]:
    """One of the eight algorithms."""
    algorithm = step.algorithms[int(rng.integers(len(step.algorithms)))]
    drawn: dict[str, float | int | str] = {"algorithm": algorithm}
    if algorithm == 8:
        lnl_T, _ = _lnl(step, wave_T, scene.sample_rate, rng)
        isd_T, values = _isd(step, wave_T, scene.sample_rate, rng)
        return within_full_scale(lnl_T + isd_T), {**drawn, **values}
    for part in _SERIES[algorithm].split():
        wave_T, values = _PARTS[part](step, wave_T, scene.sample_rate, rng)
        drawn |= values
    return wave_T, drawn


def draw_filters(step: RawBoostStep, powers: int, sample_rate: int, rng: np.random.Generator) -> Filters:
    """Filters for the first ``powers`` powers of a wave, each parameter uniform over its published range."""
    shape = (powers, step.nBands)
    biased_M = np.arange(powers) > 0
    lowest_M = step.minG - step.minBiasLinNonLin * biased_M
    highest_M = step.maxG - step.maxBiasLinNonLin * biased_M
    num_taps = rng.integers(step.minCoeff, max(step.maxCoeff, step.minCoeff + 1), shape)
    return Filters(
        centre_hz=_uniform(min(step.minF, sample_rate / 2), min(step.maxF, sample_rate / 2), shape, rng),
        width_hz=_uniform(step.minBW, step.maxBW, shape, rng),
        num_taps=num_taps + (num_taps % 2 == 0),
        gain_db=lowest_M + (highest_M - lowest_M) * rng.random(powers),
    )


def convolutive_noise(wave_T: Wave, filters: Filters, sample_rate: int) -> Wave:
    """Linear and non-linear convolutive noise: filtered powers of the wave, summed; power m by filter m, from 1."""
    sum_T = filter_powers(wave_T, filters, sample_rate)
    return within_full_scale(sum_T - sum_T.mean(dtype=np.float64).astype(np.float32))


def impulsive_noise(wave_T: Wave, place: npt.NDArray[np.int64], factor: Wave) -> Wave:
    """Impulsive signal-dependent noise: the samples at ``place`` grow by ``factor`` times themselves."""
    hit_T = wave_T.copy()
    hit_T[place] += factor * wave_T[place]
    return within_full_scale(hit_T)


def stationary_noise(wave_T: Wave, noise_T: Wave, filters: Filters, snr_db: float, sample_rate: int) -> Wave:
    """Stationary signal-independent noise: ``noise_T`` through one filter, at a signal-to-noise ratio."""
    coloured_T = filter_powers(noise_T, filters, sample_rate)
    gain = np.linalg.norm(wave_T) / (np.linalg.norm(coloured_T) * 10.0 ** (snr_db / 20.0))
    return wave_T + np.float32(gain) * coloured_T


def filter_powers(wave_T: Wave, filters: Filters, sample_rate: int) -> Wave:
    """Sum over m of filter m applied to the m-th power of the wave.

    The published filters act one sample early: output ``n`` is the symmetric filter's output ``n + 1``.
    """
    taps_MT = impulse_responses(filters, sample_rate)
    half = taps_MT.shape[1] // 2
    size = max(_BLOCK, 4 * scipy.fft.next_fast_len(taps_MT.shape[1], real=True))
    hop = size - 2 * half
    num_blocks = -(-(len(wave_T) + 1) // hop)
    padded_T = np.zeros(num_blocks * hop + 2 * half, np.float32)
    padded_T[half : half + len(wave_T)] = wave_T
    block_BT = np.lib.stride_tricks.sliding_window_view(padded_T, size)[::hop]
    wrapped_MT = np.zeros((len(taps_MT), size), np.float32)
    wrapped_MT[:, : half + 1], wrapped_MT[:, -half:] = taps_MT[:, half:], taps_MT[:, :half]
    spectrum_BK = np.zeros((num_blocks, size // 2 + 1), np.complex64)
    power_BT = np.ones_like(block_BT)
    for response_K in scipy.fft.rfft(wrapped_MT).real:  # symmetric about tap 0, hence real
        power_BT *= block_BT
        spectrum_BK += response_K * scipy.fft.rfft(power_BT)
    filtered_BT: Wave = scipy.fft.irfft(spectrum_BK, size)[:, half : half + hop]
    return filtered_BT.reshape(-1)[1 : len(wave_T) + 1]


def impulse_responses(filters: Filters, sample_rate: int) -> Floats:
    """Taps ``[M, T]`` of the filters, symmetric about the middle.

    A notch is a band-stop filter by the window method (Hamming) with gain 1 at 0 Hz; a filter is the convolution of its
    notches, scaled to its gain.
    """
    centre, width = filters.centre_hz / (sample_rate / 2), filters.width_hz / (sample_rate / 2)
    edge = _EDGE_HZ / (sample_rate / 2)
    low = np.maximum(centre - width / 2, edge)[..., None]
    high = np.minimum(centre + width / 2, 1.0 - edge)[..., None]
    half_MN1 = (filters.num_taps // 2)[..., None]
    tap_T = np.arange(half_MN1.max() + 1)
    notch_MNT = low * np.sinc(low * tap_T) - high * np.sinc(high * tap_T) + (tap_T == 0)
    notch_MNT *= np.where(tap_T <= half_MN1, 0.54 + 0.46 * np.cos(np.pi * tap_T / half_MN1), 0.0)
    half = int(half_MN1.sum(axis=1).max())
    size = max(2 * _GAIN_GRID, 1 << (2 * half).bit_length())
    wrapped_MNT = np.zeros((*half_MN1.shape[:2], size))
    wrapped_MNT[..., : len(tap_T)] = notch_MNT
    wrapped_MNT[..., size - len(tap_T) + 1 :] = notch_MNT[..., :0:-1]
    notch_MNK = scipy.fft.rfft(wrapped_MNT).real
    response_MK = np.prod(notch_MNK / notch_MNK[..., :1], axis=1)
    peak_M = np.abs(response_MK[:, : -1 : size // (2 * _GAIN_GRID)]).max(axis=1)
    response_MK *= (10.0 ** (filters.gain_db / 20.0) / peak_M)[:, None]
    taps_MT = scipy.fft.irfft(response_MK, size)
    return np.concatenate([taps_MT[:, size - half :], taps_MT[:, : half + 1]], axis=1)


def _lnl(step: RawBoostStep, wave_T: Wave, sample_rate: int, rng: np.random.Generator) -> tuple[Wave, Drawn]:
    return convolutive_noise(wave_T, draw_filters(step, step.N_f, sample_rate, rng), sample_rate), {}


def _isd(step: RawBoostStep, wave_T: Wave, sample_rate: int, rng: np.random.Generator) -> tuple[Wave, Drawn]:
    percent = float(rng.uniform(0.0, step.P))
    number = int(len(wave_T) * percent / 100)
    place = rng.choice(len(wave_T), number, replace=False, shuffle=False)
    factor = step.g_sd * rng.uniform(-1, 1, number) * rng.uniform(-1, 1, number)
    return impulsive_noise(wave_T, place, factor.astype(np.float32)), {"percent": percent}


def _ssi(step: RawBoostStep, wave_T: Wave, sample_rate: int, rng: np.random.Generator) -> tuple[Wave, Drawn]:
    noise_T = rng.standard_normal(len(wave_T), dtype=np.float32)
    filters = draw_filters(step, 1, sample_rate, rng)
    snr_db = float(rng.uniform(step.SNRmin, step.SNRmax))
    return stationary_noise(wave_T, noise_T, filters, snr_db, sample_rate), {"snr_db": snr_db}


_PARTS = {"lnl": _lnl, "isd": _isd, "ssi": _ssi}


def _uniform(low: float, high: float, shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    return low + (high - low) * rng.random(shape)

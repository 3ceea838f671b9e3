"""What a wave tells about its own history: clipping, level, silence at its ends, spectrum and bandwidth.

Array names carry shapes: T samples, F frames, K bands of the spectrum.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from data_prep.augmentation.silence import frame_powers, speech_span
from data_prep.decoding import Wave

FloatArray = npt.NDArray[np.float64]

BAND_HZ = 125.0
"""Width of the bands of :func:`band_levels`."""
LOWEST_DB = -120.0
"""Levels are told down to here; digital silence has none."""
_FLOOR_QUANTILE = 0.1
_FULL_SCALE = 0.98
"""Just below the largest value of 8-bit mu-law and A-law (32,124 of 32,768), the lowest ceiling among usual codings."""
_FLAT = 2.0**-14
"""Neighbours that differ by no more than two steps of 16 bits are level; the crest of a loud tone is not."""
_BIN_HZ = 31.25
_QUANTISATION_DB = 20 * np.log10(2.0**-15) - 10 * np.log10(12)
"""Power of 16-bit quantisation noise, uniform over one step (Oppenheim and Schafer 2010, section 4.8.3)."""
_ABOVE_FLOOR_DB = 10.0
_RANGE_DB = 70.0
"""The floor lies no further below the loudest band, else mirror images left by a resampler would pass for bandwidth."""
_EDGE_BANDS = 4


class FrameFacts(NamedTuple):
    """What the loudness over time tells."""

    leading_silence_s: float
    trailing_silence_s: float
    floor_dbfs: float
    """Level that a tenth of the frames stay below: the background, where there are pauses."""


def clipped_share(wave_T: Wave) -> float:
    """Share of samples in runs of three or more at the same value near full scale."""
    loud_T = np.abs(wave_T) >= _FULL_SCALE
    if np.count_nonzero(loud_T) < 3:
        return 0.0
    level_T = loud_T[1:] & loud_T[:-1] & (np.abs(np.diff(wave_T)) <= _FLAT)
    run_T = level_T[1:] & level_T[:-1]
    clipped_T = np.zeros(len(wave_T), bool)
    for shift in range(3):
        clipped_T[shift : shift + len(run_T)] |= run_T
    return float(np.count_nonzero(clipped_T) / len(wave_T))


def level_dbfs(wave_T: Wave) -> float:
    """Root mean square without the constant part, in dB; 0 dB is a square wave at full scale."""
    return _decibels(float(np.var(wave_T, dtype=np.float64)))


def frame_facts(wave_T: Wave, sample_rate: int) -> FrameFacts:
    """Silence before the first and after the last frame of speech, and the level of the background.

    Silence is what the step ``trim_silence`` cuts: frames whose standard deviation is more than 30 dB below that of the
    loudest one, as in the energy detector of Kinnunen and Li (Speech Communication 52, 2010). Deviations: frames of
    10 ms without overlap, and no absolute threshold, so that the level of the recording plays no part.
    """
    start, stop = speech_span(wave_T, sample_rate)
    floor = float(np.quantile(frame_powers(wave_T, sample_rate), _FLOOR_QUANTILE))
    return FrameFacts(start / sample_rate, (len(wave_T) - stop) / sample_rate, _decibels(floor))


def band_levels(wave_T: Wave, sample_rate: int) -> FloatArray:
    """The long-term spectrum: mean power in dB of full scale ``[K]`` in bands of 125 Hz from 0 to half the rate.

    Hann windows of 32 to 64 ms side by side (Welch 1967, without overlap), bins of a band averaged. What is below the
    noise of 16-bit quantisation counts as that noise.
    """
    size = 1 << int(np.ceil(np.log2(sample_rate / _BIN_HZ)))
    padded_T = np.pad(wave_T, (0, -len(wave_T) % size)) if len(wave_T) < size else wave_T
    frames_FT = padded_T[: len(padded_T) // size * size].reshape(-1, size)
    window_T = np.hanning(size).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(frames_FT * window_T, axis=1))).mean(axis=0)
    density = power * 2.0 / (sample_rate * float(np.square(window_T).sum()))  # one-sided, full scale squared per hertz
    num_bands = int(sample_rate / 2 / BAND_HZ)
    starts = np.ceil(np.arange(num_bands + 1) * BAND_HZ * size / sample_rate).astype(int)
    level_K = np.add.reduceat(density, starts)[:-1] / np.diff(starts) * BAND_HZ
    quantisation = 10.0 ** (_QUANTISATION_DB / 10) * BAND_HZ / (sample_rate / 2)
    return np.asarray(10 * np.log10(np.maximum(level_K, quantisation)))


def bandwidth(level_K: FloatArray) -> tuple[float, float]:
    """Upper edge in Hz of what stands out of the noise floor, and by how many dB the spectrum falls across that edge.

    The edge is that of the highest band at least 10 dB above the floor, as in the bandwidth of PEAQ (ITU-R BS.1387-1,
    section 4.4). Deviation: PEAQ takes the floor above 21.6 kHz, where its material is empty; here it is the lowest
    band of the long-term spectrum, or 70 dB below the highest. A spectrum without a band that much above another
    reaches half the sampling rate, one that merely slopes down ends where its last 10 dB begin. The fall compares the
    500 Hz on both sides of the edge: a codec or filter makes 15 dB or more of it, a voice does not.
    """
    floor = max(float(level_K.min()), float(level_K.max()) - _RANGE_DB)
    standing_out = np.flatnonzero(level_K >= floor + _ABOVE_FLOOR_DB)
    edge = int(standing_out[-1]) + 1 if len(standing_out) else len(level_K)
    if edge >= len(level_K):
        return len(level_K) * BAND_HZ, 0.0
    below, above = level_K[max(0, edge - _EDGE_BANDS) : edge], level_K[edge : edge + _EDGE_BANDS]
    return edge * BAND_HZ, float(below.mean() - above.mean())


def _decibels(power: float) -> float:
    return float(max(LOWEST_DB, 10 * np.log10(max(power, 1e-30))))

"""Additive noise, generated or recorded. Array names carry shapes: T samples."""

from functools import lru_cache

import numpy as np
import scipy.fft

from data_prep.augmentation.recordings import Recordings, read_excerpt
from data_prep.augmentation.scene import Drawn, Scene
from data_prep.augmentation.steps import SPEECH, NoiseStep
from data_prep.decoding import Wave

_SLOPES = {"white": 0.0, "pink": -0.5, "brown": -1.0, "blue": 0.5, "violet": 1.0}
"""Exponent of frequency in the amplitude spectrum: half of that of power, which falls by 3 dB an octave for each -1."""
_LOWEST_HZ = 20.0
"""Noise spectra are flat below, else inaudible drift would take most of the power of brown noise."""


def apply_noise(step: NoiseStep, wave_T: Wave, scene: Scene, rng: np.random.Generator) -> tuple[Wave, Drawn]:
    """Noise over the whole wave."""
    if step.folder is not None and rng.random() < step.recorded_share:
        recordings, kind, span = scene.folders[step.folder], "", step.snr_db
        if step.kinds:
            kind = sorted(step.kinds)[int(rng.integers(len(step.kinds)))]
            span = step.kinds[kind]
        names = _draw_names(step, recordings, kind, rng)
        noise_T = _mix(recordings, names, scene.sample_rate, len(wave_T), rng)
        source = ", ".join(names)
    else:
        span, source = step.snr_db, step.colours[int(rng.integers(len(step.colours)))]
        noise_T = coloured_noise(len(wave_T), scene.sample_rate, source, rng)
    snr_db = float(rng.uniform(*span))
    return add_noise(wave_T, noise_T, snr_db), {"snr_db": snr_db, "noise": source}


def add_noise(wave_T: Wave, noise_T: Wave, snr_db: float) -> Wave:
    """``wave + gain * noise`` with the gain that makes the power ratio, over the whole utterance, ``snr_db``."""
    gain = np.sqrt(_power(wave_T) / (_power(noise_T) * 10.0 ** (snr_db / 10.0)))
    return (wave_T + np.float32(gain) * noise_T).astype(np.float32)


def coloured_noise(num_samples: int, sample_rate: int, colour: str, rng: np.random.Generator) -> Wave:
    """Gaussian noise ``[num_samples]`` with the spectral slope of ``colour``."""
    if colour == "white":
        return rng.standard_normal(num_samples, dtype=np.float32)
    # Powers of two and three times those: few, so that shapes are kept, and none far above the length.
    padded = 1 << (num_samples - 1).bit_length()
    padded = padded if num_samples > padded // 4 * 3 else padded // 4 * 3
    spectrum = scipy.fft.rfft(rng.standard_normal(padded, dtype=np.float32))
    noise_T: Wave = scipy.fft.irfft(spectrum * _shape(padded, sample_rate, colour), padded)[:num_samples]
    return noise_T


@lru_cache(maxsize=32)
def _shape(padded: int, sample_rate: int, colour: str) -> Wave:
    """Amplitude of a colour by frequency; no constant part."""
    hertz = np.maximum(np.fft.rfftfreq(padded, 1 / sample_rate), _LOWEST_HZ)
    shape = (hertz / _LOWEST_HZ) ** _SLOPES[colour]
    shape[0] = 0.0
    return shape.astype(np.float32)


def _draw_names(step: NoiseStep, recordings: Recordings, kind: str, rng: np.random.Generator) -> list[str]:
    """One file; for speech a babble of several, with repetition only where there are too few (Snyder et al. 2018)."""
    names = recordings.below(kind) if kind else recordings.names
    number = int(rng.integers(step.voices[0], step.voices[1] + 1)) if kind == SPEECH else 1
    return [names[int(i)] for i in rng.choice(len(names), number, replace=number > len(names))]


def _mix(
    recordings: Recordings, names: list[str], sample_rate: int, num_samples: int, rng: np.random.Generator
) -> Wave:
    """The recordings at equal power, summed."""
    mix_T = np.zeros(num_samples, np.float32)
    for name in names:
        excerpt_T = read_excerpt(recordings, name, sample_rate, num_samples, rng)
        mix_T += excerpt_T / np.float32(np.sqrt(_power(excerpt_T)))
    return mix_T


def _power(wave_T: Wave) -> float:
    """Without the constant part, which nobody hears."""
    return float(np.var(wave_T, dtype=np.float64))

"""Augmented views of an utterance: pitch shift, time stretch and additive noise, in this order.

All draws of a view come from a generator of its own, seeded by study seed, utterance and view, so that neither the
order of work nor the number of workers changes them. Array names carry shapes: T samples.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import python_stretch

from cluster.errors import SpoofsweepError
from data_prep.config import AugmentationConfig, NoiseConfig
from data_prep.decoding import DecodeError, Wave, decode

NO_POLICY = "none"
_SLOPES = {"white": 0.0, "pink": -0.5, "brown": -1.0, "blue": 0.5, "violet": 1.0}
"""Exponent of frequency in the amplitude spectrum: half of that of power, which falls by 3 dB an octave for each -1."""
_LOWEST_HZ = 20.0
"""Noise spectra are flat below, else inaudible drift would take most of the power of brown noise."""


@dataclass(frozen=True)
class View:
    """One augmented view."""

    wave: Wave
    """``[num_samples]``, finite, peak at most 1."""
    policy: str
    """Comma-joined names of what was applied, ``none`` if every probability missed."""
    drawn: Mapping[str, float | str]
    """The drawn values, JSON-able."""


def make_view(
    wave_T: Wave,
    sample_rate: int,
    config: AugmentationConfig,
    noises: tuple[Path, ...],
    seed: int,
    utterance_id: str,
    view: int,
) -> View:
    """View number ``view`` (from 1) of a wave.

    Args:
        noises: recorded noise files; empty unless ``config.noise.folder`` is set.

    Raises:
        SpoofsweepError: a recorded noise cannot be decoded.
    """
    rng = view_generator(seed, utterance_id, view)
    drawn: dict[str, float | str] = {}
    policy = []
    if rng.random() < config.pitch.probability:
        drawn["pitch_semitones"] = semitones = float(rng.uniform(*config.pitch.semitones))
        wave_T = _resynthesise(wave_T, sample_rate, rng, semitones=semitones)
        policy.append("pitch")
    if rng.random() < config.stretch.probability:
        drawn["stretch_rate"] = rate = float(rng.uniform(*config.stretch.rate))
        wave_T = _resynthesise(wave_T, sample_rate, rng, rate=rate)
        policy.append("stretch")
    if rng.random() < config.noise.probability:
        drawn["snr_db"] = snr_db = float(rng.uniform(*config.noise.snr_db))
        noise_T, drawn["noise"] = _draw_noise(len(wave_T), sample_rate, config.noise, noises, rng)
        wave_T = add_noise(wave_T, noise_T, snr_db)
        policy.append("noise")
    peak = float(np.abs(wave_T).max())
    if peak > 1.0:
        wave_T = (wave_T / np.float32(peak)).astype(np.float32)
    return View(wave_T, ",".join(policy) or NO_POLICY, drawn)


def view_generator(seed: int, utterance_id: str, view: int) -> np.random.Generator:
    """Counter-based generator of one view's draws."""
    key = hashlib.sha256(json.dumps([seed, utterance_id, view]).encode()).digest()
    return np.random.Generator(np.random.Philox(int.from_bytes(key[:16], "little")))


def add_noise(wave_T: Wave, noise_T: Wave, snr_db: float) -> Wave:
    """``wave + gain * noise`` with the gain that makes the power ratio, over the whole utterance, ``snr_db``."""
    signal = float(np.mean(np.square(wave_T, dtype=np.float64)))
    noise = float(np.mean(np.square(noise_T, dtype=np.float64)))
    gain = np.sqrt(signal / (noise * 10.0 ** (snr_db / 10.0)))
    return (wave_T + np.float32(gain) * noise_T).astype(np.float32)


def coloured_noise(num_samples: int, sample_rate: int, colour: str, rng: np.random.Generator) -> Wave:
    """Gaussian noise ``[num_samples]`` of mean power 1 with the spectral slope of ``colour``."""
    padded = 1 << (num_samples - 1).bit_length()  # a power of two, since a prime length would make the transform slow
    hertz = np.maximum(np.fft.rfftfreq(padded, 1 / sample_rate), _LOWEST_HZ)
    spectrum = np.fft.rfft(rng.standard_normal(padded, dtype=np.float32))
    shape = (hertz / _LOWEST_HZ) ** _SLOPES[colour]
    shape[0] = 0.0
    noise = np.fft.irfft(spectrum * shape.astype(np.float32), padded)[:num_samples]
    return (noise / np.sqrt(np.mean(np.square(noise, dtype=np.float64)))).astype(np.float32)


def _resynthesise(
    wave_T: Wave, sample_rate: int, rng: np.random.Generator, semitones: float = 0.0, rate: float = 1.0
) -> Wave:
    """Signalsmith Stretch at its default preset; it draws phases, hence its seed."""
    engine = python_stretch.Signalsmith.Stretch(int(rng.integers(1 << 31)))
    engine.preset(1, float(sample_rate))
    engine.setTransposeSemitones(semitones)
    engine.setTimeFactor(rate)
    return np.ascontiguousarray(np.asarray(engine.process(np.ascontiguousarray(wave_T[None])))[0])


def _draw_noise(
    num_samples: int, sample_rate: int, config: NoiseConfig, noises: tuple[Path, ...], rng: np.random.Generator
) -> tuple[Wave, str]:
    if not noises or rng.random() < 0.5:
        colour = config.colours[int(rng.integers(len(config.colours)))]
        return coloured_noise(num_samples, sample_rate, colour, rng), colour
    path = noises[int(rng.integers(len(noises)))]
    recorded_T = _recorded_noise(path, sample_rate)
    noise_T = _loop(recorded_T, int(rng.integers(len(recorded_T))), num_samples)
    if not np.any(noise_T):  # a silent stretch has no power to scale: start at the loudest sample instead
        noise_T = _loop(recorded_T, int(np.abs(recorded_T).argmax()), num_samples)
    return noise_T, path.name


def _loop(wave_T: Wave, start: int, num_samples: int) -> Wave:
    return np.take(wave_T, np.arange(start, start + num_samples), mode="wrap")


@lru_cache(maxsize=64)
def _recorded_noise(path: Path, sample_rate: int) -> Wave:
    try:
        return decode(path, sample_rate)
    except DecodeError as error:
        raise SpoofsweepError(
            "every file of the noise folder must be usable", f"{path} ({error.reason})", "remove or repair it"
        ) from error

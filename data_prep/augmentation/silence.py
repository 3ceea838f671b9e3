"""Silence taken off the ends of an utterance, or added to them. Array names carry shapes: T samples, F frames."""

import numpy as np
import numpy.typing as npt

from data_prep.augmentation.scene import Drawn, Scene
from data_prep.augmentation.steps import SILENCE_DB, PadStep, TrimSilenceStep
from data_prep.decoding import Wave

FloatArray = npt.NDArray[np.float64]

_FRAME_S = 0.01


def apply_trim_silence(
    step: TrimSilenceStep, wave_T: Wave, scene: Scene, rng: np.random.Generator
) -> tuple[Wave, Drawn]:
    """The wave from its first to its last frame that is no silence, with a little around."""
    keep_s = float(rng.uniform(*step.keep_s))
    start, stop = speech_span(wave_T, scene.sample_rate, step.threshold_db)
    margin = round(keep_s * scene.sample_rate)
    leading, trailing = max(0, start - margin), max(0, len(wave_T) - stop - margin)
    excess = (leading + trailing) / max(1.0, step.at_most * len(wave_T))
    if excess > 1:
        leading, trailing = int(leading / excess), int(trailing / excess)
    drawn = {
        "keep_s": keep_s,
        "leading_s": leading / scene.sample_rate,
        "trailing_s": trailing / scene.sample_rate,
    }
    return wave_T[leading : len(wave_T) - trailing], drawn


def speech_span(wave_T: Wave, sample_rate: int, threshold_db: float = SILENCE_DB) -> tuple[int, int]:
    """First sample, and the one behind the last, of the frames within ``threshold_db`` of the loudest."""
    power_F = frame_powers(wave_T, sample_rate)
    size = _frame_size(wave_T, sample_rate)
    loud = np.flatnonzero(power_F >= power_F.max() * 10.0 ** (threshold_db / 10.0))
    stop = len(wave_T) if loud[-1] == len(power_F) - 1 else int(loud[-1] + 1) * size  # the rest is less than a frame
    return int(loud[0]) * size, stop


def frame_powers(wave_T: Wave, sample_rate: int) -> FloatArray:
    """Power ``[F]`` of frames of 10 ms side by side, each without its constant part, which nobody hears."""
    size = _frame_size(wave_T, sample_rate)
    return np.var(wave_T[: len(wave_T) // size * size].reshape(-1, size), axis=1, dtype=np.float64)


def _frame_size(wave_T: Wave, sample_rate: int) -> int:
    return min(len(wave_T), max(1, round(_FRAME_S * sample_rate)))


def apply_pad(step: PadStep, wave_T: Wave, scene: Scene, rng: np.random.Generator) -> tuple[Wave, Drawn]:
    """The wave with silence before and behind it."""
    leading_s, trailing_s = float(rng.uniform(*step.leading_s)), float(rng.uniform(*step.trailing_s))
    leading, trailing = round(leading_s * scene.sample_rate), round(trailing_s * scene.sample_rate)
    padded_T = np.zeros(leading + len(wave_T) + trailing, np.float32)
    drawn = {"leading_s": leading_s, "trailing_s": trailing_s}
    if step.level_db is not None:
        drawn["level_db"] = level_db = float(rng.uniform(*step.level_db))
        padded_T[:] = rng.standard_normal(len(padded_T), dtype=np.float32) * np.float32(10.0 ** (level_db / 20.0))
    padded_T[leading : leading + len(wave_T)] = wave_T
    return padded_T, drawn

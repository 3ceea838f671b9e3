"""Faster or slower replay. Array names carry shapes: T samples."""

import numpy as np
import soxr

from data_prep.augmentation.scene import Drawn, Scene
from data_prep.augmentation.steps import SpeedStep
from data_prep.decoding import Wave


def apply_speed(step: SpeedStep, wave_T: Wave, scene: Scene, rng: np.random.Generator) -> tuple[Wave, Drawn]:
    """The wave as if recorded at another rate, and resampled to the old one."""
    rate = float(rng.uniform(*step.rate))
    resampled = soxr.resample(wave_T, scene.sample_rate * rate, scene.sample_rate, quality="HQ")
    return np.asarray(resampled, dtype=np.float32), {"rate": rate}

"""Another level. Array names carry shapes: T samples."""

import numpy as np

from data_prep.augmentation.scene import Drawn, Scene
from data_prep.augmentation.steps import GainStep
from data_prep.decoding import Wave


def apply_gain(step: GainStep, wave_T: Wave, scene: Scene, rng: np.random.Generator) -> tuple[Wave, Drawn]:
    """The wave louder or softer."""
    gain_db = float(rng.uniform(*step.gain_db))
    return wave_T * np.float32(10.0 ** (gain_db / 20.0)), {"gain_db": gain_db}


def within_full_scale(wave_T: Wave) -> Wave:
    """The wave, scaled to peak 1 if it exceeds that."""
    peak = np.abs(wave_T).max()
    return wave_T / peak if peak > 1 else wave_T

"""Reverberation. Array names carry shapes: T samples."""

import numpy as np
from scipy.signal import oaconvolve

from data_prep.augmentation.recordings import read_whole
from data_prep.augmentation.scene import Drawn, Scene
from data_prep.augmentation.shoebox import simulate_room
from data_prep.augmentation.steps import ReverbStep
from data_prep.decoding import Wave

_WALL_SHARE = 0.1
"""Speaker and microphone keep this share of the room's size away from the walls."""


def apply_reverb(step: ReverbStep, wave_T: Wave, scene: Scene, rng: np.random.Generator) -> tuple[Wave, Drawn]:
    """The wave as heard in a room."""
    if step.folder is not None:
        recordings = scene.folders[step.folder]
        name = recordings.names[int(rng.integers(len(recordings.names)))]
        response_T = read_whole(recordings, name, scene.sample_rate)
        return reverberate(wave_T, response_T[int(np.abs(response_T).argmax()) :]), {"response": name}
    rt60_s = float(rng.uniform(*step.rt60_s))
    size_m = np.array([rng.uniform(*step.length_m), rng.uniform(*step.length_m), rng.uniform(*step.height_m)])
    source_m, microphone_m = size_m * rng.uniform(_WALL_SHARE, 1 - _WALL_SHARE, (2, 3))
    response_T = simulate_room(size_m, source_m, microphone_m, rt60_s, scene.sample_rate, rng)
    drawn = {
        "rt60_s": rt60_s,
        "length_m": float(size_m[0]),
        "width_m": float(size_m[1]),
        "height_m": float(size_m[2]),
        "distance_m": float(np.linalg.norm(source_m - microphone_m)),
    }
    return reverberate(wave_T, response_T[int(np.flatnonzero(response_T)[0]) :]), drawn


def reverberate(wave_T: Wave, response_T: Wave) -> Wave:
    """``wave_T`` through an impulse response that begins with the direct sound, at the old power and length."""
    if not np.any(wave_T):
        return wave_T
    heard_T = oaconvolve(wave_T, response_T)[: len(wave_T)]
    gain = np.linalg.norm(wave_T) / np.linalg.norm(heard_T)
    return (np.float32(gain) * heard_T).astype(np.float32)

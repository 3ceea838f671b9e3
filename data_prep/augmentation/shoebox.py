"""Room impulse responses of a simulated box-shaped room.

The first reflections by image sources (Allen and Berkley 1979), what follows as noise that decays exponentially, which
is enough once reflections come densely (Lehmann and Johansson 2010, "Diffuse reverberation model for efficient
image-source simulation of room impulse responses"). Simplified: delays are whole samples, all walls reflect alike.

Array names carry shapes: T samples, I images along one axis; positions are ``[3]``.
"""

import numpy as np
import numpy.typing as npt

from data_prep.decoding import Wave

Floats = npt.NDArray[np.float64]

_SPEED_OF_SOUND = 343.0
"""m/s, at 20 degrees Celsius."""
_IMAGES_S = 0.02
"""How long after the direct sound reflections are traced one by one."""


def simulate_room(
    size_m: Floats, source_m: Floats, microphone_m: Floats, rt60_s: float, sample_rate: int, rng: np.random.Generator
) -> Wave:
    """Impulse response ``[T]`` from ``source_m`` to ``microphone_m``, until the sound has fallen by 60 dB.

    The level of the noise is that of the images it stands for: without losses ``4 pi r^2 / V`` of them lie in each
    metre of distance, of power ``1 / r^2`` each, so ``4 pi c / V`` of it arrives in a second.
    """
    direct_s = float(np.linalg.norm(source_m - microphone_m)) / _SPEED_OF_SOUND
    traced = round((direct_s + _IMAGES_S) * sample_rate)
    response_T = np.zeros(max(traced, round((direct_s + rt60_s) * sample_rate)))
    images_T = _trace(size_m, source_m, microphone_m, _reflection(size_m, rt60_s), traced, sample_rate)
    # Amplitude falls by 60 dB, a factor of 1000, within RT60.
    decay_T = np.exp(-np.log(1000.0) * np.arange(len(response_T)) / (rt60_s * sample_rate))
    level = np.sqrt(4.0 * np.pi * _SPEED_OF_SOUND / (float(np.prod(size_m)) * sample_rate))
    response_T[:traced] = images_T
    response_T[traced:] = level * decay_T[traced:] * rng.standard_normal(len(response_T) - traced)
    return response_T.astype(np.float32)


def _reflection(size_m: Floats, rt60_s: float) -> float:
    """Amplitude that a wall reflects, by Eyring's formula: RT60 = 24 ln(10) / c * V / (-S ln(1 - absorption))."""
    volume = float(np.prod(size_m))
    surface = 2.0 * float(size_m[0] * size_m[1] + size_m[1] * size_m[2] + size_m[0] * size_m[2])
    log_reflected = -24.0 * np.log(10.0) / _SPEED_OF_SOUND * volume / (surface * rt60_s)
    return float(np.exp(log_reflected / 2.0))


def _trace(
    size_m: Floats, source_m: Floats, microphone_m: Floats, reflection: float, num_samples: int, sample_rate: int
) -> Floats:
    """The first ``num_samples`` of the image-source response."""
    radius_m = num_samples / sample_rate * _SPEED_OF_SOUND
    squared = np.zeros((1, 1, 1))
    bounces = np.zeros((1, 1, 1), dtype=np.int64)
    for axis in range(3):
        reach = int(np.ceil(radius_m / (2 * size_m[axis]))) + 1
        cell_I = np.repeat(np.arange(-reach, reach + 1), 2)
        mirrored_I = np.tile([0, 1], 2 * reach + 1)
        offset_I = (1 - 2 * mirrored_I) * source_m[axis] + 2 * cell_I * size_m[axis] - microphone_m[axis]
        shape = [1, 1, 1]
        shape[axis] = len(cell_I)
        squared = squared + (offset_I**2).reshape(shape)
        bounces = bounces + (np.abs(cell_I - mirrored_I) + np.abs(cell_I)).reshape(shape)
    distance = np.sqrt(squared)
    sample = np.rint(distance / _SPEED_OF_SOUND * sample_rate).astype(np.int64)
    heard = sample < num_samples
    amplitude = reflection ** bounces[heard] / np.maximum(distance[heard], 0.1)
    response_T: Floats = np.bincount(sample[heard], amplitude, minlength=num_samples).astype(np.float64)
    return response_T

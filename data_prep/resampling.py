"""Sampling rates.

Array names carry shapes: T samples.
"""

import numpy as np
import numpy.typing as npt
import soxr


def resample(wave_T: npt.NDArray[np.float32], rate: float, wanted_rate: float) -> npt.NDArray[np.float32]:
    """``wave_T`` at ``wanted_rate`` Hz (soxr, high quality); itself where ``rate`` is that already."""
    if rate == wanted_rate:
        return wave_T
    return np.asarray(soxr.resample(wave_T, rate, wanted_rate, quality="HQ"), dtype=np.float32)

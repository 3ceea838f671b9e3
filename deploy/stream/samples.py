"""What a caller hands over as audio, made float32 in -1..1 or refused.

Array names carry shapes: T samples.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from cluster.errors import SpoofsweepError

Wave = npt.NDArray[np.float32]

MIN_RATE, MAX_RATE = 4000, 384_000
"""Hz; no recording of speech lies outside."""
RAW_TYPES: dict[str, np.dtype[Any]] = {"s16le": np.dtype("<i2"), "f32le": np.dtype("<f4")}
"""Of samples without a header, by ffmpeg's names."""
MAX_PEAK = 64.0
"""Decoders overshoot full scale a little; whoever is 36 dB above it forgot to scale whole numbers."""
_SCALES = {np.dtype(np.int16): 2.0**-15, np.dtype(np.int32): 2.0**-31}


def checked_samples(samples_T: Any) -> Wave:
    """``samples_T`` as float32; itself where it is that already.

    Args:
        samples_T: ``[num_samples]``, any floating type in -1..1, 16 or 32 bits of PCM, or unsigned bytes as in WAV.

    Raises:
        SpoofsweepError: another type or shape, not finite, or far beyond full scale.
    """
    samples_T = np.asarray(samples_T)
    if samples_T.ndim != 1:
        raise SpoofsweepError("audio must be one channel", f"an array of shape {samples_T.shape}")
    if samples_T.dtype != np.float32:
        samples_T = _as_float(samples_T)
    # Not a number where any sample is; within the square of the peak, as nearly all audio, it clears them at once.
    if not np.dot(samples_T, samples_T) <= MAX_PEAK**2:
        _require_audio(samples_T)
    return samples_T


def checked_rate(sample_rate: float) -> float:
    """``sample_rate``; raises SpoofsweepError where it is none that speech is recorded at."""
    if not MIN_RATE <= sample_rate <= MAX_RATE:
        raise SpoofsweepError(f"a sampling rate lies between {MIN_RATE} and {MAX_RATE} Hz", sample_rate)
    return sample_rate


def _as_float(samples_T: npt.NDArray[Any]) -> Wave:
    dtype = samples_T.dtype
    if np.issubdtype(dtype, np.floating):
        return samples_T.astype(np.float32)
    if dtype in _SCALES:
        return samples_T.astype(np.float32) * np.float32(_SCALES[dtype])
    if dtype == np.uint8:
        return (samples_T.astype(np.float32) - np.float32(128)) * np.float32(2.0**-7)
    raise SpoofsweepError("samples must be floating-point numbers, int16, int32 or uint8", dtype)


def _require_audio(samples_T: Wave) -> None:
    if not np.isfinite(samples_T).all():
        raise SpoofsweepError("samples must be finite", f"{int((~np.isfinite(samples_T)).sum())} that are not")
    peak = float(np.abs(samples_T).max())
    if peak > MAX_PEAK:
        remedy = "divide whole numbers by their full scale, or pass them as int16 or int32"
        raise SpoofsweepError("floating-point samples must lie between -1 and 1", f"a peak of {peak:g}", remedy)

"""Audio files to mono float32 at one sampling rate; what cannot be trusted is refused with a reason.

Array names carry shapes: T samples, C channels.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data_prep.audio_stream import Wave, open_audio
from data_prep.decode_error import TOO_SHORT, DecodeError
from data_prep.remote_files import local_copy
from data_prep.resampling import resample

SILENT_PEAK = 1e-4
"""A signal that departs less from its mean (-80 dB of full scale, 3 steps of 16 bits) holds no speech."""
_EMPTY_CHANNEL = 0.01
"""A channel 40 dB below the loudest is empty."""
_CANCELLED = 0.1
"""A mean of channels 20 dB below the loudest of them has cancelled out."""
_PART_SAMPLES = 1 << 23
"""32 MB: nine minutes of mono at 16 kHz."""


@dataclass(frozen=True)
class Audio:
    """A decoded utterance."""

    wave: Wave
    """``[num_samples]`` at ``sample_rate``, peak at most 1 before resampling."""
    sample_rate: int
    """Hz."""
    notes: tuple[str, ...]
    """What was done beyond plain decoding, for instance ``cut to 60 s``."""


def decode(path: Path, sample_rate: int, *, min_duration_s: float = 0.0, max_duration_s: float | None = None) -> Wave:
    """The mono wave ``[num_samples]`` of an audio file; see :func:`read_audio`."""
    return read_audio(path, sample_rate, min_duration_s=min_duration_s, max_duration_s=max_duration_s).wave


def read_audio(
    path: Path,
    sample_rate: int | None,
    *,
    min_duration_s: float = 0.0,
    max_duration_s: float | None = None,
    compressed_by_ffmpeg: bool = False,
) -> Audio:
    """Decode, mix down, check and resample (soxr, high quality) an audio file.

    The content decides about the format, never the suffix. Only the first ``max_duration_s`` are read, so damage behind
    them goes unseen. Floating-point audio beyond full scale is scaled to a peak of 1, since clipping would distort it.

    Args:
        sample_rate: Hz; none keeps the file's own.
        compressed_by_ffmpeg: decode as conversion does, formats that libsndfile does not know included.

    Raises:
        DecodeError: empty, damaged, truncated, not audio, not plausible, not finite, too short or silent.
        FileNotFoundError: there is no such file.
    """
    with local_copy(path) as file:
        wave_CT, native_rate = _read_channels(file, max_duration_s, compressed_by_ffmpeg)
    notes: list[str] = []
    if max_duration_s is not None and wave_CT.shape[1] > max_duration_s * native_rate:
        wave_CT = wave_CT[:, : int(max_duration_s * native_rate)]
        notes.append(f"cut to {max_duration_s:g} s")
    wave_T = mix_down([wave_CT], notes)
    peak = _checked_peak(wave_T, native_rate, min_duration_s)
    if peak > 1.0:
        wave_T = (wave_T / np.float32(peak)).astype(np.float32)
        notes.append(f"scaled from peak {peak:.3g}")
    if sample_rate is not None and sample_rate != native_rate:
        wave_T = resample(wave_T, native_rate, sample_rate)
        notes.append(f"resampled from {native_rate} Hz")
    return Audio(np.ascontiguousarray(wave_T), sample_rate or native_rate, tuple(notes))


def decode_parts(path: Path, max_samples: int = _PART_SAMPLES) -> Iterator[tuple[Wave, int]]:
    """Consecutive parts ``[num_samples]`` of the mono wave at the file's own rate, with that rate, in flat memory.

    Parts are mixed down and scaled each by itself. A file of no more than ``max_samples`` (of all channels together) is
    one part, and as :func:`read_audio` gives it.

    Raises:
        DecodeError: as for :func:`read_audio`, once the damage is reached; silent, at the end, if all parts are.
        FileNotFoundError: there is no such file.
    """
    fault: str | None = "no samples"
    with local_copy(path) as file, open_audio(file) as stream:
        for wave_T in _mixed_parts(stream.blocks, max_samples):
            if len(wave_T):
                peak, silence = _peak_and_silence(wave_T)
                fault = silence if fault else None
                yield (wave_T / np.float32(peak)).astype(np.float32) if peak > 1.0 else wave_T, stream.rate
    if fault:
        raise DecodeError(fault)


def _read_channels(path: Path, max_duration_s: float | None, compressed_by_ffmpeg: bool) -> tuple[Wave, int]:
    """Samples ``[C, T]`` as stored, and their rate; a little more than ``max_duration_s`` if the file is longer."""
    with open_audio(path, max_duration_s=max_duration_s, compressed_by_ffmpeg=compressed_by_ffmpeg) as stream:
        blocks_CT = list(stream.blocks) or [np.zeros((stream.num_channels, 0), np.float32)]
        return blocks_CT[0] if len(blocks_CT) == 1 else np.concatenate(blocks_CT, axis=1), stream.rate


def mix_down(blocks_CT: Sequence[Wave], notes: list[str]) -> Wave:
    """Mean ``[T]`` of the channels that hold something, or the loudest where that cancels out; adds ``notes``.

    Args:
        blocks_CT: consecutive parts of the wave, at least one.
    """
    num_channels = len(blocks_CT[0])
    if num_channels == 1:
        return np.concatenate([block_CT[0] for block_CT in blocks_CT])
    level_C = _rms(blocks_CT)
    if not np.isfinite(level_C).any():
        return np.concatenate([block_CT[0] for block_CT in blocks_CT])
    loudest = int(np.nanargmax(level_C))
    used = [c for c in range(num_channels) if not level_C[c] < _EMPTY_CHANNEL * level_C[loudest]]
    if len(used) < num_channels:
        notes.append(f"{num_channels - len(used)} empty of {num_channels} channels left out")
    mean_T = np.concatenate([block_CT[used].mean(axis=0, dtype=np.float32) for block_CT in blocks_CT])
    if _rms([mean_T[None]])[0] < _CANCELLED * level_C[loudest]:
        notes.append(f"channels cancel out, channel {loudest + 1} of {num_channels} used")
        return np.concatenate([block_CT[loudest] for block_CT in blocks_CT])
    return mean_T


def _rms(blocks_CT: Sequence[Wave]) -> npt.NDArray[np.float64]:
    """Root mean square ``[C]``, summed in double precision without a copy of the wave; not a number without samples."""
    total_C = sum(np.einsum("ct,ct->c", block_CT, block_CT, dtype=np.float64) for block_CT in blocks_CT)
    num_samples = sum(block_CT.shape[1] for block_CT in blocks_CT)
    return np.sqrt(total_C / num_samples if num_samples else np.full(len(blocks_CT[0]), np.nan))


def _checked_peak(wave_T: Wave, rate: int, min_duration_s: float) -> float:
    """The largest magnitude; raises DecodeError where the wave is no speech."""
    num_samples = len(wave_T)
    if num_samples == 0:
        raise DecodeError("no samples")
    if num_samples < min_duration_s * rate:
        raise DecodeError(f"{TOO_SHORT}: {num_samples / rate:.4g} s, at least {min_duration_s:g} s wanted")
    peak, silence = _peak_and_silence(wave_T)
    if silence:
        raise DecodeError(silence)
    return peak


def _peak_and_silence(wave_T: Wave) -> tuple[float, str | None]:
    """The largest magnitude, and what kind of silence the wave is, if it is; raises DecodeError where it is not finite.

    Extremes alone are computed for sound waves: not a number passes through them, and decoding is most of preparation.
    """
    low, high = float(wave_T.min()), float(wave_T.max())
    if not math.isfinite(high - low):
        bad = int(np.count_nonzero(~np.isfinite(wave_T)))
        raise DecodeError(f"not finite: {bad} of {len(wave_T)} samples are NaN or infinite")
    silence = None
    if high - low < 2 * SILENT_PEAK:
        mean = float(wave_T.mean(dtype=np.float64))
        if max(high - mean, mean - low) < SILENT_PEAK:
            silence = "silent" if abs(mean) < SILENT_PEAK else f"constant signal at {mean:.3g}"
    return max(high, -low), silence


def _mixed_parts(blocks: Iterable[Wave], max_samples: int) -> Iterator[Wave]:
    """Blocks ``[C, T]``, gathered until they reach ``max_samples``, mixed down; kept no longer than needed."""
    part: list[Wave] = []
    num_samples = 0
    for block_CT in blocks:
        part.append(block_CT)
        num_samples += block_CT.size
        if num_samples >= max_samples:
            wave_T, part, num_samples = mix_down(part, []), [], 0
            yield wave_T
    if part:
        yield mix_down(part, [])

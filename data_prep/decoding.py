"""Audio files to mono float32 at one sampling rate; what cannot be trusted is refused with a reason.

Array names carry shapes: T samples, C channels.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from data_prep.ffmpeg import decode_with_ffmpeg
from data_prep.remote_files import local_copy

Wave = npt.NDArray[np.float32]

SILENT_PEAK = 1e-4
"""A signal that departs less from its mean (-80 dB of full scale, 3 steps of 16 bits) holds no speech."""
_EMPTY_CHANNEL = 0.01
"""A channel 40 dB below the loudest is empty."""
_CANCELLED = 0.1
"""A mean of channels 20 dB below the loudest of them has cancelled out."""
_BLOCK = 1 << 18
_ENDLESS = 1 << 40
"""libsndfile's length of a stream is the largest integer; no real file comes near."""
_MP3_LENGTHS = (b"Xing", b"Info", b"VBRI")
"""Headers, in the first frame of an MP3, that tell its length; without one libsndfile guesses from the bit rate."""
# libsndfile repairs sizes that a header overstates, and says so only in its log ("data : 117440 (should be 50000)").
_OVERSTATED = re.compile(r"^\s*data\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)


class DecodeError(Exception):
    """A file holds no usable audio.

    Args:
        reason: why, in a form that is the same on every machine (no paths).
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class UnknownFormatError(DecodeError):
    """libsndfile cannot read the file; conversion, which has ffmpeg, perhaps can."""


@dataclass(frozen=True)
class Audio:
    """A decoded utterance."""

    wave: Wave
    """``[num_samples]`` at the requested rate, peak at most 1 before resampling."""
    notes: tuple[str, ...]
    """What was done beyond plain decoding, for instance ``cut to 60 s``."""


def decode(path: Path, sample_rate: int, *, min_duration_s: float = 0.0, max_duration_s: float | None = None) -> Wave:
    """The mono wave ``[num_samples]`` of an audio file; see :func:`read_audio`."""
    return read_audio(path, sample_rate, min_duration_s=min_duration_s, max_duration_s=max_duration_s).wave


def read_audio(
    path: Path, sample_rate: int, *, min_duration_s: float = 0.0, max_duration_s: float | None = None
) -> Audio:
    """Decode, mix down, check and resample (soxr, high quality) an audio file.

    The content decides about the format, never the suffix. Only the first ``max_duration_s`` are read, so damage behind
    them goes unseen. Floating-point audio beyond full scale is scaled to a peak of 1, since clipping would distort it.

    Raises:
        DecodeError: empty, damaged, truncated, not audio, not finite, too short or silent.
        FileNotFoundError: there is no such file.
    """
    with local_copy(path) as file:
        wave_CT, native_rate = read_channels(file, max_duration_s)
    notes: list[str] = []
    if max_duration_s is not None and wave_CT.shape[1] > max_duration_s * native_rate:
        wave_CT = wave_CT[:, : int(max_duration_s * native_rate)]
        notes.append(f"cut to {max_duration_s:g} s")
    wave_T = mix_down(wave_CT, notes)
    _check_signal(wave_T, native_rate, min_duration_s)
    peak = float(np.abs(wave_T).max())
    if peak > 1.0:
        wave_T = (wave_T / np.float32(peak)).astype(np.float32)
        notes.append(f"scaled from peak {peak:.3g}")
    if native_rate != sample_rate:
        wave_T = np.asarray(soxr.resample(wave_T, native_rate, sample_rate, quality="HQ"), dtype=np.float32)
        notes.append(f"resampled from {native_rate} Hz")
    return Audio(np.ascontiguousarray(wave_T), tuple(notes))


def read_channels(path: Path, max_duration_s: float | None = None) -> tuple[Wave, int]:
    """Samples ``[C, T]`` as stored, and their rate; a little more than ``max_duration_s`` if the file is longer.

    libsndfile decodes, since it notices damage; ffmpeg only where the header tells no length, which libsndfile needs.

    Raises:
        DecodeError: empty, damaged, truncated or not audio.
        FileNotFoundError: there is no such file.
    """
    if path.stat().st_size == 0:
        raise DecodeError("empty file (0 bytes)")
    try:
        with soundfile.SoundFile(path) as file:
            promised = promised_length(file, path)
            if promised is None:
                return decode_or_refuse(path)
            rate = file.samplerate
            limit = promised if max_duration_s is None else min(promised, int(max_duration_s * rate) + 1)
            overstated = _OVERSTATED.search(file.extra_info)
            wave_CT = np.concatenate(_read_blocks(file, limit), axis=1)
    except soundfile.LibsndfileError as error:
        cause = error.error_string.strip().removeprefix("Error : ").rstrip(".")
        raise UnknownFormatError(f"not readable as audio: {cause}") from error
    if overstated:
        raise DecodeError(f"truncated: {overstated[2]} of {overstated[1]} bytes of samples")
    if wave_CT.shape[1] < limit:
        raise DecodeError(f"truncated: {wave_CT.shape[1]} of {promised} samples")
    return wave_CT, rate


def decode_or_refuse(path: Path) -> tuple[Wave, int]:
    """Samples ``[C, T]`` and their rate by ffmpeg; DecodeError if it finds none."""
    decoded = decode_with_ffmpeg(path)
    if decoded is None:
        raise DecodeError("not readable as audio: ffmpeg finds none")
    return decoded


def promised_length(file: soundfile.SoundFile, path: Path) -> int | None:
    """Samples that the header promises; none where it tells no length (streamed FLAC, MP3 without a length header)."""
    if file.frames > _ENDLESS:
        return None
    if file.format == "MP3":
        with path.open("rb") as raw:
            head = raw.read(10)
            if head[:3] == b"ID3":  # four bytes of seven bits give the length of the tag behind its ten bytes
                raw.seek(10 + sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True)))
            frame = raw.read(2048)
        if not any(name in frame for name in _MP3_LENGTHS):
            return None
    return int(file.frames)


def _read_blocks(file: soundfile.SoundFile, limit: int) -> list[Wave]:
    blocks = [np.zeros((file.channels, 0), np.float32)]
    while (wanted := min(_BLOCK, limit - sum(block.shape[1] for block in blocks))) > 0:
        block = file.read(wanted, dtype="float32", always_2d=True)
        if not len(block):
            break
        blocks.append(block.T)
    return blocks


def mix_down(wave_CT: Wave, notes: list[str]) -> Wave:
    """Mean ``[T]`` of the channels that hold something, or the loudest where that cancels out; adds ``notes``."""
    if wave_CT.shape[0] == 1 or wave_CT.shape[1] == 0:
        return wave_CT[0]
    level_C = np.sqrt(np.mean(np.square(wave_CT, dtype=np.float64), axis=1))
    loudest = int(np.nanargmax(level_C)) if not np.isnan(level_C).all() else 0
    used = [c for c in range(len(level_C)) if not level_C[c] < _EMPTY_CHANNEL * level_C[loudest]]
    if len(used) < len(level_C):
        notes.append(f"{len(level_C) - len(used)} empty of {len(level_C)} channels left out")
    mean_T = wave_CT[used].mean(axis=0, dtype=np.float32)
    if np.sqrt(np.mean(np.square(mean_T, dtype=np.float64))) < _CANCELLED * level_C[loudest]:
        notes.append(f"channels cancel out, channel {loudest + 1} of {len(level_C)} used")
        return wave_CT[loudest]
    return mean_T


def _check_signal(wave_T: Wave, rate: int, min_duration_s: float) -> None:
    num_samples = len(wave_T)
    if num_samples == 0:
        raise DecodeError("no samples")
    if num_samples < min_duration_s * rate:
        raise DecodeError(f"too short: {num_samples / rate:.4g} s, at least {min_duration_s:g} s wanted")
    bad = int(np.count_nonzero(~np.isfinite(wave_T)))
    if bad:
        raise DecodeError(f"not finite: {bad} of {num_samples} samples are NaN or infinite")
    mean = float(wave_T.mean(dtype=np.float64))
    if float(np.abs(wave_T - np.float32(mean)).max()) < SILENT_PEAK:
        raise DecodeError("silent" if abs(mean) < SILENT_PEAK else f"constant signal at {mean:.3g}")

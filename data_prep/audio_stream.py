"""An audio file as a stream of blocks, so that neither an hour of audio nor a lying header fills the memory.

Array names carry shapes: T samples, C channels.
"""

import errno
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from data_prep.audio_format import AudioFormat, promised_samples, recognise, sound_file
from data_prep.decode_error import DecodeError, UnknownFormatError
from data_prep.ffmpeg import decode_with_ffmpeg

Wave = npt.NDArray[np.float32]

MIN_RATE, MAX_RATE = 4000, 384_000
"""Hz; no recording of speech lies outside."""
MAX_SAMPLES_A_SECOND = 1_536_000
"""Of all channels together: 8 at 192 kHz, 32 at 48 kHz."""
MAX_SAMPLES = 1 << 30
"""Of all channels together: three hours of 48 kHz stereo. A few kilobytes of FLAC can stand for more."""
_BLOCK = 1 << 18
"""Samples decoded at a time, of all channels together."""
_SLACK_S = 0.1
"""Decoders differ by a few frames at the ends of compressed files."""
# libsndfile repairs sizes that a header overstates, and says so only in its log ("data : 117440 (should be 50000)").
_OVERSTATED = re.compile(r"^\s*data\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)
_STREAMED = "4294967295"
"""Size that ffmpeg writes into a WAV header when it writes to a pipe: not known."""
_MPG123_FAILED = "File does not exist or is not a regular file"
"""What libsndfile says when its MP3 decoder refuses a file, which misleads."""
_OF_THE_FILE = {errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO}
"""Faults that stay; others (a stale handle, a failing disk) may be gone at the next attempt, and are raised as such."""
_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


@dataclass(frozen=True)
class AudioStream:
    """An open audio file."""

    rate: int
    """Hz."""
    num_channels: int
    blocks: Iterator[Wave]
    """Consecutive ``[C, T]``, to be read once; DecodeError where the file is damaged or shorter than it says."""
    format: AudioFormat | None
    """None where it was not needed."""


@contextmanager
def open_audio(
    path: Path, *, max_duration_s: float | None = None, compressed_by_ffmpeg: bool = False
) -> Iterator[AudioStream]:
    """Open an audio file; the content decides about the format, and the suffix only where there is no header.

    libsndfile decodes, since it notices damage; ffmpeg only where the header tells no length, which libsndfile needs.

    Args:
        max_duration_s: stop a little behind this; damage further on goes unseen.
        compressed_by_ffmpeg: let ffmpeg decode MP3, Ogg and the formats that libsndfile does not know.

    Raises:
        DecodeError: empty, damaged, not audio, or beyond any recording's rate, channels or length.
        FileNotFoundError: there is no such file.
        OSError: the storage fails.
    """
    with faults_told():
        require_content(path)
        format = recognise(path) if compressed_by_ffmpeg else None
        if format is not None and format.demuxer not in ("", "flac"):
            yield _by_ffmpeg(path, format, max_duration_s)
            return
        with path.open("rb") as raw, sound_file(raw) as file:
            promised = promised_samples(file, path)
            if promised is None:
                yield _by_ffmpeg(path, recognise(path), max_duration_s)
            else:
                _require_plausible(file.samplerate, file.channels)
                blocks = _blocks(file, promised, max_duration_s)
                yield AudioStream(file.samplerate, file.channels, _bounded(blocks), format)


@contextmanager
def faults_told() -> Iterator[None]:
    """Faults of a file, met while it is read, become DecodeError; a missing file and failing storage do not."""
    try:
        yield
    except soundfile.LibsndfileError as error:
        cause = error.error_string.strip().removeprefix("Error : ").rstrip(".")
        cause = "damaged MP3 frame" if cause.startswith(_MPG123_FAILED) else cause
        raise UnknownFormatError(f"not readable as audio: {cause}") from error
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in _OF_THE_FILE:
            raise DecodeError(f"not readable: {error.strerror}") from error
        raise


def require_content(path: Path) -> None:
    """Raise DecodeError unless there is a file with something in it; opening a pipe would wait for its writer."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise DecodeError(f"not a file but {_KINDS.get(stat.S_IFMT(status.st_mode), 'a device')}")
    if status.st_size == 0:
        raise DecodeError("empty file (0 bytes)")


def _require_plausible(rate: int, num_channels: int) -> None:
    if not MIN_RATE <= rate <= MAX_RATE:
        raise DecodeError(f"not plausible: a sampling rate of {rate} Hz")
    if rate * num_channels > MAX_SAMPLES_A_SECOND:
        raise DecodeError(f"not plausible: {num_channels} channels at {rate} Hz")


def _blocks(file: soundfile.SoundFile, promised: int, max_duration_s: float | None) -> Iterator[Wave]:
    limit = promised if max_duration_s is None else min(promised, int(max_duration_s * file.samplerate) + 1)
    overstated = _OVERSTATED.search(file.extra_info)
    done = 0
    while done < limit:
        block_TC = file.read(min(_BLOCK // file.channels, limit - done), dtype="float32", always_2d=True)
        if not len(block_TC):
            break
        done += len(block_TC)
        yield block_TC.T
    if overstated and overstated[1] != _STREAMED:
        raise DecodeError(f"truncated: {overstated[2]} of {overstated[1]} bytes of samples")
    if done < limit:
        raise DecodeError(f"truncated: {done} of {promised} samples")


def _by_ffmpeg(path: Path, format: AudioFormat | None, max_duration_s: float | None) -> AudioStream:
    if format is None or not format.demuxer:
        raise UnknownFormatError("not readable as audio: no length")
    slices = decode_with_ffmpeg(path, format)
    first_CT, rate = next(slices)
    _require_plausible(rate, len(first_CT))
    blocks: Iterator[Wave] = chain([first_CT], (slice_CT for slice_CT, _ in slices))
    blocks = _complete(blocks, rate, format.duration_s, max_duration_s)
    return AudioStream(rate, len(first_CT), _bounded(blocks), format)


def _complete(
    blocks: Iterator[Wave], rate: int, promised_s: float | None, max_duration_s: float | None
) -> Iterator[Wave]:
    done = 0
    for block_CT in blocks:
        done += block_CT.shape[1]
        yield block_CT
        if max_duration_s is not None and done > max_duration_s * rate:
            return
    if promised_s is not None and done / rate < promised_s - _SLACK_S:
        raise DecodeError(f"truncated: {done / rate:.2f} of {promised_s:.2f} s")


def _bounded(blocks: Iterator[Wave]) -> Iterator[Wave]:
    done = 0
    for block_CT in blocks:
        done += block_CT.size
        if done > MAX_SAMPLES:
            raise DecodeError(f"too long: more than {MAX_SAMPLES} samples")
        yield block_CT

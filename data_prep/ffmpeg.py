"""Decoding by ffmpeg, through pydub, with the binary that imageio-ffmpeg brings.

Array names carry shapes: T samples, C channels.
"""

import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cluster.errors import SpoofsweepError
from data_prep.audio_format import AudioFormat
from data_prep.decode_error import DecodeError

_FIRST_SLICE_S, _SLICE_S = 60, 300
"""A file is decoded in slices, so that an hour of it never stands in memory; each slice decodes what is before it too.

The first is short, since nothing bounds the rate and the channels that a made-up header can name before it is decoded.
"""
_CPU_LIMIT_S = 60
_CPU_LIMIT_S_PER_MB = 20
"""Real files take about a tenth of a second a megabyte; a loaded machine does not count, as CPU time does not."""
_STOPPED = 255
"""ffmpeg's exit status after a signal, as that of the CPU limit."""
_HEADERLESS = {".raw", ".pcm"}
"""pydub takes files of these names for plain samples, whatever they hold."""


def decode_with_ffmpeg(source: Path, format: AudioFormat) -> Iterator[tuple[npt.NDArray[np.float32], int]]:
    """Consecutive slices ``[C, T]`` of the audio at its own rate, with that rate; at least one.

    The given format is the only one that ffmpeg tries: left to itself, it would follow the addresses in a playlist that
    calls itself audio. It decodes what it can of a damaged file and does not complain: check the length where the file
    tells one. Neither ffprobe nor temporary files are used, and ffmpeg ends with this process.

    Raises:
        DecodeError: ffmpeg finds no audio, or takes far longer than any real file needs.
        SpoofsweepError: there is no ffmpeg for this machine.
    """
    start_s, length_s = 0, _FIRST_SLICE_S
    while True:
        slice_CT, rate = _slice(source, format, start_s, length_s)
        if start_s and not slice_CT.shape[1]:
            return
        yield slice_CT, rate
        if slice_CT.shape[1] < length_s * rate:
            return
        start_s, length_s = start_s + length_s, _SLICE_S


def _slice(source: Path, format: AudioFormat, start_s: int, length_s: int) -> tuple[npt.NDArray[np.float32], int]:
    segment_class, decode_error = load_pydub()
    if source.suffix.lower() in _HEADERLESS:
        raise DecodeError("not readable as audio: the suffix says that there is no header")
    limit_s = _CPU_LIMIT_S + _CPU_LIMIT_S_PER_MB * source.stat().st_size // 1_000_000
    try:
        segment = segment_class.from_file(
            source.absolute(),
            format=format.demuxer,
            codec=format.decoder,
            parameters=["-nostdin", "-loglevel", "error", "-timelimit", str(limit_s)],
            start_second=start_s,
            duration=length_s,
        )
    except decode_error as error:
        if f"error code: {_STOPPED}" in str(error):
            raise DecodeError(f"not readable as audio: ffmpeg needs more than {limit_s} s for it") from error
        raise DecodeError(f"not readable as audio: ffmpeg finds no {format.name}") from error
    width = segment.sample_width
    samples_CT = np.frombuffer(segment.raw_data, f"<i{width}").reshape(-1, segment.channels).T
    return samples_CT.astype(np.float32) / np.float32(1 << (8 * width - 1)), segment.frame_rate


@cache
def load_pydub() -> tuple[Any, type[Exception]]:
    """pydub's AudioSegment, told to use the bundled ffmpeg, and its decoding error."""
    with warnings.catch_warnings():
        # At import pydub warns about its own escape sequences, audioop's future, and an ffmpeg that is not on the PATH.
        warnings.simplefilter("ignore")
        import imageio_ffmpeg
        from pydub import AudioSegment
        from pydub.exceptions import CouldntDecodeError
    try:
        AudioSegment.converter = imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise SpoofsweepError("conversion needs ffmpeg", str(error), "reinstall imageio-ffmpeg") from error
    return AudioSegment, CouldntDecodeError

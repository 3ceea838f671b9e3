"""Decoding by ffmpeg, through pydub, with the binary that imageio-ffmpeg brings.

Array names carry shapes: T samples, C channels.
"""

import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cluster.errors import SpoofsweepError


def decode_with_ffmpeg(source: Path) -> tuple[npt.NDArray[np.float32], int] | None:
    """Samples ``[C, T]`` at the file's own rate, or none where ffmpeg finds no audio; the content tells the format.

    ffmpeg decodes what it can of a damaged file and does not complain: check the length where the file tells one.

    Raises:
        SpoofsweepError: there is no ffmpeg for this machine.
    """
    segment_class, decode_error = load_pydub()
    try:
        with source.open("rb") as file:
            # This entry of pydub, unlike from_file, does not ask ffprobe, which the bundled ffmpeg lacks.
            segment = segment_class.from_file_using_temporary_files(file)
    except decode_error:
        return None
    samples_CT = np.array(segment.get_array_of_samples()).reshape(-1, segment.channels).T
    return (samples_CT / (1 << (8 * segment.sample_width - 1))).astype(np.float32), segment.frame_rate


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

"""Audio as it arrives: raw samples from a pipe, or a microphone.

Array names carry shapes: T samples.
"""

from collections.abc import Iterator
from io import BufferedReader
from typing import Any

import numpy as np
import numpy.typing as npt

from cluster.errors import SpoofsweepError
from deploy.stream.live_options import SampleFormat
from deploy.stream.samples import RAW_TYPES

_LARGEST_S = 1.0
"""Of what is read from a pipe at a time; less, if less is there."""
_MICROPHONE_S = 0.1
_CONTAINERS = {b"RIFF": "WAV", b"fLaC": "FLAC", b"OggS": "Ogg", b"ID3\x03": "MP3", b"ID3\x04": "MP3"}


def pcm_blocks(source: BufferedReader, sample_rate: float, sample_format: SampleFormat) -> Iterator[npt.NDArray[Any]]:
    """Blocks ``[num_samples]`` of raw mono samples, as soon as they are there, until the source ends.

    Raises:
        SpoofsweepError: the source is an audio file with a header, not raw samples.
    """
    dtype = RAW_TYPES[sample_format]
    largest = dtype.itemsize * max(1, round(_LARGEST_S * sample_rate))
    data = source.read(4)
    if data in _CONTAINERS:
        remedy = f"convert it: ffmpeg -i FILE -f {sample_format} -ac 1 -ar {sample_rate:g} - | spoofsweep detect - ..."
        raise SpoofsweepError("standard input must be raw samples", f"a {_CONTAINERS[data]} file", remedy)
    while data:
        whole = len(data) // dtype.itemsize * dtype.itemsize
        if whole:
            yield np.frombuffer(data[:whole], dtype).astype(dtype.newbyteorder("="), copy=False)
        more = source.read1(largest)
        data = data[whole:] + more if more else b""


def microphone_blocks(sample_rate: float) -> Iterator[npt.NDArray[np.float32]]:
    """Blocks ``[num_samples]`` of what the default microphone hears, without end.

    Raises:
        SpoofsweepError: sounddevice or PortAudio is not installed, there is no microphone, or not at this rate.
    """
    rule = "--microphone needs one, and what reads it"
    try:
        import sounddevice
    except ModuleNotFoundError as error:
        raise SpoofsweepError(rule, f"no {error.name}", "run pip install 'spoofsweep[microphone]'") from error
    except OSError as error:
        raise SpoofsweepError(rule, str(error), "install PortAudio (Debian: apt-get install libportaudio2)") from error
    try:
        with sounddevice.InputStream(samplerate=sample_rate, channels=1, dtype="float32") as stream:
            while True:
                block_TC, _ = stream.read(round(_MICROPHONE_S * sample_rate))
                yield block_TC[:, 0]
    except sounddevice.PortAudioError as error:
        remedy = "plug one in, or give a rate that it has as --sample-rate"
        raise SpoofsweepError(rule, f"{error} at {sample_rate:g} Hz", remedy) from error

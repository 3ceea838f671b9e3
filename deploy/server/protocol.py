"""What clients and server say to each other on ``/v1/stream``.

The client begins with a JSON object, ``{"type": "start", ...}`` (see `Start`), sends binary messages of mono samples,
of any length up to the limit, and ends with ``{"type": "end"}``. The server answers with JSON objects: ``ready``,
``scores`` (whenever a chunk completes some), ``verdict`` (after the end) or ``error``, and closes.

Array names carry shapes: T samples.
"""

import json
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, SecretStr

from cluster.errors import SpoofsweepError
from cluster.settings import Settings, parse_settings
from deploy.server.refusal import Reason, RefusedError
from deploy.stream.aggregation import RUNNING, Aggregation, Exponential, Sliding
from deploy.stream.live_options import SampleFormat
from deploy.stream.samples import MAX_RATE, MIN_RATE, RAW_TYPES

LONGEST_MEMORY_S = 600.0
"""Of an aggregate; the server keeps a sliding window's scores."""


class RunningMean(Settings):
    """The mean of all scores: the verdict on a whole file."""

    kind: Literal["running"]
    """Always ``running``."""

    def build(self) -> Aggregation:
        """The detector's."""
        return RUNNING


class ExponentialMean(Settings):
    """A mean that forgets."""

    kind: Literal["exponential"]
    """Always ``exponential``."""
    half_life_s: float = Field(gt=0, le=LONGEST_MEMORY_S)
    """Seconds after which a score weighs half as much."""

    def build(self) -> Aggregation:
        """The detector's."""
        return Exponential(self.half_life_s)


class SlidingMean(Settings):
    """The mean over the last seconds."""

    kind: Literal["sliding"]
    """Always ``sliding``."""
    window_s: float = Field(gt=0, le=LONGEST_MEMORY_S)
    """Seconds that it looks back."""

    def build(self) -> Aggregation:
        """The detector's."""
        return Sliding(self.window_s)


class Start(Settings):
    """First message of a stream."""

    type: Literal["start"]
    """Always ``start``."""
    sample_rate: int = Field(ge=MIN_RATE, le=MAX_RATE)
    """Hz of the samples that will come; another rate than the detector's is converted."""
    format: SampleFormat = SampleFormat.S16LE
    """Little-endian 16 bits of PCM, or 32-bit floating-point in -1..1."""
    aggregation: RunningMean | ExponentialMean | SlidingMean = Field(
        default=RunningMean(kind="running"), discriminator="kind"
    )
    """How the scores so far become the one that is decided on."""
    voice_activity: bool = False
    """Leave what is no speech out of the decision."""
    warm_up_s: float = Field(default=0.0, ge=0, le=LONGEST_MEMORY_S)
    """Seconds of audio, of speech with `voice_activity`, before the first label."""
    token: SecretStr | None = None
    """The server's, for browsers, which cannot set a header."""


def parse_start(message: str | bytes) -> Start:
    """
    Raises:
        RefusedError: it is anything but a start message.
    """
    values = parse_object(message, "a stream begins with a JSON message of type 'start'")
    try:
        return parse_settings(Start, values, "start")
    except SpoofsweepError as error:
        raise RefusedError.of(Reason.MESSAGE, error) from error


def check_end(message: str) -> None:
    """
    Raises:
        RefusedError: it is anything but the end message.
    """
    rule = 'between \'start\' and the message {"type": "end"} only samples are sent, as binary messages'
    if parse_object(message, rule) != {"type": "end"}:
        raise RefusedError(Reason.MESSAGE, rule, _excerpt(message))


def parse_object(message: str | bytes, rule: str) -> dict[str, Any]:
    """The JSON object of a text message; raises RefusedError naming ``rule`` where it is none."""
    if isinstance(message, bytes):
        raise RefusedError(Reason.MESSAGE, rule, f"a binary message of {len(message)} bytes")
    try:
        values = json.loads(message)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is a plain ValueError
        raise RefusedError(Reason.MESSAGE, rule, _excerpt(message)) from error
    if not isinstance(values, dict):
        raise RefusedError(Reason.MESSAGE, rule, _excerpt(message))
    return values


def parse_samples(chunk: bytes, sample_format: SampleFormat) -> npt.NDArray[Any]:
    """Samples ``[num_samples]`` of a binary message; raises RefusedError where one is cut off."""
    check_whole_samples(len(chunk), sample_format)
    return np.frombuffer(chunk, RAW_TYPES[sample_format])


def check_whole_samples(num_bytes: int, sample_format: SampleFormat) -> None:
    """Raises RefusedError where so many bytes are no whole number of samples."""
    width = RAW_TYPES[sample_format].itemsize
    if num_bytes % width:
        rule = f"samples of format {sample_format} take a multiple of {width} bytes"
        raise RefusedError(Reason.CHUNK, rule, f"{num_bytes} bytes")


def _excerpt(message: str) -> str:
    """What a message began with, short enough to be sent back."""
    return repr(message if len(message) <= 80 else f"{message[:80]}...")

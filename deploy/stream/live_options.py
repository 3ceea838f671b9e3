"""How live audio is heard, as the command line says it; parsed without NumPy."""

from dataclasses import dataclass
from enum import StrEnum


class SampleFormat(StrEnum):
    """Formats of raw samples, by ffmpeg's names."""

    S16LE = "s16le"
    F32LE = "f32le"


@dataclass(frozen=True)
class LiveOptions:
    """Options of `detect` that audio files have no use for."""

    microphone: bool = False
    sample_rate: int | None = None
    """Hz; none is the model's."""
    sample_format: SampleFormat = SampleFormat.S16LE
    every_s: float = 1.0
    """Between lines."""
    half_life_s: float | None = None
    sliding_s: float | None = None
    speech_only: bool = False
    warm_up_s: float = 0.0

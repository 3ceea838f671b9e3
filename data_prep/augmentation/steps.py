"""Settings of the steps that a policy can hold, one class a kind. What they do stands in modules of their own, so that
reading a study needs no audio library.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from data_prep.augmentation.rawboost_config import RawBoostStep
from data_prep.augmentation.step import NonNegativeRange, PositiveRange, Range, Share, Step

Colour = Literal["white", "pink", "brown", "blue", "violet"]
Codec = Literal["mp3", "opus", "vorbis", "g722", "gsm", "alaw", "mulaw"]
SPEECH = "speech"
"""The kind of recorded noise of which several files make one babble."""
SILENCE_DB = -30.0
"""Power of a frame, against the loudest one, below which it is silence, as in the energy detector of Kinnunen and Li
(Speech Communication 52, 2010). The audit measures silence by the same threshold."""


class FolderStep(Step):
    """A step that draws from a folder of recordings."""

    folder: str | None = None
    """Folder searched for audio; relative paths start at the study file; ``~``, ``$VAR`` and ``${VAR}`` expand."""


class NoiseStep(FolderStep):
    """Additive noise at a drawn signal-to-noise ratio: generated, or recorded where a folder (MUSAN's) is given."""

    kind: Literal["noise"]
    snr_db: Range = (5.0, 25.0)
    """Signal-to-noise ratio over the whole utterance."""
    colours: tuple[Colour, ...] = Field(default=("white", "pink", "brown"), min_length=1)
    """Spectral slopes of generated noise, one drawn: 0, -3, -6, +3, +6 dB an octave."""
    kinds: dict[str, Range] = Field(default_factory=dict)
    """Subfolders of ``folder`` and the signal-to-noise ratios of each, one drawn; none given means all of the folder,
    at ``snr_db``."""
    voices: tuple[int, int] = (3, 7)
    """Fewest and most files of the subfolder ``speech`` that are mixed into one babble."""
    recorded_share: Share = 1.0
    """Share of recorded noise where a folder is given; the rest is generated."""

    @model_validator(mode="after")
    def _consistent(self) -> "NoiseStep":
        if self.kinds and self.folder is None:
            raise ValueError(f"kinds of recorded noise need a folder: {', '.join(self.kinds)}")
        if not 1 <= self.voices[0] <= self.voices[1]:
            raise ValueError(f"voices {list(self.voices)} must be two rising numbers from 1 on")
        return self


class ReverbStep(FolderStep):
    """Convolution with a room impulse response: recorded (RIRS_NOISES, say), or of a simulated box-shaped room."""

    kind: Literal["reverb"]
    rt60_s: PositiveRange = (0.2, 0.8)
    """Simulated room: time in which the sound falls by 60 dB."""
    length_m: PositiveRange = (3.0, 10.0)
    """Simulated room: length, and width."""
    height_m: PositiveRange = (2.4, 4.0)
    """Simulated room: height."""


class PitchStep(Step):
    """Pitch shift at constant duration."""

    kind: Literal["pitch"]
    semitones: Range = (-2.0, 2.0)
    """Shift upwards."""


class StretchStep(Step):
    """Time stretch at constant pitch."""

    kind: Literal["stretch"]
    rate: PositiveRange = (0.9, 1.1)
    """Above 1 is faster and shorter."""

    @property
    def shortest(self) -> float:
        return min(1.0, 1.0 / self.rate[1])


class SpeedStep(Step):
    """Faster or slower replay: duration and pitch change together (Ko et al. 2015)."""

    kind: Literal["speed"]
    rate: PositiveRange = (0.9, 1.1)
    """Above 1 is faster, shorter and higher."""

    @property
    def shortest(self) -> float:
        return min(1.0, 1.0 / self.rate[1])


class CodecStep(Step):
    """Encoding and decoding by one of the codecs; the result is aligned with the original and as long."""

    kind: Literal["codec"]
    codecs: tuple[Codec, ...] = Field(default=("mp3", "opus", "vorbis", "g722", "gsm", "alaw", "mulaw"), min_length=1)
    """One is drawn. ``gsm``, ``alaw`` and ``mulaw`` work at 8 kHz, ``g722`` at 16 kHz."""
    kbps: PositiveRange = (8.0, 64.0)
    """Bit rate, drawn from what the range and the codec have in common, or the nearest that the codec has."""


class BandStep(Step):
    """Limits the frequency band; the defaults are those of the telephone."""

    kind: Literal["band"]
    low_hz: NonNegativeRange = (300.0, 300.0)
    """Lower edge, -6 dB, below half the sampling rate; 0 keeps the low frequencies."""
    high_hz: PositiveRange = (3400.0, 3400.0)
    """Upper edge, -6 dB; half the sampling rate or more keeps the high frequencies."""

    @model_validator(mode="after")
    def _apart(self) -> "BandStep":
        if self.low_hz[1] >= self.high_hz[0]:
            raise ValueError(f"low_hz {list(self.low_hz)} must end below the start of high_hz {list(self.high_hz)}")
        return self


class GainStep(Step):
    """Another level."""

    kind: Literal["gain"]
    gain_db: Range = (-10.0, 6.0)
    """What passes full scale is scaled back to it."""


class ClipStep(Step):
    """Clipping of the loudest samples."""

    kind: Literal["clip"]
    share: tuple[Share, Share] = (0.0, 0.05)
    """Share of the samples, digital silence left out, that are clipped."""

    @model_validator(mode="after")
    def _not_all(self) -> "ClipStep":
        if not self.share[0] <= self.share[1] <= 0.5:
            raise ValueError(f"share {list(self.share)} must rise, and end at 0.5 at most")
        return self


class TrimSilenceStep(Step):
    """Cuts leading and trailing silence."""

    kind: Literal["trim_silence"]
    threshold_db: float = Field(default=SILENCE_DB, lt=0.0)
    """Frames this far below the loudest are silence; the default is what the audit calls so."""
    keep_s: NonNegativeRange = (0.0, 0.1)
    """Silence that stays at each end, as far as there is any."""
    at_most: float = Field(default=0.7, gt=0.0, lt=1.0)
    """Largest share of the utterance that is cut; where the silence is longer, both ends keep some."""

    @property
    def shortest(self) -> float:
        return 1.0 - self.at_most


class PadStep(Step):
    """Adds silence before and behind the utterance."""

    kind: Literal["pad"]
    leading_s: NonNegativeRange = (0.0, 0.3)
    """Silence before the utterance, seconds."""
    trailing_s: NonNegativeRange = (0.0, 0.3)
    """Silence behind it, seconds."""
    level_db: Range | None = None
    """Level of white noise in the padding, root mean square against full scale, 0 at most; none means digital silence.
    """

    @model_validator(mode="after")
    def _within_full_scale(self) -> "PadStep":
        if self.level_db is not None and self.level_db[1] > 0:
            raise ValueError(f"level_db {list(self.level_db)} must end at 0, which is full scale, at most")
        return self


AnyStep = Annotated[
    NoiseStep
    | ReverbStep
    | PitchStep
    | StretchStep
    | SpeedStep
    | RawBoostStep
    | CodecStep
    | BandStep
    | GainStep
    | ClipStep
    | TrimSilenceStep
    | PadStep,
    Field(discriminator="kind"),
]

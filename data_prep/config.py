"""Settings of the corpus, the augmented views and the features."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from cluster.settings import Settings
from data_prep.features_config import FeaturesConfig


def _ordered(span: tuple[float, float]) -> tuple[float, float]:
    if span[0] > span[1]:
        raise ValueError("the first number of a range must not exceed the second")
    return span


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
"""Closed interval ``[low, high]``."""


class CorpusConfig(Settings):
    """Which corpus, and where it lies."""

    layout: Literal["asvspoof2019-la", "asvspoof2019-pa", "asvspoof5", "csv"]
    """How the corpus is laid out on disk; one parser a layout."""
    root: str
    """Folder of the corpus (for ``csv``: the manifest file).

    Relative paths start at the study file; ``~``, ``$VAR`` and ``${VAR}`` expand.
    """
    convert: bool = False
    """Convert what is not FLAC (MP3, M4A, OGG, WAV...) to 16 kHz FLAC first."""
    min_duration_s: float = Field(default=0.1, gt=0.0)
    """Shorter utterances are rejected."""
    max_duration_s: float = Field(default=60.0, gt=0.0)
    """Longer utterances are cut to this length."""
    allow_shared_speakers: bool = False
    """Accept speakers that stand in several splits, which inflates validation scores."""


class NoiseConfig(Settings):
    """Additive noise at a sampled signal-to-noise ratio."""

    probability: float = Field(default=0.0, ge=0.0, le=1.0)
    """Chance that a view gets it; 0 is off."""
    snr_db: Range = (5.0, 25.0)
    """Signal-to-noise ratio, drawn uniformly."""
    colours: tuple[Literal["white", "pink", "brown", "blue", "violet"], ...] = ("white", "pink", "brown")
    """Spectral slopes of generated noise, drawn uniformly: 0, -3, -6, +3, +6 dB an octave."""
    folder: str | None = None
    """Folder of recorded noise (such as MUSAN's ``noise``), searched for audio; half of the noises come from it."""


class PitchConfig(Settings):
    """Pitch shift at constant duration."""

    probability: float = Field(default=0.0, ge=0.0, le=1.0)
    """Chance that a view gets it; 0 is off."""
    semitones: Range = (-2.0, 2.0)
    """Shift, drawn uniformly."""


class StretchConfig(Settings):
    """Time stretch at constant pitch."""

    probability: float = Field(default=0.0, ge=0.0, le=1.0)
    """Chance that a view gets it; 0 is off."""
    rate: Range = (0.9, 1.1)
    """Speed factor, drawn uniformly; above 1 is faster and shorter."""

    @model_validator(mode="after")
    def _positive(self) -> "StretchConfig":
        if self.rate[0] <= 0:
            raise ValueError("a stretch rate must be above 0")
        return self


class AugmentationConfig(Settings):
    """Augmented views of the training utterances; view 0 is always the clean one."""

    num_views: int = Field(default=0, ge=0, le=32)
    """Augmented views of each training utterance."""
    noise: NoiseConfig = NoiseConfig()
    pitch: PitchConfig = PitchConfig()
    stretch: StretchConfig = StretchConfig()


class ShardsConfig(Settings):
    """How the features are cut into files."""

    utterances_per_shard: int = Field(default=256, ge=1)
    """Utterances (all their views) in one shard file; smaller files keep more cores busy, larger ones are fewer."""


class PrepConfig(ShardsConfig):
    """All that decides the bytes of a shard set."""

    corpus: CorpusConfig
    features: FeaturesConfig = FeaturesConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    seed: int = Field(default=0, ge=0)
    """Seed of the augmentation draws."""

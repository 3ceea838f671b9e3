"""Settings of the corpus, the augmented views and the features."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from cluster.settings import Settings


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
    """Folder of the corpus (for ``csv``: the manifest file), or its .zip or .tar, or a URI (``s3://bucket/LA``).

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


class FeaturesConfig(Settings):
    """The acoustic front end; one implementation serves preparation and detection."""

    kind: Literal["lfcc", "logmel"] = "lfcc"
    """``lfcc``: linear-frequency cepstra with deltas (ASVspoof 2019 baseline); ``logmel``: log mel filter bank."""
    sample_rate: int = Field(default=16000, ge=8000, le=48000)
    """Hz; every utterance is resampled to it."""
    window_ms: float = Field(default=20.0, gt=0.0, le=100.0)
    """Analysis window length."""
    hop_ms: float = Field(default=10.0, gt=0.0, le=50.0)
    """Distance of successive windows."""
    fft_size: int = Field(default=512, ge=64)
    """Points of the discrete Fourier transform, at least the window's samples."""
    num_filters: int = Field(default=20, ge=4)
    """Triangular filters (20 is the LFCC baseline; 80 is usual for log-mel)."""
    num_coefficients: int = Field(default=20, ge=4)
    """Cepstral coefficients kept (LFCC only)."""
    deltas: Literal[0, 1, 2] = 2
    """Orders of time derivatives stacked below the coefficients (LFCC only)."""
    low_hz: float = Field(default=0.0, ge=0.0)
    """Lower edge of the filter bank."""
    high_hz: float | None = Field(default=None, gt=0.0)
    """Upper edge of the filter bank; none means half the sampling rate."""

    @model_validator(mode="after")
    def _consistent(self) -> "FeaturesConfig":
        if self.fft_size < self.window_samples:
            raise ValueError(f"fft_size {self.fft_size} is below the window's {self.window_samples} samples")
        if self.kind == "lfcc" and self.num_coefficients > self.num_filters:
            raise ValueError(f"num_coefficients {self.num_coefficients} exceeds num_filters {self.num_filters}")
        if (self.high_hz or self.sample_rate / 2) > self.sample_rate / 2:
            raise ValueError(f"high_hz {self.high_hz} is above half the sampling rate")
        if self.low_hz >= (self.high_hz or self.sample_rate / 2):
            raise ValueError(f"low_hz {self.low_hz} is not below high_hz")
        return self

    @property
    def window_samples(self) -> int:
        """Samples of one analysis window."""
        return round(self.window_ms * self.sample_rate / 1000)

    @property
    def hop_samples(self) -> int:
        """Samples between successive windows."""
        return round(self.hop_ms * self.sample_rate / 1000)

    @property
    def num_bins(self) -> int:
        """Feature dimension of one frame."""
        return self.num_coefficients * (1 + self.deltas) if self.kind == "lfcc" else self.num_filters


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
    store: str | None = None
    """Where shard sets are kept: a folder or a URI such as ``s3://bucket/shards``; none means ``shards`` in the output.

    Relative paths start at the working directory; ``~``, ``$VAR`` and ``${VAR}`` expand. No part of a set's identity.
    """


class PrepConfig(ShardsConfig):
    """All that decides the bytes of a shard set, and where it is kept."""

    corpus: CorpusConfig
    features: FeaturesConfig = FeaturesConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    seed: int = Field(default=0, ge=0)
    """Seed of the augmentation draws."""

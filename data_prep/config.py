"""Settings of the corpus and the features, and all that decides a shard set."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cluster.errors import SpoofsweepError
from cluster.settings import Settings
from data_prep.augmentation.config import AugmentationConfig
from data_prep.features_config import FeaturesConfig
from data_prep.utterance import Split

Share = Annotated[float, Field(gt=0.0, le=1.0)]
CONVERSION_RATE = 16000
"""Hz, of everything that conversion makes."""


class CorpusSource(Settings):
    """One corpus, where it lies, and which of its utterances go where."""

    layout: Literal[
        "asvspoof2015",
        "asvspoof2017",
        "asvspoof2019-la",
        "asvspoof2019-pa",
        "asvspoof2021-la",
        "asvspoof2021-df",
        "asvspoof2021-pa",
        "asvspoof5",
        "in-the-wild",
        "fake-or-real",
        "wavefake",
        "mlaad",
        "add2023",
        "folders",
        "manifest",
    ]
    """How the corpus is laid out on disk; one parser a layout (``spoofsweep corpus list`` describes them)."""
    root: str
    """Folder of the corpus (for ``manifest``: the CSV or Parquet file), or its .zip or .tar, or a URI (``s3://bucket/LA``).

    A corpus that comes in several archives (ASVspoof 5, 2021 DF) must be unpacked into one folder. Relative paths start
    at the study file; ``~``, ``$VAR`` and ``${VAR}`` expand.
    """
    subset: str | None = None
    """Part of a corpus that has several, such as ``progress`` of ASVspoof 2021; none means the layout's default."""
    splits: dict[Split, tuple[Split, ...]] | None = None
    """The corpus's own splits that feed each split of the study; what is not named is left out. None: each its own."""
    divide: dict[Split, Share] | None = None
    """Shares of the splits into which the whole corpus is divided, its own splits disregarded; they sum to 1.

    Speakers, where they are known, go to one split each; labels and attacks are spread evenly.
    """

    @model_validator(mode="after")
    def _one_way_to_split(self) -> "CorpusSource":
        if self.splits is not None and self.divide is not None:
            raise ValueError("give either splits or divide")
        own = [split for sources in (self.splits or {}).values() for split in sources]
        if len(set(own)) < len(own):
            raise ValueError("splits: each split of the corpus can feed one split of the study")
        if self.divide is not None and abs(sum(self.divide.values()) - 1) > 1e-6:
            raise ValueError(f"divide: the shares sum to {sum(self.divide.values()):g}, not to 1")
        return self


class ExtraCorpus(CorpusSource):
    """A corpus that is added to the main one."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$")
    """Stands in the index, and before the ids, speakers and attacks of this corpus: ``NAME/...``."""


class CorpusConfig(CorpusSource):
    """The corpus of a study, or the main one of several, and how its utterances are treated."""

    extra: tuple[ExtraCorpus, ...] = ()
    """Further corpora, to train, validate or evaluate on."""
    max_utterances: dict[Split, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Most utterances of a split, all corpora together, for quick sweeps; drawn so that the proportions of corpora,
    classes and attacks stay, with each attack at least once if possible, and from as many speakers as possible.
    """
    convert: bool = False
    """Convert what is not FLAC (MP3, M4A, OGG, WAV...) to 16 kHz FLAC first."""
    min_duration_s: float = Field(default=0.1, gt=0.0)
    """Shorter utterances are rejected."""
    max_duration_s: float = Field(default=60.0, gt=0.0)
    """Longer utterances are cut to this length."""
    allow_shared_speakers: bool = False
    """Accept speakers that stand in several splits, which inflates validation scores; a corpus of fewer speakers than
    splits can then be divided.
    """

    @model_validator(mode="after")
    def _names_differ(self) -> "CorpusConfig":
        names = [self.layout, *(extra.name for extra in self.extra)]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"extra: names must differ, and from the main corpus's layout: {', '.join(repeated)}")
        return self

    @property
    def is_drawn(self) -> bool:
        """Whether a seed decides which utterances go where."""
        return bool(self.max_utterances) or any(source.divide for source in (self, *self.extra))


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
    """Seed of the augmentation draws, and of those that divide or thin out the corpus."""

    @model_validator(mode="after")
    def _bands_below_half_the_rate(self) -> "PrepConfig":
        self.augmentation.check_rate(self.features.sample_rate)
        return self

    @model_validator(mode="after")
    def _conversion_keeps_the_band(self) -> "PrepConfig":
        if self.corpus.convert and self.features.sample_rate > CONVERSION_RATE:
            raise SpoofsweepError(
                f"features.sample_rate must be at most {CONVERSION_RATE} Hz with corpus.convert = true, "
                "which brings all files but FLAC ones to that rate",
                self.features.sample_rate,
                "lower it, or leave corpus.convert out",
            )
        return self

    def min_duration_s(self, split: str) -> float:
        """The shortest utterance kept in ``split``: the configured bound, and enough for one window in each view."""
        window_s = (self.features.window_samples + self.features.hop_samples) / self.features.sample_rate
        # Only training utterances have augmented views: these must not decide what is validated on.
        return max(self.corpus.min_duration_s, window_s / (self.augmentation.shortest if split == "train" else 1.0))

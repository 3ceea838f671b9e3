"""What an audit reports; ``audit.json`` is this model."""

from pathlib import Path
from typing import Literal

from cluster.settings import Settings
from data_prep.atomic import atomic_write_text
from data_prep.audit.probes import Probe

REPORT, PAGE, TABLE = "audit.json", "audit.html", "measurements.parquet"
Severity = Literal["error", "warning", "note"]


class Finding(Settings):
    """One thing to know, with its number, and what to do about it."""

    severity: Severity
    """``error``: preparation will stop; ``warning``: the results will mislead; ``note``: good to know."""
    text: str
    remedy: str = ""


class SplitRow(Settings):
    """One class of one split, by the protocols."""

    split: str
    label: str
    files: int
    speakers: int
    """Speakers that the corpus names; 0 where it names none."""
    attacks: dict[str, int]
    """Files by attack."""
    hours: float
    """Of the measured files."""


class Spread(Settings):
    """How one measurement is spread over one class of one split."""

    measurement: str
    """Field of ``Measurement``."""
    split: str
    label: str
    mean: float
    low: float
    """5th percentile."""
    median: float
    high: float
    """95th percentile."""
    smallest: float
    largest: float


class FormatRow(Settings):
    """Files of one class of one split that are stored the same way."""

    split: str
    label: str
    container: str
    coding: str
    sample_rate: int
    channels: int
    told_channel: str
    """What the protocol tells about codec, transmission or environment."""
    files: int


class BandRow(Settings):
    """Files of one class of one split whose bandwidth falls into one of the classes of the ITU."""

    split: str
    label: str
    band: str
    files: int
    steep: int
    """Those of them whose spectrum ends in a steep edge, as codecs and filters leave it."""


class DuplicateGroup(Settings):
    """Files with the same audio."""

    audio_hash: str
    files: tuple[str, ...]
    """Relative to the corpus root."""
    splits: tuple[str, ...]
    labels: tuple[str, ...]
    same_file: bool
    """Whether the files are equal byte by byte, and not only what they sound like."""


class Duplicates(Settings):
    """Audio that occurs more than once among the measured files."""

    groups: int
    files: int
    across_splits: int
    """Groups whose files stand in several splits."""
    across_labels: int
    """Groups whose files are called both bona fide and spoofed."""
    shown: tuple[DuplicateGroup, ...]
    """The gravest, at most a hundred."""


class RejectedFile(Settings):
    """A file that preparation would set aside."""

    utterance_id: str
    split: str
    file: str
    reason: str


class AuditReport(Settings):
    """Everything that an audit found."""

    study: str
    layout: str
    corpus_identity: str
    seed: int
    files: int
    """Utterances of the protocols, missing files and duplicate lines included."""
    measured: int
    chosen: int
    """Files that were to be measured; fewer than there are where a sample was drawn."""
    hours: float
    """Of the measured files."""
    findings: tuple[Finding, ...]
    splits: tuple[SplitRow, ...]
    spreads: tuple[Spread, ...]
    formats: tuple[FormatRow, ...]
    bands: tuple[BandRow, ...]
    duplicates: Duplicates
    probes: tuple[Probe, ...]
    rejected: tuple[RejectedFile, ...]

    def write(self, folder: Path) -> Path:
        """Write ``audit.json`` into ``folder`` in one step; returns its path."""
        path = folder / REPORT
        atomic_write_text(path, self.model_dump_json(indent=1) + "\n")
        return path

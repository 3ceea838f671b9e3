"""The verdict on one piece of audio, and its course over time; whatever computed it."""

from dataclasses import dataclass

from data_prep.utterance import LABELS

BONAFIDE, SPOOF = LABELS


@dataclass(frozen=True)
class Window:
    """The score of one stretch of the audio."""

    start_s: float
    end_s: float
    score: float
    running_score: float
    """Mean of the scores up to and including this window."""


@dataclass(frozen=True)
class Detection:
    """The verdict on one piece of audio."""

    label: str
    """``bonafide`` where the score exceeds the threshold, else ``spoof``."""
    score: float
    """Logit difference, higher for bona fide; the mean over the windows."""
    threshold: float
    duration_s: float
    windows: tuple[Window, ...]


def verdict_label(score: float, threshold: float) -> str:
    """``bonafide`` above the threshold, as the official error rates count it; ``spoof`` at or below."""
    return BONAFIDE if score > threshold else SPOOF

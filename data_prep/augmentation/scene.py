"""What a step has at hand beside the wave, and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from data_prep.augmentation.recordings import Folders

Drawn = Mapping[str, float | int | str]
"""The values that a step drew, JSON-able."""


@dataclass(frozen=True)
class Scene:
    """Surroundings of a view."""

    sample_rate: int
    """Hz."""
    folders: Folders = field(default_factory=dict)

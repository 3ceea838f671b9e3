"""The numbers of a measurement that are compared between the classes, and how they are shown."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Quantity:
    """One number of a measurement."""

    column: str
    """Field of ``Measurement``."""
    name: str
    unit: str
    """In which it is shown."""
    factor: float = 1.0
    """From the measurement to that unit."""
    decimals: int = 2
    is_cue: bool = True
    """Whether it is probed as a shortcut."""
    is_drawn: bool = True
    """Whether a histogram shows anything: most corpora have no clipping and no offset to speak of."""

    @property
    def title(self) -> str:
        """Name and unit."""
        return f"{self.name} ({self.unit})"


QUANTITIES = {
    one.column: one
    for one in (
        Quantity("duration_s", "duration", "s"),
        Quantity("leading_silence_s", "leading silence", "s"),
        Quantity("trailing_silence_s", "trailing silence", "s"),
        Quantity("level_dbfs", "level", "dBFS", decimals=1),
        Quantity("floor_dbfs", "background level", "dBFS", decimals=1),
        Quantity("peak", "peak", "% of full scale", 100.0, 1, is_cue=False),
        Quantity("bandwidth_hz", "bandwidth", "kHz", 1e-3),
        Quantity("clipped_share", "clipping", "% of samples", 100.0, is_drawn=False),
        Quantity("dc_offset", "DC offset", "% of full scale", 100.0, 1, is_drawn=False),
    )
}
"""By column, in the order of the tables."""

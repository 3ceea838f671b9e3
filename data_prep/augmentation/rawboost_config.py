"""Settings of RawBoost, under the names that its authors published."""

# The names of the publication are kept, so that settings can be taken over as they are.
# ruff: noqa: N815

from typing import Literal

from pydantic import Field, model_validator

from data_prep.augmentation.step import Step

Algorithm = Literal[1, 2, 3, 4, 5, 6, 7, 8]


class RawBoostStep(Step):
    """RawBoost (Tak et al. 2022, "RawBoost: a raw data boosting and augmentation method", ICASSP); its defaults."""

    kind: Literal["rawboost"]
    algorithms: tuple[Algorithm, ...] = Field(default=(5,), min_length=1)
    """One is drawn for each view. 1: linear and non-linear convolutive noise (LnL); 2: impulsive signal-dependent noise
    (ISD); 3: stationary signal-independent noise (SSI); in series 4: 1, 2 and 3, 5: 1 and 2, 6: 1 and 3, 7: 2 and 3;
    8: 1 and 2 in parallel, summed."""
    N_f: int = Field(default=5, ge=1, le=20)
    """LnL: powers of the wave, from the first, each with a filter of its own."""
    nBands: int = Field(default=5, ge=1, le=20)
    """LnL, SSI: notches of a filter."""
    minF: float = Field(default=20.0, ge=0.0)
    """Lowest centre of a notch, Hz."""
    maxF: float = Field(default=8000.0, gt=0.0)
    """Highest centre of a notch, Hz."""
    minBW: float = Field(default=100.0, ge=1.0)
    """Narrowest notch, Hz."""
    maxBW: float = 1000.0
    """Widest notch, Hz."""
    minCoeff: int = Field(default=10, ge=3)
    """Fewest taps of a notch; even numbers are raised to the next odd one."""
    maxCoeff: int = Field(default=100, le=1000)
    """Most taps of a notch, itself excluded."""
    minG: float = 0.0
    """Lowest gain of a filter, dB."""
    maxG: float = 0.0
    """Highest gain of a filter, dB."""
    minBiasLinNonLin: float = 5.0
    """LnL: what is taken off ``minG`` for the powers above the first, dB."""
    maxBiasLinNonLin: float = 20.0
    """LnL: what is taken off ``maxG`` for the powers above the first, dB."""
    P: float = Field(default=10.0, ge=0.0, le=100.0)
    """ISD: largest percentage of samples that are hit."""
    g_sd: float = Field(default=2.0, ge=0.0)
    """ISD: gain of the impulses."""
    SNRmin: float = 10.0
    """SSI: lowest signal-to-noise ratio, dB."""
    SNRmax: float = 40.0
    """SSI: highest signal-to-noise ratio, dB."""

    @model_validator(mode="after")
    def _ordered(self) -> "RawBoostStep":
        for low, high in (("minF", "maxF"), ("minBW", "maxBW"), ("minCoeff", "maxCoeff"), ("minG", "maxG")):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} {getattr(self, low):g} exceeds {high} {getattr(self, high):g}")
        if self.SNRmin > self.SNRmax:
            raise ValueError(f"SNRmin {self.SNRmin:g} exceeds SNRmax {self.SNRmax:g}")
        return self

"""Settings of the acoustic front end. They import no torch, so that a study file is read without waiting for it."""

import math
from typing import Any, Literal

from pydantic import Field, model_validator

from cluster.settings import Settings

_FOURIER = ("lfcc", "mfcc", "lfb", "logmel", "logspec")
_FILTERED = ("lfcc", "mfcc", "lfb", "logmel")
_CONSTANT_Q = ("cqt", "cqcc")
_CEPSTRA = ("lfcc", "mfcc", "cqcc")
_ONLY_FOR = {
    "window_ms": _FOURIER,
    "fft_size": _FOURIER,
    "num_filters": _FILTERED,
    "num_coefficients": _CEPSTRA,
    "energy": ("lfcc", "mfcc"),
    "bins_per_octave": _CONSTANT_Q,
    "gamma_hz": _CONSTANT_Q,
}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "lfcc": {"deltas": 2},
    "mfcc": {"deltas": 2},
    "cqt": {"low_hz": 62.5},
    # The CQCC baseline of ASVspoof 2021 LA (github.com/asvspoof-challenge/2021, LA/Baseline-CQCC-GMM).
    "cqcc": {"deltas": 2, "delta_reach": 3, "low_hz": 62.5, "high_hz": 4000.0, "bins_per_octave": 12},
}


class FeaturesConfig(Settings):
    """The acoustic front end; one implementation serves preparation and detection.

    A field that does not apply to the kind must be left alone. Published front ends:

    - LFCC of ASVspoof 2019: the defaults with ``pre_emphasis = 0.97``, up to a constant factor for each order of
      derivatives (see ``features.filter_banks.Cepstra``).
    - LFCC of ASVspoof 2021 LA and DF (github.com/asvspoof-challenge/2021, LA/Baseline-LFCC-GMM): ``window_ms = 30``,
      ``hop_ms = 15``, ``fft_size = 1024``, ``num_filters = 70``, ``num_coefficients = 20`` (its text says 19 and the
      zeroth; its MATLAB script keeps 19 in all), ``high_hz = 4000``. For PA ``high_hz`` is left out.
    - CQCC of ASVspoof 2021 LA: ``kind = "cqcc"``; of 2019: with ``bins_per_octave = 96``, ``low_hz = 15.625`` and
      ``high_hz = 8000``, which needs half a second of audio for one window.
    """

    kind: Literal["lfcc", "mfcc", "lfb", "logmel", "logspec", "cqt", "cqcc"] = "lfcc"
    """``lfcc``, ``mfcc``: cepstra of linear or mel filters; ``lfb``, ``logmel``: log energies of such filters;
    ``logspec``: log power spectrogram; ``cqt``: log power of the constant-Q transform; ``cqcc``: its cepstra."""
    sample_rate: int = Field(default=16000, ge=8000, le=48000)
    """Hz; every utterance is resampled to it."""
    pre_emphasis: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the sample before that is subtracted from each sample; 0 is off, 0.97 the ASVspoof 2019 baseline."""
    window_ms: float = Field(default=20.0, gt=0.0, le=100.0)
    """Analysis window length (not for the constant-Q kinds, whose windows follow from ``low_hz``)."""
    hop_ms: float = Field(default=10.0, gt=0.0, le=50.0)
    """Distance of successive windows."""
    fft_size: int = Field(default=512, ge=64)
    """Points of the discrete Fourier transform, at least the window's samples (not for the constant-Q kinds)."""
    num_filters: int = Field(default=20, ge=4)
    """Triangular filters of lfcc, mfcc, lfb and logmel (20 is the LFCC baseline; 80 is usual for log-mel)."""
    num_coefficients: int = Field(default=20, ge=4)
    """Cepstral coefficients kept, the zeroth among them (lfcc, mfcc, cqcc)."""
    energy: bool = False
    """Replace the zeroth coefficient of lfcc or mfcc by the log energy between ``low_hz`` and ``high_hz``."""
    deltas: Literal[0, 1, 2] = 0
    """Orders of time derivatives stacked below the features; 2 unless given for lfcc, mfcc and cqcc."""
    delta_reach: int = Field(default=1, ge=1, le=9)
    """Frames on either side that a derivative looks at (1 in the LFCC baselines; 3 unless given for cqcc)."""
    low_hz: float = Field(default=0.0, ge=0.0)
    """Lower edge of the analysed band; for the constant-Q kinds the lowest bin, 62.5 unless given."""
    high_hz: float | None = Field(default=None, gt=0.0)
    """Upper edge of the analysed band; none means half the sampling rate; 4000 unless given for cqcc."""
    bins_per_octave: int = Field(default=24, ge=6, le=192)
    """Resolution of the constant-Q kinds; 12 unless given for cqcc."""
    gamma_hz: float | None = Field(default=None, ge=0.0)
    """Bandwidth added to every constant-Q bin, which shortens the windows of low ones; 0 is a constant Q, none follows
    the ear (equivalent rectangular bandwidths), as the CQCC baselines do."""
    cmvn: Literal["none", "utterance", "global"] = "none"
    """Mean and variance normalisation of every bin. ``utterance``: over all frames of a view, in detection of the
    whole file, so a stream cannot have it (and a file beyond ``corpus.max_duration_s``, which preparation cuts,
    is normalised as a whole). ``global``: over the clean frames that a trial trains on; shards hold
    features without it, the model carries the statistics and applies them."""

    @model_validator(mode="before")
    @classmethod
    def _by_kind(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        kind = values.get("kind", "lfcc")
        return _DEFAULTS.get(kind, {}) | values if isinstance(kind, str) else values

    @model_validator(mode="after")
    def _consistent(self) -> "FeaturesConfig":
        for name, kinds in _ONLY_FOR.items():
            if self.kind not in kinds and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{name} is for {', '.join(kinds)}; leave it out with kind '{self.kind}'")
        if self.top_hz > self.sample_rate / 2:
            raise ValueError(f"high_hz {self.high_hz} is above half the sampling rate")
        if self.low_hz >= self.top_hz:
            raise ValueError(f"low_hz {self.low_hz} is not below high_hz")
        if self.is_constant_q and self.low_hz == 0:
            raise ValueError(f"low_hz must be above 0 with kind '{self.kind}', for its bins are octaves apart")
        if not self.is_constant_q and self.fft_size < self.window_samples:
            raise ValueError(f"fft_size {self.fft_size} is below the window's {self.window_samples} samples")
        self._check_sizes()
        return self

    def _check_sizes(self) -> None:
        if min(self.window_samples, self.hop_samples) < 1:
            raise ValueError(f"window_ms {self.window_ms} and hop_ms {self.hop_ms} must last a sample at least")
        source = "bins between low_hz and high_hz" if self.kind == "cqcc" else "num_filters"
        available = self.num_constant_q_bins if self.kind == "cqcc" else self.num_filters
        if self.kind in _CEPSTRA and self.num_coefficients > available:
            raise ValueError(f"num_coefficients {self.num_coefficients} exceeds {source} {available}")
        if self.num_bins == 0:
            raise ValueError(f"no bin lies between low_hz {self.low_hz} and high_hz {self.top_hz}")

    @property
    def is_constant_q(self) -> bool:
        """Whether windows differ from bin to bin."""
        return self.kind in _CONSTANT_Q

    @property
    def top_hz(self) -> float:
        """Upper edge of the analysed band."""
        return self.sample_rate / 2 if self.high_hz is None else self.high_hz

    @property
    def window_samples(self) -> int:
        """Samples of one analysis window; of the longest for the constant-Q kinds."""
        if self.is_constant_q:
            length = self.constant_q_length(0)
            return math.ceil(length / 2) + math.floor(length / 2)
        return round(self.window_ms * self.sample_rate / 1000)

    @property
    def hop_samples(self) -> int:
        """Samples between successive windows."""
        return round(self.hop_ms * self.sample_rate / 1000)

    @property
    def fourier_bins(self) -> range:
        """Bins of the discrete Fourier transform from ``low_hz`` to ``high_hz``, both included."""
        return range(
            math.ceil(self.low_hz * self.fft_size / self.sample_rate),
            math.floor(self.top_hz * self.fft_size / self.sample_rate) + 1,
        )

    @property
    def num_constant_q_bins(self) -> int:
        """Bins from ``low_hz`` on, below ``high_hz``."""
        return math.ceil(self.bins_per_octave * math.log2(self.top_hz / self.low_hz) - 1e-9)

    def constant_q_hz(self, index: int) -> float:
        """Centre of a constant-Q bin."""
        return self.low_hz * 2 ** (index / self.bins_per_octave)

    def constant_q_length(self, index: int) -> float:
        """Samples of a constant-Q bin's window: sampling rate over ``alpha f + gamma`` (Schörkhuber et al. 2014).

        ``alpha`` is the distance of a bin's two neighbours over their sum; gamma follows equivalent rectangular
        bandwidths, ``24.7 + 0.108 f`` (Glasberg and Moore 1990), unless given.
        """
        ratio = 2 ** (2 / self.bins_per_octave)
        alpha = (ratio - 1) / (ratio + 1)
        gamma = alpha * 24.7 / 0.108 if self.gamma_hz is None else self.gamma_hz
        return self.sample_rate / (alpha * self.constant_q_hz(index) + gamma)

    @property
    def num_bins(self) -> int:
        """Feature dimension of one frame."""
        sizes = {"lfb": self.num_filters, "logmel": self.num_filters, "logspec": len(self.fourier_bins)}
        if self.kind == "cqt":
            sizes["cqt"] = self.num_constant_q_bins
        return sizes.get(self.kind, self.num_coefficients) * (1 + self.deltas)

"""How the samples of a live source map to a clock: its true rate is never quite the nominal one."""

import math
from collections.abc import Callable

_MEMORY_S = 600.0
"""Older arrivals count for less, since the drift of a crystal follows its temperature."""
_PRIOR_S2 = 2500.0
"""Weight of the slope that is assumed beforehand: the variance of arrivals (5 ms) over that of drifts (100 ppm)."""
_JUMP_S = 1.0
"""Farther than this from where they are due, samples were lost, or held up: the clock is read anew."""


class ArrivalClock:
    """A line through the times at which samples arrived: Bayesian linear regression with a prior on the slope alone
    (Bishop 2006, "Pattern Recognition and Machine Learning", section 3.3), in which arrivals fade with their age.

    Delays that vary from chunk to chunk average out; one that does not is part of the source's beginning.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._origin_s: float | None = None
        self._slope = 1.0
        self._weight = self._mean_x = self._mean_y = self._xx = self._xy = 0.0

    def arrived(self, nominal_s: float) -> None:
        """Take note that all samples up to ``nominal_s`` (by the nominal rate) are there now."""
        now_s = self._clock()
        if self._origin_s is None:
            self._origin_s = now_s - nominal_s
            self._last_x = nominal_s
        x, y = nominal_s, now_s - self._origin_s
        if self._weight and abs(y - self.at(x)) > _JUMP_S:
            self._slope = self._fitted()
            self._weight = self._xx = self._xy = 0.0
        fading = math.exp(-(x - self._last_x) / _MEMORY_S)
        self._last_x = x
        # Weighted means and moments, one observation at a time (West 1979, Communications of the ACM 22).
        self._weight = fading * self._weight + 1.0
        off_x = x - self._mean_x if self._weight > 1.0 else 0.0
        off_y = y - self._mean_y if self._weight > 1.0 else 0.0
        self._mean_x = x - off_x * (1 - 1 / self._weight)
        self._mean_y = y - off_y * (1 - 1 / self._weight)
        self._xx = fading * self._xx + off_x * (x - self._mean_x)
        self._xy = fading * self._xy + off_x * (y - self._mean_y)

    def at(self, nominal_s: float) -> float:
        """Seconds by the clock from the first sample to the one at ``nominal_s``."""
        return self._mean_y + self._fitted() * (nominal_s - self._mean_x)

    @property
    def drift_ppm(self) -> float | None:
        """By how many millionths the source is faster than its nominal rate; none before that can be told."""
        return None if self._xx < 10 * _PRIOR_S2 else 1e6 * (1 / self._fitted() - 1)

    def _fitted(self) -> float:
        return (self._xy + _PRIOR_S2 * self._slope) / (self._xx + _PRIOR_S2)

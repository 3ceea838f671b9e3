"""Kendall's rank correlation, one pair of values after the other, with its interval.

Kendall's tau rather than Spearman's rho, for three reasons. It is about what pruning does: of two trials, the rung
orders (1 + tau) / 2 as their ends do, ties apart. With as few trials as a sweep trains to the end it is nearly normal,
and its variance is known. And a further pair of values adds its own comparisons and changes none of the others.
"""

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

_FIELLER = 0.437
"""Variance of atanh(tau), times the number of pairs less four."""
FEWEST = 5
"""Pairs of values from which on there is an interval."""


class Interval(NamedTuple):
    """Bounds of a correlation."""

    low: float
    high: float


class RankCorrelation:
    """Kendall's tau-b of the pairs added so far; the order in which they came does not matter."""

    def __init__(self) -> None:
        self._x, self._y = np.empty(16), np.empty(16)
        self._num = self._concordance = self._untied_x = self._untied_y = 0

    def __len__(self) -> int:
        return self._num

    def add(self, x: float, y: float) -> None:
        """Take a pair of finite values in; as long as one pass over those before."""
        if self._num == self._x.size:
            self._x, self._y = (np.concatenate((values, np.empty_like(values))) for values in (self._x, self._y))
        sign_x = np.sign(self._x[: self._num] - x)
        sign_y = np.sign(self._y[: self._num] - y)
        self._concordance += int(sign_x @ sign_y)
        self._untied_x += int(sign_x @ sign_x)
        self._untied_y += int(sign_y @ sign_y)
        self._x[self._num], self._y[self._num] = x, y
        self._num += 1

    @property
    def tau(self) -> float:
        """Tau-b (Kendall 1945), -1 to 1; NaN below three pairs, or where either value is constant."""
        untied = math.sqrt(self._untied_x * self._untied_y)
        return self._concordance / untied if self._num >= 3 and untied else math.nan

    def interval(self, confidence: float) -> Interval | None:
        """Where the correlation of all trials lies, two-sided; none below `FEWEST` pairs, or without `tau`.

        Fieller, Hartley and Pearson 1957, "Tests for rank correlation coefficients": atanh(tau) is nearly normal with
        variance 0.437 / (n - 4). Deviation: tau is kept half a comparison away from -1 and 1, where atanh ends; a few
        trials in perfect order prove no perfect order.
        """
        tau = self.tau
        if self._num < FEWEST or math.isnan(tau):
            return None
        most = 1.0 - 2.0 / (self._num * (self._num - 1))
        centre = math.atanh(min(max(tau, -most), most))
        reach = NormalDist().inv_cdf((1.0 + confidence) / 2.0) * math.sqrt(_FIELLER / (self._num - 4))
        return Interval(min(tau, math.tanh(centre - reach)), max(tau, math.tanh(centre + reach)))

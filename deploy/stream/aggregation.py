"""How the scores of a stream's steps or windows become one that is decided on; constant work and memory a score."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from cluster.errors import SpoofsweepError


class Stretch(NamedTuple):
    """The mean score over a stretch of audio."""

    start_s: float
    end_s: float
    score: float


class Accumulator(Protocol):
    """One stream's aggregate."""

    lowest: Stretch | None
    """The stretch that sounds most like a spoof, of those that the aggregation can tell apart."""

    def add(self, start_s: float, end_s: float, score: float, duration_s: float) -> float:
        """The aggregate with one more score.

        Args:
            start_s: where it begins, by the clock that time stamps follow; likewise ``end_s``.
            duration_s: how long it is by its samples.
        """
        ...


class Aggregation(Protocol):
    """A kind of aggregate, which many streams may share."""

    def accumulator(self) -> Accumulator:
        """A fresh one, for one stream."""
        ...


@dataclass(frozen=True)
class Running:
    """The mean of all scores: the verdict on a whole file."""

    def accumulator(self) -> Accumulator:
        return _RunningMean()


RUNNING = Running()


@dataclass(frozen=True)
class Exponential:
    """A mean in which a score weighs half as much after each half-life: follows a change of speaker.

    The weights are normalised, so that the first scores are not drawn towards zero (Kingma and Ba 2015, "Adam",
    section 3, whose decay is per step; here it is per second).
    """

    half_life_s: float

    def __post_init__(self) -> None:
        _require_positive("a half-life", self.half_life_s)

    def accumulator(self) -> Accumulator:
        return _ExponentialMean(self.half_life_s)


@dataclass(frozen=True)
class Sliding:
    """The mean over the last seconds, for audio that is spoofed in part; the lowest one is remembered."""

    window_s: float

    def __post_init__(self) -> None:
        _require_positive("a window", self.window_s)

    def accumulator(self) -> Accumulator:
        return _SlidingMean(self.window_s)


class _RunningMean:
    lowest: Stretch | None = None

    def __init__(self) -> None:
        self._sum, self._count = 0.0, 0

    def add(self, start_s: float, end_s: float, score: float, duration_s: float) -> float:
        self._sum += score
        self._count += 1
        return self._sum / self._count


class _ExponentialMean:
    lowest: Stretch | None = None

    def __init__(self, half_life_s: float) -> None:
        self._half_life_s = half_life_s
        self._sum = self._weight = 0.0

    def add(self, start_s: float, end_s: float, score: float, duration_s: float) -> float:
        decay = 2.0 ** -(duration_s / self._half_life_s)
        self._sum = self._sum * decay + score
        self._weight = self._weight * decay + 1.0
        return self._sum / self._weight


class _SlidingMean:
    def __init__(self, window_s: float) -> None:
        self.lowest: Stretch | None = None
        self._window_s = window_s
        self._ring: list[tuple[float, float]] = []
        """Start and score of each step in the window."""
        self._place = 0
        self._sum = 0.0
        self._length = 0

    def add(self, start_s: float, end_s: float, score: float, duration_s: float) -> float:
        if not self._length:
            self._length = max(1, round(self._window_s / duration_s))
        if len(self._ring) < self._length:
            self._ring.append((start_s, score))
            self._sum += score
        else:
            self._sum += score - self._ring[self._place][1]
            self._ring[self._place] = (start_s, score)
            self._place = (self._place + 1) % self._length
            if self._place == 0:  # once a round, so that rounding cannot build up over hours
                self._sum = sum(score for _, score in self._ring)
        mean = self._sum / len(self._ring)
        is_full = len(self._ring) == self._length
        if is_full and (self.lowest is None or mean < self.lowest.score):
            self.lowest = Stretch(self._ring[self._place][0], end_s, mean)
        return mean


def _require_positive(what: str, seconds: float) -> None:
    if not 0 < seconds < float("inf"):
        raise SpoofsweepError(f"{what} is a positive number of seconds", seconds)

"""Learning curves that stand for training: what the simulator replays."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from search.trials.trial_record import TrialRecord

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """One trial's course, were it trained to its end; arrays ``[R]``, an entry a report, the last one final."""

    samples_seen: NDArray[np.int64]
    dev_eer: FloatArray
    """As validation measures it."""
    expected_eer: FloatArray
    """As validation on endless data would; where that is unknown, as measured."""
    seconds: FloatArray
    """Since the trial began."""
    diverged: bool = False
    """Whether the last report is that of a diverged training."""


class Curves(Protocol):
    """Gives every trial its course: a function of its parameters and its seed."""

    def curve(self, trial: TrialRecord) -> Curve: ...

"""Hyperband without waiting: several asynchronous halvings that begin to prune at different rungs.

Source: Li et al. 2018, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization", algorithm 1, with
asynchronous brackets as in Li et al. 2020, section 3.3. A bracket whose first rung is late guards against early values
that mislead.

Deviation: a trial's bracket is drawn by the study's seed and the trial's number, weighted so that all brackets train
about equally long, rather than filled in turn; so it is the same after any crash.
"""

from collections.abc import Iterable, Sequence

from data_prep.draws import generator
from search.pruning.asha import Asha, Leeway
from search.pruning.pruner import Decision
from search.pruning.rung_trust import RungTrust


class Hyperband:
    """Brackets of `Asha`: the first has all rungs, each further one a rung less, the last none.

    Args:
        rungs: samples seen at each rung, rising.
        budget: samples of a full training.
        reduction_factor: one trial in so many goes on from each rung of a bracket.
        seed: of the study.
        trust: which rungs stop trials; none trusts all.
        leeway: for trials that are worse by no more than the noise.
    """

    def __init__(
        self,
        rungs: Sequence[int],
        budget: int,
        reduction_factor: int,
        seed: int,
        trust: RungTrust | None = None,
        leeway: Leeway | None = None,
    ) -> None:
        self.rungs, self._seed = list(rungs), seed
        self.brackets = [
            Asha(self.rungs[first:], reduction_factor, trust, leeway) for first in range(len(self.rungs) + 1)
        ]
        weights = [1.0 / _samples_a_trial(asha.rungs, budget, reduction_factor) for asha in self.brackets]
        self._bounds = [sum(weights[: place + 1]) / sum(weights) for place in range(len(weights))]

    def bracket_of(self, trial: int) -> int:
        """The trial's bracket: a function of the study's seed and the trial's number alone."""
        drawn = float(generator(self._seed, "bracket", trial).random())
        return next((place for place, bound in enumerate(self._bounds) if drawn < bound), len(self._bounds) - 1)

    def report(self, trial: int, samples_seen: int, value: float) -> Decision:
        """Record a report in the trial's bracket and decide."""
        return self.brackets[self.bracket_of(trial)].report(trial, samples_seen, value)

    def rung_reached(self, samples_seen: int) -> int | None:
        """The highest rung at or below ``samples_seen``, in samples; none before the first."""
        return self.brackets[0].rung_reached(samples_seen)

    def replay(self, reports: Iterable[tuple[int, int, float]]) -> None:
        """Rebuild the brackets from ``(trial, samples_seen, value)``, each trial's in the order of its samples."""
        for trial, samples_seen, value in reports:
            self.report(trial, samples_seen, value)


def _samples_a_trial(rungs: Sequence[int], budget: int, reduction_factor: int) -> float:
    """Mean training of a bracket's trials."""
    ends = [0, *rungs, budget]
    return sum((ends[k + 1] - ends[k]) / reduction_factor**k for k in range(len(ends) - 1))

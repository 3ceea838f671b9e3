"""Which rungs may prune: those that have shown that they rank trials as the trials' ends do.

Learning curves cross. A rung at which good configurations still look bad, the strongly regularised ones say, stops
them, and teaches the sampler to avoid them; that is worse than no pruning at all. So no rung prunes before it has
earned it, by witnesses: trials that no rung stops. Those are the first few of a study, which are the start of the
sampler too, and a small share of all others, drawn by the study's seed and the trial's number and so the same after any
crash. Being drawn without a look at their values they are a fair sample; survivors are not, for those that a rung
ranked wrongly are missing among them. As long as no rung prunes there are no survivors: trials before the first one
that did not come to its end count as much.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from data_prep.draws import generator
from search.pruning.rank_correlation import FEWEST, Interval, RankCorrelation

CONFIDENCE = 0.8
"""Of the two-sided interval: a rung that ranks no better than `LEAST` is trusted one time in ten."""
LEAST = 0.25
"""Kendall's tau that a rung must exceed, its interval's lower end. More than chance: the sampler learns to please a
rung, and in simulated studies (seven parameters, regularised configurations slow to start, forty full trainings' worth)
TPE picked worse with a rung of 0.2 to 0.4 than without pruning, while none of 0.6 and more did harm."""


@dataclass(frozen=True)
class Standing:
    """What is known of a rung."""

    correlation: float
    """Kendall's tau of the value here with the final one; NaN where undefined."""
    interval: Interval | None
    """None of too few trials, or where the correlation is undefined."""
    num_trials: int
    """Behind the correlation."""

    @property
    def prunes(self) -> bool:
        """Whether it may stop trials."""
        return self.interval is not None and self.interval.low > LEAST

    @property
    def reason(self) -> str:
        """Why it may stop none; empty where it may."""
        if self.prunes:
            return ""
        if self.num_trials < FEWEST:
            return f"{self.num_trials} of {FEWEST} witnesses ran to their end"
        return "the witnesses are all alike" if self.interval is None else f"it may rank no better than {LEAST:g}"

    @classmethod
    def of(cls, correlation: RankCorrelation) -> "Standing":
        """What the pairs of a rung's values and the final ones say."""
        return cls(correlation.tau, correlation.interval(CONFIDENCE), len(correlation))


class RungTrust:
    """The witnesses' values at every rung and at the end.

    Args:
        rungs: samples seen at each rung, rising.
        budget: samples of a full training.
        seed: of the study.
        num_first: trials that are witnesses from the start.
        share: of all further trials that are witnesses.
    """

    def __init__(self, rungs: Iterable[int], budget: int, seed: int, num_first: int, share: float) -> None:
        self._budget, self._seed, self._num_first, self._share = budget, seed, num_first, share
        self._correlations = {rung: RankCorrelation() for rung in rungs}
        self._values: dict[int, dict[int, float]] = {}
        """At the rungs, and at the end, of each trial that has not diverged and is not yet counted."""
        self._counted: set[int] = set()
        """Trials behind the correlations, and those that diverged, which can never be."""
        self._num_whole = 0
        """Trials from the first on of which all came to their end."""
        self._is_witness: dict[int, bool] = {}

    def is_witness(self, trial: int) -> bool:
        """Whether no rung stops the trial: a function of the study's seed and the trial's number alone."""
        if trial not in self._is_witness:
            drawn = trial < self._num_first or bool(generator(self._seed, "witness", trial).random() < self._share)
            self._is_witness[trial] = drawn
        return self._is_witness[trial]

    def observe(self, trial: int, samples_seen: int, value: float) -> None:
        """Take a report in, of whatever trial; those of a trial in the order of its samples."""
        if trial in self._counted:
            return
        if not math.isfinite(value):
            self._values.pop(trial, None)
            self._counted.add(trial)
        else:
            values = self._values.setdefault(trial, {})
            is_end = samples_seen >= self._budget
            for rung in (self._budget,) if is_end else self._correlations:
                if rung <= samples_seen:
                    values.setdefault(rung, value)
        if self.is_witness(trial):
            self._count(trial)
        while self._num_whole in self._counted or self._count(self._num_whole):
            self._num_whole += 1

    def _count(self, trial: int) -> bool:
        """Count a trial that has come to its end; says whether it has."""
        values = self._values.get(trial, {})
        if self._budget not in values:
            return False
        del self._values[trial]
        self._counted.add(trial)
        for rung, correlation in self._correlations.items():
            if rung in values:
                correlation.add(values[rung], values[self._budget])
        return True

    def standing(self, rung: int) -> Standing:
        """What is known of a rung by now."""
        return Standing.of(self._correlations[rung])

    def prunes(self, rung: int) -> bool:
        """Whether ``rung`` may stop trials."""
        return self.standing(rung).prunes

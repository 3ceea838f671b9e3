"""Made-up learning curves over a study's own search space: benign ones, and ones built to mislead a pruner.

A landscape, drawn by seed, gives each configuration a final EER: smooth, with an optimum somewhere, few parameters that
matter much (Bergstra and Bengio 2012, section 3), one interaction, and a seed's luck. The way there is a power law
(Hestness et al. 2017), from chance at the start to exactly the final EER at the end of the budget; how soon it falls
differs between configurations, and families differ in how that is tied to where it ends. What validation measures has
the error of an EER on so many utterances.

Legend: P parameters, R reports; coordinates are those of `search.sampling.coordinates`.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.error_rates import eer_standard_error
from search.pruning.horizon import Horizon
from search.sampling.coordinates import Coordinates
from search.simulation.curves import Curve, FloatArray
from search.study.space import SearchSpace
from search.trials.trial_record import TrialRecord
from trainable.checkpoints.lineage import Lineage

_CHANCE = 0.5
_WORST_EER = 1.0
"""What a diverged training reports, see `trainable.scores.report.WORST_DEV`."""
_IMPORTANCE_RATIO = 0.7
"""Importance of a parameter against the next more important one."""
_ABSENT = 1 / 3
"""Mean penalty of a parameter over its range, in the place of one that a trial does not have."""
_INTERACTION = 0.4
_RATE = "optimizer.learning_rate"
"""The parameter that makes trials diverge, where it is searched."""


@dataclass(frozen=True)
class Family:
    """A kind of landscape."""

    best_eer: float = 0.01
    """Final EER at the optimum."""
    log_spread: float = 3.0
    """Logarithm of the ratio between the worst and the best final EER."""
    seed_log_sd: float = 0.15
    """Standard deviation of the final EER's logarithm over seeds; six seeds of one recipe spanned 1.9-3.1%."""
    half_time: float = 0.02
    """Share of the budget after which a quick configuration has come half of the way."""
    half_time_log_sd: float = 0.15
    """How much that varies, whatever the final EER."""
    delay_of_regularised: float = 0.0
    """How much later fully regularised configurations learn: a logarithm."""
    gain_of_regularised: float = 0.0
    """How much lower they end: a logarithm."""
    delay_of_good: float = 0.0
    """How much later the best configuration learns than the worst: a logarithm."""
    diverging_share: float = 0.05
    """Share of the highest learning rates (or of another range) at which every second training diverges."""


FAMILIES = {
    "benign": Family(),
    "regularised": Family(delay_of_regularised=3.0, gain_of_regularised=1.2),
    "deceptive": Family(delay_of_good=3.0),
}
"""``benign``: early reports rank well. ``regularised``: a third of the parameters trade a late start for a better end.
``deceptive``: the better a configuration ends, the later it starts, so that early rungs rank in reverse."""


class _Fork(NamedTuple):
    """Where one training took over from another."""

    report: int
    eer: float


class SyntheticCurves:
    """Curves of one landscape.

    Args:
        space: the study's search space.
        horizon: length of a training.
        family: kind of landscape.
        seed: which landscape of the family, and the luck of its trainings.
        report_passes: passes between two reports.
        seconds_per_pass: of an average configuration.
        cost_log_spread: logarithm of the ratio between the dearest and the cheapest configuration's pass.
        num_dev: bona fide and spoofed utterances that validation scores; none for exact EERs.
    """

    def __init__(
        self,
        space: SearchSpace,
        horizon: Horizon,
        family: Family,
        seed: int,
        report_passes: float = 1.0,
        seconds_per_pass: float = 60.0,
        cost_log_spread: float = 1.0,
        num_dev: tuple[int, int] | None = None,
    ) -> None:
        self._coordinates, self._family, self._seed, self._num_dev = Coordinates(space), family, seed, num_dev
        interval = report_passes * horizon.samples_per_pass
        reports = np.arange(1, math.ceil(horizon.budget / interval) + 1)
        self._samples_R = np.minimum(np.ceil(reports * interval), horizon.budget).astype(np.int64)
        self._seconds_R: FloatArray = self._samples_R / horizon.samples_per_pass * seconds_per_pass
        self._progress_R: FloatArray = self._samples_R / horizon.budget
        self._cost_log_spread = cost_log_spread
        self._space = space
        self._draw_landscape(np.random.default_rng(seed))

    def curve(self, trial: TrialRecord) -> Curve:
        """The course of a trial; of one that took over from another, beyond that point."""
        point_P = self._coordinates.of(trial.params)
        rng = np.random.default_rng([self._seed, trial.seed])
        fork = self._fork(trial.lineage)
        first = 0 if fork is None else fork.report + 1
        expected_R = self._course(point_P, rng, fork)
        measured_R = expected_R if self._num_dev is None else self._measured(expected_R, rng)
        seconds_R = self._seconds_R * math.exp(self._cost_log_spread * (_mean(point_P, self._cost_weight_P) - 0.5))
        num_reports = max(self._num_reports(point_P, rng), first + 1)
        if num_reports < len(expected_R):
            expected_R, measured_R = (
                np.append(eer_R[: num_reports - 1], _WORST_EER) for eer_R in (expected_R, measured_R)
            )
        part = slice(first, num_reports)
        return Curve(
            self._samples_R[part],
            measured_R[part],
            expected_R[part],
            seconds_R[part] - (seconds_R[first - 1] if first else 0.0),
            num_reports < len(self._samples_R),
        )

    def _fork(self, lineage: Lineage) -> _Fork | None:
        """Where the ancestors came to."""
        fork = None
        for ancestor in lineage:
            point_P = self._coordinates.of(self._space.defaults(ancestor.trial))
            course_R = self._course(point_P, np.random.default_rng([self._seed, ancestor.seed]), fork)
            report = int(np.searchsorted(self._samples_R, ancestor.until))
            fork = _Fork(report, float(course_R[report]))
        return fork

    def _draw_landscape(self, rng: np.random.Generator) -> None:
        num_choices_P = self._coordinates.num_choices
        num_parameters = len(num_choices_P)
        self._optimum_P = rng.uniform(0.15, 0.85, num_parameters)
        # The penalty of each choice, in an order of its own.
        self._penalties = [rng.permutation(np.linspace(0.0, 1.0, max(int(n), 1))) for n in num_choices_P]
        self._rank_P = rng.permutation(num_parameters)
        importance_P = _IMPORTANCE_RATIO**self._rank_P
        self._importance_P = importance_P / importance_P.sum()
        regularises_P = rng.permutation(num_parameters) < max(1, num_parameters // 3)
        self._regularising_P = regularises_P * rng.choice([-1.0, 1.0], num_parameters)
        self._speed_weight_P, self._cost_weight_P = rng.dirichlet(np.ones(num_parameters), 2)
        ranges = [path for path, n in zip(self._coordinates.paths, num_choices_P, strict=True) if not n]
        fatal = _RATE if _RATE in ranges else next(iter(ranges), None)
        self._fatal = None if fatal is None else self._coordinates.paths.index(fatal)

    def _course(self, point_P: FloatArray, rng: np.random.Generator, fork: _Fork | None) -> FloatArray:
        """EER at each report, ``[R]``, without noise; from a fork on what is left of the way is gone as by itself."""
        family, badness, regularised = self._family, self._badness(point_P), self._regularised(point_P)
        log_final = (
            math.log(family.best_eer)
            + family.log_spread * badness
            + family.gain_of_regularised * (0.5 - regularised)
            + family.seed_log_sd * rng.standard_normal()
        )
        final = min(math.exp(log_final), 0.9 * _CHANCE)
        # The deviation of a mean of coordinates with such weights, each uniform, is about that of one over root P.
        luck = (_mean(point_P, self._speed_weight_P) - 0.5) * math.sqrt(6 * len(point_P))
        half_time = family.half_time * math.exp(
            family.half_time_log_sd * luck
            + family.delay_of_regularised * regularised
            + family.delay_of_good * (1.0 - badness)
        )
        gap_R = 1.0 / (1.0 + self._progress_R / half_time)
        start, whole_gap = (_CHANCE, 1.0) if fork is None else (fork.eer, gap_R[fork.report])
        return final + (start - final) * (np.minimum(gap_R, whole_gap) - gap_R[-1]) / (whole_gap - gap_R[-1])

    def _badness(self, point_P: FloatArray) -> float:
        """0 at the optimum, 1 where every parameter is as bad as it can be."""
        optimum_P = self._optimum_P.copy()
        first, second = np.argsort(self._rank_P)[:2] if len(point_P) > 1 else (0, 0)
        if not math.isnan(point_P[second]):
            optimum_P[first] = np.clip(optimum_P[first] + _INTERACTION * (point_P[second] - 0.5), 0.0, 1.0)
        penalty_P = ((point_P - optimum_P) / np.maximum(optimum_P, 1.0 - optimum_P)) ** 2
        for index, num_choices in enumerate(self._coordinates.num_choices):
            if num_choices and not math.isnan(point_P[index]):
                penalty_P[index] = self._penalties[index][int(point_P[index] * num_choices)]
        return float(self._importance_P @ np.where(np.isnan(penalty_P), _ABSENT, penalty_P))

    def _regularised(self, point_P: FloatArray) -> float:
        """0 for none, 1 for as much as there is."""
        sign_P = self._regularising_P
        return _mean(np.where(sign_P < 0, 1.0 - point_P, point_P), np.abs(sign_P) / np.abs(sign_P).sum())

    def _measured(self, expected_R: FloatArray, rng: np.random.Generator) -> FloatArray:
        assert self._num_dev is not None
        error_R = eer_standard_error(expected_R, *self._num_dev)
        return np.clip(expected_R + error_R * rng.standard_normal(len(expected_R)), 0.0, 1.0)

    def _num_reports(self, point_P: FloatArray, rng: np.random.Generator) -> int:
        """All of them, or those up to a divergence in the first half of training."""
        num_reports = len(self._samples_R)
        luck, when = rng.random(2)
        if self._fatal is not None and point_P[self._fatal] > 1.0 - self._family.diverging_share and luck < 0.5:
            return 1 + int(when * num_reports / 2)
        return num_reports


def _mean(point_P: FloatArray, weight_P: NDArray[np.float64]) -> float:
    """Weighted mean; half for a parameter that is not there."""
    return float(weight_P @ np.where(np.isnan(point_P), 0.5, point_P))

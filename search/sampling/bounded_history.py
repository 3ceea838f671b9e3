"""A study as its sampler sees it, bounded: the cost of a draw grows with every trial that is looked at."""

import copy
import math
import warnings
from bisect import insort
from collections.abc import Collection, Container, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from scipy.special import ndtri

MOST_FINISHED = 128
"""Trials that have ended, in a view."""
MOST_RUNNING = 128
"""Trials that run, in a view."""
_MOST_GOOD = 25
"""TPE takes a tenth of all trials as good, but no more than these (``optuna.samplers.TPESampler``, ``gamma``)."""
_MOST_JOINT = 32
"""Running trials in a scored view: a Gaussian process reckons with them jointly."""

Rank = tuple[int, float, float, int]
"""Orders finished trials from the best on, as TPE does: those that came to their end by value, then pruned ones, of
which those that went further are better."""
_REFUSED = 2
"""First of the rank of one that was pruned before it had a report: it exceeds the study's limits."""


class EndedTrials:
    """Finds the trials that have ended since the last look; those that failed say nothing."""

    def __init__(self) -> None:
        self.open: list[int] = []
        """Numbers of the trials that had not ended at the last look."""
        self._num_known = 0

    def look(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Look at all trials of a study, by number."""
        ended, still_open = [], []
        for number in (*self.open, *range(self._num_known, len(trials))):  # a thousand run where a thousand workers are
            state = trials[number].state
            if state is TrialState.RUNNING or state is TrialState.WAITING:
                still_open.append(number)
            elif state is not TrialState.FAIL:
                ended.append(trials[number])
        self.open, self._num_known = still_open, len(trials)
        return ended


class BoundedHistory:
    """What a sampler may learn from when a study has many trials.

    Up to `MOST_FINISHED` finished trials it is all of them. Beyond, it is those that TPE takes as good among all, and a
    draw without replacement from the others: TPE's density of the bad ones is an average over them, which a sample
    estimates without bias. Of the running trials, which count as bad, the same share is drawn, `MOST_RUNNING` at most.
    A view is a function of the trials, the seed and the number of the trial that is to be drawn.

    Args:
        seed: of the draws.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._ranks: list[Rank] = []
        self._num_refused = 0
        self._ended = EndedTrials()
        self._points: dict[int, dict[str, float]] = {}
        """Parameters of trials that have ended, as TPE reckons with them."""
        self.running_points: dict[int, dict[str, float]] = {}
        """The same of trials that run, as far as they were asked for: Optuna keeps what it drew for them as text."""
        self._earlier: dict[int, FrozenTrial] = {}
        """Trials of earlier studies, by negative numbers."""
        self._kinds: dict[frozenset[str], FrozenTrial] = {}
        """The first trial with each set of parameters."""

    @property
    def num_good(self) -> int:
        """How many trials TPE takes as good, of all that the last view was drawn from and that were trained."""
        return min(math.ceil(0.1 * (len(self._ranks) - self._num_refused)), _MOST_GOOD)

    def learn(self, earlier: Sequence[FrozenTrial]) -> None:
        """Take in trials of earlier studies that have ended, or refused draws; they count as older than all trials."""
        for trial in earlier:
            known = copy.copy(trial)
            known.number = -1 - len(self._earlier)
            self._earlier[known.number] = known
            self._take(known)

    def num_known(self, study: Study) -> int:
        """Trials that it may choose from: those of ``study`` that have ended, and all that it was told to learn."""
        self._look_at(study.get_trials(deepcopy=False))
        return len(self._ranks)

    def view(self, study: Study, number: int) -> Study:
        """``study`` as trial ``number`` is to see it."""
        trials = study.get_trials(deepcopy=False)
        self._look_at(trials)
        if len(self._ranks) <= MOST_FINISHED and len(self._ended.open) <= MOST_RUNNING and not self._earlier:
            return study
        ended, running = self._choose(trials, number)
        numbers = sorted([self._ranks[place][-1] for place in ended] + running)
        return StudyPart(study, [self._trial(trials, i) for i in numbers])

    def scored(self, study: Study, number: int, names: Collection[str]) -> Study:
        """The same trials, as far as they have all parameters ``names``, for a sampler that reckons with values.

        A trial that ended counts as complete, with the normal score of its rank among all: a pruned one's value is not
        that of a full training, but that it is worse is known. (Normal scores as in Salinas et al. 2020, "A
        quantile-based approach for hyperparameter transfer learning"; the rank is `Rank`.)
        """
        trials = study.get_trials(deepcopy=False)
        self._look_at(trials)
        ended, running = self._choose(trials, number)
        part = [trials[i] for i in sorted(running[:_MOST_JOINT])]
        for place in ended:
            trial = self._trial(trials, self._ranks[place][-1])
            if trial.params.keys() >= set(names):
                part.append(_valued(trial, float(ndtri((place + 0.5) / len(self._ranks)))))
        return StudyPart(study, sorted(part, key=lambda trial: trial.number))

    def kinds(self, study: Study) -> Study:
        """One trial for each set of parameters that the last view's study has; all that groups of them depend on."""
        return StudyPart(study, sorted(self._kinds.values(), key=lambda trial: trial.number))

    def point(self, trial: FrozenTrial) -> dict[str, float] | None:
        """A trial's parameters as TPE reckons with them; none of one that has not ended."""
        return self._points.get(trial.number)

    def _trial(self, trials: Sequence[FrozenTrial], number: int) -> FrozenTrial:
        return trials[number] if number >= 0 else self._earlier[number]

    def _choose(self, trials: Sequence[FrozenTrial], number: int) -> tuple[list[int], list[int]]:
        """Places in the ranking, and numbers of running trials, that trial ``number`` is to see."""
        running = [i for i in self._ended.open if trials[i].state is TrialState.RUNNING]
        rng, num_ended = np.random.default_rng([self._seed, number]), len(self._ranks)
        num_good = self.num_good if num_ended > MOST_FINISHED else num_ended
        num_others = min(num_ended, MOST_FINISHED) - num_good
        others = rng.choice(num_ended - num_good, num_others, replace=False) + num_good
        share = num_others / (num_ended - num_good) if num_ended > num_good else 1.0
        drawn = rng.permutation(len(running))[: min(MOST_RUNNING, round(share * len(running)))]
        return [*range(num_good), *others.tolist()], [running[i] for i in drawn]

    def _look_at(self, trials: Sequence[FrozenTrial]) -> None:
        for trial in self._ended.look(trials):
            self._take(trial)

    def _take(self, trial: FrozenTrial) -> None:
        place = rank(trial)
        insort(self._ranks, place)
        self._num_refused += place[0] == _REFUSED
        self.running_points.pop(trial.number, None)
        distributions, params = trial.distributions, trial.params
        self._points[trial.number] = {name: d.to_internal_repr(params[name]) for name, d in distributions.items()}
        known = self._kinds.setdefault(frozenset(distributions), trial)
        if trial.number < known.number:
            self._kinds[frozenset(distributions)] = trial


class BoundedTpe(TPESampler):
    """Optuna's TPE for a single trial, over a view of the study's history; other arguments are its own."""

    def __init__(self, history: BoundedHistory, **options: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # `gamma` is to go with Optuna 6
            super().__init__(gamma=lambda _: history.num_good, **options)
        self._history = history
        self._seen: Study | None = None

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        self._view(study, trial)
        return super().infer_relative_search_space(self._history.kinds(study), trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return super().sample_relative(self._view(study, trial), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return super().sample_independent(self._view(study, trial), trial, param_name, param_distribution)

    def _get_internal_repr(
        self, trials: list[FrozenTrial], search_space: dict[str, BaseDistribution], study: Study
    ) -> dict[str, np.ndarray]:
        # As Optuna's, which works every trial's parameters out anew for every draw.
        names, rows = list(search_space), []
        row = itemgetter(*names)
        for trial in trials:
            point = self._history.point(trial) or self._running_point(trial, search_space, study)
            if point.keys() >= search_space.keys():
                rows.append(row(point))
        columns = np.array(rows).reshape(-1, len(names)).T
        return dict(zip(names, columns, strict=True))

    def _running_point(
        self, trial: FrozenTrial, search_space: dict[str, BaseDistribution], study: Study
    ) -> dict[str, float]:
        point = self._history.running_points.setdefault(trial.number, {})
        if not point.keys() >= search_space.keys():
            params = self._get_params(trial, study)
            point |= {name: d.to_internal_repr(params[name]) for name, d in search_space.items() if name in params}
        return point

    def _view(self, study: Study, trial: FrozenTrial) -> Study:
        if self._seen is None:
            self._seen = self._history.view(study, trial.number)
        return self._seen


class StudyPart(Study):
    """Some of a study's trials; made as Optuna's own Hyperband pruner makes its brackets' studies."""

    def __init__(self, study: Study, trials: list[FrozenTrial]) -> None:
        super().__init__(study_name=study.study_name, storage=study._storage, sampler=study.sampler)
        self._part = trials

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        return [trial for trial in self._part if states is None or trial.state in states]


def rank(trial: FrozenTrial) -> Rank:
    """The rank of a trial that has ended, and not failed."""
    value = trial.value if trial.state == TrialState.COMPLETE else None
    return rank_of(value, trial.intermediate_values, trial.number)


def rank_of(value: float | None, reports: Mapping[int, float], number: int) -> Rank:
    """The same from a trial's final value, none if it was pruned, its reports by samples seen, and its number."""
    if value is not None:
        return 0, 0.0, _number(value), number
    if not reports:
        return _REFUSED, 0.0, 0.0, number
    step, last = max(reports.items())
    return 1, -step, _number(last), number


def _valued(trial: FrozenTrial, value: float) -> FrozenTrial:
    valued = copy.copy(trial)
    valued.state, valued.value = TrialState.COMPLETE, value
    return valued


def _number(value: Any) -> float:
    return float("inf") if value is None or value != value else float(value)

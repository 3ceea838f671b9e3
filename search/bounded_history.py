"""A study as its sampler sees it, bounded: TPE's cost a draw grows with every trial that it looks at."""

import copy
import math
import warnings
from bisect import insort
from collections.abc import Container, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.pareto import layers

MOST_FINISHED = 128
"""Trials that have ended, in a view."""
_MOST_GOOD = 25
"""TPE takes a tenth of all trials as good, but no more than these (``optuna.samplers.TPESampler``, ``gamma``)."""

_Rank = tuple[int, float, float, int]
"""Orders finished trials from the best on, as TPE does."""


class BoundedHistory:
    """What TPE may learn from when a study has many trials.

    Up to `MOST_FINISHED` finished trials it is all of them. Beyond, it is those that TPE takes as good among all, and a
    draw without replacement from the others: TPE's density of the bad ones is an average over them, which a sample
    estimates without bias. Of the running trials, which count as bad, the same share is drawn. A view is a function of
    the trials, the seed and the number of the trial that is to be drawn.

    With a second objective, which Optuna's study does not know of, a view is that of a study with two: TPE then takes
    those as good that none dominates, then those that none of the others dominates, and so on (Ozaki et al. 2022,
    "Multiobjective tree-structured Parzen estimator"). A trial that diverged counts as one that was pruned there, or
    the smallest would be on the front.

    Args:
        seed: of the draws.
        second: attribute of trials that is minimised besides their values.
    """

    def __init__(self, seed: int, second: str | None = None) -> None:
        self._seed, self._second = seed, second
        self._ranks: list[_Rank] = []
        self._pairs: list[tuple[float, float, int]] = []
        """Values, second objectives and numbers of the trials that have both, in this order."""
        self._open: list[int] = []
        """Trials that had not ended at the last look."""
        self._num_known = 0
        self._points: dict[int, dict[str, float]] = {}
        """Parameters of trials that have ended, as TPE reckons with them."""
        self._kinds: dict[frozenset[str], FrozenTrial] = {}
        """The first trial with each set of parameters."""

    @property
    def num_good(self) -> int:
        """How many trials TPE takes as good, of all that the last view was drawn from."""
        return min(math.ceil(0.1 * len(self._ranks)), _MOST_GOOD)

    def view(self, study: Study, number: int) -> Study:
        """``study`` as trial ``number`` is to see it."""
        trials = study.get_trials(deepcopy=False)
        self._look_at(trials)
        if len(self._ranks) <= MOST_FINISHED:
            return study if self._second is None else _PairPart(study, trials, self._second)
        ranks = self._ranks if self._second is None else self._by_layers(trials)
        rng, num_good = np.random.default_rng([self._seed, number]), self.num_good
        others = rng.choice(len(self._ranks) - num_good, MOST_FINISHED - num_good, replace=False) + num_good
        running = [i for i in self._open if trials[i].state == TrialState.RUNNING]
        share = len(others) / (len(self._ranks) - num_good)
        drawn = rng.permutation(len(running))[: round(share * len(running))]
        numbers = [rank[-1] for rank in ranks[:num_good]]
        numbers += [ranks[i][-1] for i in others] + [running[i] for i in drawn]
        chosen = [trials[i] for i in sorted(numbers)]
        return _Part(study, chosen) if self._second is None else _PairPart(study, chosen, self._second)

    def kinds(self, study: Study) -> Study:
        """One trial for each set of parameters that the last view's study has; all that groups of them depend on."""
        return _Part(study, sorted(self._kinds.values(), key=lambda trial: trial.number))

    def point(self, trial: FrozenTrial) -> dict[str, float] | None:
        """A trial's parameters as TPE reckons with them; none of one that has not ended."""
        return self._points.get(trial.number)

    def _by_layers(self, trials: Sequence[FrozenTrial]) -> list[_Rank]:
        """The finished trials as `_ranks`, but those that are good by both objectives first."""
        points_ND = np.array(self._pairs, dtype=np.float64).reshape(-1, 3)[:, :2]
        good = {self._pairs[place][-1]: None for place in layers(points_ND, self.num_good)}
        return [_rank(trials[number]) for number in good] + [rank for rank in self._ranks if rank[-1] not in good]

    def _look_at(self, trials: Sequence[FrozenTrial]) -> None:
        still_open = []
        for number in (*self._open, *range(self._num_known, len(trials))):
            trial = trials[number]
            if not trial.state.is_finished():
                still_open.append(number)
            elif trial.state != TrialState.FAIL:
                self._take(trial)
        self._open, self._num_known = still_open, len(trials)

    def _take(self, trial: FrozenTrial) -> None:
        insort(self._ranks, _rank(trial))
        if self._second is not None and _has_both(trial, self._second):
            insort(self._pairs, (*_pair(trial, self._second), trial.number))
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
        for trial in trials:
            point = self._history.point(trial)
            if point is None:
                params = self._get_params(trial, study)
                point = {name: d.to_internal_repr(params[name]) for name, d in search_space.items() if name in params}
            if point.keys() >= search_space.keys():
                rows.append([point[name] for name in names])
        columns = np.array(rows).reshape(-1, len(names)).T
        return dict(zip(names, columns, strict=True))

    def _view(self, study: Study, trial: FrozenTrial) -> Study:
        if self._seen is None:
            self._seen = self._history.view(study, trial.number)
        return self._seen


class _Part(Study):
    """Some of a study's trials; made as Optuna's own Hyperband pruner makes its brackets' studies."""

    def __init__(self, study: Study, trials: list[FrozenTrial]) -> None:
        super().__init__(study_name=study.study_name, storage=study._storage, sampler=study.sampler)
        self._part = trials

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        return [trial for trial in self._part if states is None or trial.state in states]


class _PairPart(_Part):
    """The same as a study with two objectives."""

    def __init__(self, study: Study, trials: Sequence[FrozenTrial], second: str) -> None:
        super().__init__(study, [_with_both(trial, second) for trial in trials])
        self._directions = [StudyDirection.MINIMIZE] * 2

    @property
    def direction(self) -> StudyDirection:
        """Of the reports, by which TPE orders those that were pruned."""
        return StudyDirection.MINIMIZE


def _has_both(trial: FrozenTrial, second: str) -> bool:
    return (
        trial.state == TrialState.COMPLETE
        and second in trial.user_attrs
        and not trial.user_attrs.get("diverged", False)
    )


def _pair(trial: FrozenTrial, second: str) -> tuple[float, float]:
    return float(trial.values[0]), float(trial.user_attrs[second])


def _with_both(trial: FrozenTrial, second: str) -> FrozenTrial:
    if trial.state != TrialState.COMPLETE:
        return trial
    changed = copy.copy(trial)
    if _has_both(trial, second):
        changed.values = list(_pair(trial, second))
    else:
        changed.state = TrialState.PRUNED
    return changed


def _rank(trial: FrozenTrial) -> _Rank:
    if trial.state == TrialState.COMPLETE:
        return 0, 0.0, _number(trial.value), trial.number
    if not trial.intermediate_values:
        return 2, 0.0, 0.0, trial.number
    step, value = max(trial.intermediate_values.items())
    return 1, -step, _number(value), trial.number


def _number(value: Any) -> float:
    return float("inf") if value is None or value != value else float(value)

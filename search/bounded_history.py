"""A study as its sampler sees it, bounded: TPE's cost a draw grows with every trial that it looks at."""

from bisect import insort
from collections.abc import Container, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

MOST_FINISHED = 250
"""From 241 finished trials on, TPE takes the best 25 of them as good (``optuna.samplers.TPESampler``, ``gamma``)."""
_NUM_GOOD = 25

_Rank = tuple[int, float, float, int]
"""Orders finished trials from the best on, as TPE does."""


class BoundedHistory:
    """What TPE may learn from when a study has many trials.

    Up to `MOST_FINISHED` finished trials it is all of them. Beyond, it is the 25 best, which are all that TPE takes as
    good, and a draw without replacement from the others: its density of the bad ones is an average over them, which a
    sample estimates without bias. Of the running trials, which count as bad, the same share is drawn. A view is a
    function of the trials, the seed and the number of the trial that is to be drawn.

    Args:
        seed: of the draws.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._ranks: list[_Rank] = []
        self._open: list[int] = []
        """Trials that had not ended at the last look."""
        self._num_known = 0

    def view(self, study: Study, number: int) -> Study:
        """``study`` as trial ``number`` is to see it."""
        trials = study.get_trials(deepcopy=False)
        self._look_at(trials)
        if len(self._ranks) <= MOST_FINISHED:
            return study
        rng = np.random.default_rng([self._seed, number])
        others = rng.choice(len(self._ranks) - _NUM_GOOD, MOST_FINISHED - _NUM_GOOD, replace=False) + _NUM_GOOD
        running = [i for i in self._open if trials[i].state == TrialState.RUNNING]
        share = len(others) / (len(self._ranks) - _NUM_GOOD)
        drawn = rng.permutation(len(running))[: round(share * len(running))]
        numbers = [rank[-1] for rank in self._ranks[:_NUM_GOOD]]
        numbers += [self._ranks[i][-1] for i in others] + [running[i] for i in drawn]
        return _Part(study, [trials[i] for i in sorted(numbers)])

    def _look_at(self, trials: Sequence[FrozenTrial]) -> None:
        still_open = []
        for number in (*self._open, *range(self._num_known, len(trials))):
            trial = trials[number]
            if not trial.state.is_finished():
                still_open.append(number)
            elif trial.state != TrialState.FAIL:
                insort(self._ranks, _rank(trial))
        self._open, self._num_known = still_open, len(trials)


class BoundedTpe(TPESampler):
    """Optuna's TPE for a single trial, over a view of the study's history; other arguments are its own."""

    def __init__(self, history: BoundedHistory, **options: Any) -> None:
        super().__init__(**options)
        self._history = history
        self._seen: Study | None = None

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return super().infer_relative_search_space(self._view(study, trial), trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return super().sample_relative(self._view(study, trial), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return super().sample_independent(self._view(study, trial), trial, param_name, param_distribution)

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


def _rank(trial: FrozenTrial) -> _Rank:
    if trial.state == TrialState.COMPLETE:
        return 0, 0.0, _number(trial.value), trial.number
    if not trial.intermediate_values:
        return 2, 0.0, 0.0, trial.number
    step, value = max(trial.intermediate_values.items())
    return 1, -step, _number(value), trial.number


def _number(value: Any) -> float:
    return float("inf") if value is None or value != value else float(value)

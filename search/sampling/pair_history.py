"""A study with two objectives as TPE sees it; Optuna's own study knows of the first alone.

Legend: N trials.
"""

import copy
from collections.abc import Sequence

import numpy as np
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.sampling.bounded_history import MOST_FINISHED, BoundedHistory, StudyPart, rank
from search.trials.pareto import layers


class PairHistory(BoundedHistory):
    """A `BoundedHistory` whose views are studies with two objectives, both minimised.

    TPE then takes those trials as good that none dominates, then those that none of the others dominates, and so on
    (Ozaki et al. 2022, "Multiobjective tree-structured Parzen estimator"). A trial that diverged counts as pruned, or
    the smallest of them would be good.

    Args:
        seed: of the draws.
        second: attribute of trials that is minimised besides their values.
    """

    def __init__(self, seed: int, second: str) -> None:
        super().__init__(seed)
        self._second = second
        self._by_value = self._ranks
        self._known_N3 = np.empty((0, 3))
        """Value, second objective and number of each trial that has both."""

    def view(self, study: Study, number: int) -> Study:
        """``study`` as trial ``number`` is to see it."""
        part = super().view(study, number)
        return _PairPart(part, [self._with_both(trial) for trial in part._get_trials(deepcopy=False)])

    def _look_at(self, trials: Sequence[FrozenTrial]) -> None:
        super()._look_at(trials)
        if len(self._ranks) > MOST_FINISHED:  # the good ones come first, as a part of all is taken
            known_N3 = self._known_N3[self._known_N3[:, 2].argsort()]
            good = known_N3[layers(known_N3[:, :2], self.num_good), 2].astype(int).tolist()
            is_good = set(good)
            others = [known for known in self._by_value if known[-1] not in is_good]
            self._ranks = [*(rank(self._trial(trials, number)) for number in good), *others]

    def _take(self, trial: FrozenTrial) -> None:
        self._ranks = self._by_value  # between two looks, too: a draw that was refused
        super()._take(trial)
        if self._has_both(trial):
            self._known_N3 = np.vstack((self._known_N3, (*self._pair(trial), trial.number)))

    def _has_both(self, trial: FrozenTrial) -> bool:
        known = trial.user_attrs
        return trial.state == TrialState.COMPLETE and self._second in known and not known.get("diverged", False)

    def _pair(self, trial: FrozenTrial) -> tuple[float, float]:
        return float(trial.values[0]), float(trial.user_attrs[self._second])

    def _with_both(self, trial: FrozenTrial) -> FrozenTrial:
        if trial.state != TrialState.COMPLETE:
            return trial
        changed = copy.copy(trial)
        if self._has_both(trial):
            changed.values = list(self._pair(trial))
        else:
            changed.state = TrialState.PRUNED
        return changed


class _PairPart(StudyPart):
    """Trials with two values each."""

    def __init__(self, study: Study, trials: list[FrozenTrial]) -> None:
        super().__init__(study, trials)
        self._directions = [StudyDirection.MINIMIZE] * 2

    @property
    def direction(self) -> StudyDirection:
        """Of the reports, by which TPE orders those that were pruned."""
        return StudyDirection.MINIMIZE

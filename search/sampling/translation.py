"""Configurations as points of a search space, whatever space they were drawn from."""

import copy
from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from search.sampling.cube import place, scale
from search.study.space import SearchSpace
from search.study.trial_fields import value_at
from trainable.config import TrialConfig


class Translation:
    """Into one space, over one set of defaults.

    Args:
        space: the space.
        defaults: configuration that its parameters vary.
    """

    def __init__(self, space: SearchSpace, defaults: TrialConfig) -> None:
        self._space, self._defaults = space, defaults
        self.distributions = {path: space.distribution(path) for path in space.parameters}

    def exact(self, config: TrialConfig) -> dict[str, Any] | None:
        """The point, as Optuna holds it, whose configuration is ``config``; none if no point's is."""
        point: dict[str, Any] = {}
        for path in self._space.parameters:
            if self._space.active(path, self._defaults, self._space.decoded(point)):
                value = value_at(config, path)
                if not self._space.contains(path, value):
                    return None
                point[path] = self._space.held(path, value)
        return point if self._space.apply(self._defaults, point) == config else None

    def nearest(self, config: TrialConfig) -> dict[str, Any]:
        """A point near ``config``: numbers beyond a range are moved to its end, choices that are none are left out."""
        point: dict[str, Any] = {}
        for path, distribution in self.distributions.items():
            if not self._space.active(path, self._defaults, self._space.decoded(point)):
                continue
            value = value_at(config, path)
            if isinstance(distribution, FloatDistribution | IntDistribution) and isinstance(value, int | float):
                value = min(max(value, distribution.low), distribution.high)
                point[path] = _on_grid(value, distribution)
            elif self._space.contains(path, value):
                point[path] = self._space.held(path, value)
        return point

    def trial(self, trial: FrozenTrial) -> FrozenTrial:
        """A trial of an earlier form of the study, for a sampler that knows the present space alone.

        It has the parameters that it would have today. Where today's space does not have its configuration, nothing can
        be learnt from it: it has no parameters, and counts as failed if it has ended.
        """
        if "config" not in trial.user_attrs:
            return self._waiting(trial)
        if trial.state == TrialState.FAIL or self._is_of_today(trial):
            return trial
        point = self.exact(TrialConfig.model_validate(trial.user_attrs["config"]))
        changed = copy.copy(trial)
        changed.params = {} if point is None else point
        changed.distributions = {path: self.distributions[path] for path in changed.params}
        if point is None and trial.state.is_finished():
            changed.state, changed.values = TrialState.FAIL, None
        return changed

    def _waiting(self, trial: FrozenTrial) -> FrozenTrial:
        """A configuration that was queued and never begun, without values that are none any more."""
        fixed = trial.system_attrs.get("fixed_params")
        if fixed is None:
            return trial
        changed, decoded = copy.copy(trial), self._space.decoded(fixed)
        kept = {
            path: value
            for path, value in fixed.items()
            if path in self.distributions and self._space.contains(path, decoded[path])
        }
        changed.system_attrs = {**trial.system_attrs, "fixed_params": kept}
        return changed

    def has(self, params: Mapping[str, Any]) -> bool:
        """Whether parameters, as Optuna holds them, are a point of the space."""
        point = self._space.decoded(params)
        active = {path for path in self.distributions if self._space.active(path, self._defaults, point)}
        return active == params.keys() and all(self._space.contains(path, value) for path, value in point.items())

    def _is_of_today(self, trial: FrozenTrial) -> bool:
        if any(self.distributions.get(path) != known for path, known in trial.distributions.items()):
            return False
        return self.has(trial.params)


def _on_grid(value: float, distribution: BaseDistribution) -> Any:
    """A value within a range, moved to its grid if it has one."""
    if isinstance(distribution, FloatDistribution) and distribution.step is None:
        return float(value)
    return scale(place(value, distribution), distribution)

"""Points of a search space as points of the unit cube: what curves are a function of."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from search.study.space import SearchSpace


class Coordinates:
    """The unit cube of a search space, an axis a parameter, in the order of ``paths``.

    A range is measured on its own scale (logarithmic where it is sampled so); of ``n`` choices the ``i``-th lies in the
    middle of the ``i``-th of ``n`` equal parts. A parameter that a trial does not have is NaN. A space without
    parameters has a single axis, in the middle of which all trials lie.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._distributions = {path: space.distribution(path) for path in sorted(space.parameters)}
        self.paths = [*self._distributions] or [""]
        self.num_choices = np.array(
            [
                len(distribution.choices) if isinstance(distribution, CategoricalDistribution) else 0
                for distribution in self._distributions.values()
            ]
            or [0],
            dtype=np.int64,
        )
        """Of each parameter, ``[P]``; 0 for a range."""

    def of(self, params: Mapping[str, Any]) -> NDArray[np.float64]:
        """The point ``[P]`` of a trial's parameters, as Optuna holds them."""
        return np.array(
            [
                _coordinate(params[path], distribution) if path in params else np.nan
                for path, distribution in self._distributions.items()
            ]
            or [0.5]
        )


def _coordinate(value: Any, distribution: BaseDistribution) -> float:
    if isinstance(distribution, CategoricalDistribution):
        return (distribution.to_internal_repr(value) + 0.5) / len(distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = float(distribution.low), float(distribution.high)
    if low == high:
        return 0.5
    if distribution.log:
        value, low, high = np.log(value), np.log(low), np.log(high)
    return float((value - low) / (high - low))

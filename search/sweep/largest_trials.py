"""Finds the configurations of a search space that take most memory, by an estimate that needs no training."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from search.study.space import SearchSpace
from trainable.config import TrialConfig

_NUM_PROBES = 32
_MOST_ROUNDS = 5

Point = Mapping[str, Any]


def largest_trials(
    space: SearchSpace, defaults: TrialConfig, size: Callable[[TrialConfig], int], count: int
) -> list[TrialConfig]:
    """The largest of each architecture, then others, ``count`` in all, the largest first; fewer where fewer differ.

    Corners of the space (bounds and choices) are drawn; from the largest of each architecture one parameter at a time
    is moved to the corner where the trial is largest, until none makes it larger. That finds the architecture's largest
    where size grows with each parameter whatever the others are, as it does with batch size, crop and widths.

    Args:
        space: what varies.
        defaults: the study's own configuration.
        size: bytes of a configuration.
        count: how many are wanted.
    """
    if not space.parameters:
        return [defaults]
    corners = {path: _corners(space, path) for path in space.parameters}
    rng = np.random.default_rng(0)
    points = [{path: ends[int(rng.integers(len(ends)))] for path, ends in corners.items()} for _ in range(_NUM_PROBES)]

    def size_at(point: Point) -> int:
        return size(trial_at(space, defaults, point))

    by_kind: dict[str, Point] = {}
    for point in points:
        kind = trial_at(space, defaults, point).model.kind
        by_kind[kind] = max(by_kind.get(kind, point), point, key=size_at)
    free = {path: ends for path, ends in corners.items() if path != "model.kind"}
    climbed = sorted((_climb(point, free, size_at) for point in by_kind.values()), key=size_at, reverse=True)
    others = {size_at(point): point for point in points}
    for point in climbed:
        others.pop(size_at(point), None)
    chosen = [*climbed, *(others[each] for each in sorted(others, reverse=True))][:count]
    return [trial_at(space, defaults, point) for point in sorted(chosen, key=size_at, reverse=True)]


def trial_at(space: SearchSpace, defaults: TrialConfig, point: Point) -> TrialConfig:
    """The trial at ``point``, a value for every parameter, of which those that do not exist there do not count."""
    active: dict[str, Any] = {}
    for path in space.parameters:  # parents come first
        if space.active(path, defaults, active):
            active[path] = point[path]
    return space.apply(defaults, active)


def _climb(point: Point, corners: Mapping[str, list[Any]], size_at: Callable[[Point], int]) -> dict[str, Any]:
    best, best_size = dict(point), size_at(point)
    for _ in range(_MOST_ROUNDS):
        size_before = best_size
        for path, ends in corners.items():
            for moved in ({**best, path: value} for value in ends):
                if (moved_size := size_at(moved)) > best_size:
                    best, best_size = moved, moved_size
        if best_size == size_before:
            break
    return best


def _corners(space: SearchSpace, path: str) -> list[Any]:
    distribution = space.distribution(path)
    if isinstance(distribution, CategoricalDistribution):
        return [space.decode(path, choice) for choice in distribution.choices]
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    return [distribution.low, distribution.high]

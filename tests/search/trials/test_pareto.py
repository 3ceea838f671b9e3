"""Fronts of two objectives, against their definition."""

import itertools

import numpy as np
import pytest

from search.finalists.candidates import select
from search.study.config import FinalistsConfig
from search.study.objective import EER, SECONDS
from search.trials.pareto import Front, layers, pareto_front, spread
from search.trials.trial_record import TrialRecord
from trainable.config import TrialConfig

SIZE = SECONDS["num_parameters"]


def trial(number: int, value: float, size: float | None, state: str = "COMPLETE", **attributes: object) -> TrialRecord:
    config = TrialConfig.model_validate({"model": {"dropout": number / 100}}).model_dump(mode="json")
    sizes = {} if size is None else {"num_parameters": size}
    return TrialRecord(number, state, {}, {9: value}, value, {"config": config, **sizes, **attributes})


def is_dominated(point: np.ndarray, others: np.ndarray) -> bool:
    return bool((others <= point).all(axis=1).any())


@pytest.mark.parametrize("num_levels", [3, 1000])
def test_a_front_holds_what_none_dominates_whatever_the_order(num_levels: int) -> None:
    """Also where many are equal."""
    rng = np.random.default_rng(num_levels)
    for _ in range(30):
        points = rng.integers(num_levels, size=(12, 2)) / num_levels
        fronts = []
        for order in (np.arange(12), rng.permutation(12)):
            front = Front()
            for place, number in enumerate(order):
                assert front.dominates(*points[number]) == is_dominated(points[number], points[order[:place]])
                front.add(*points[number])
            fronts.append(list(zip(front._values, front._seconds, strict=True)))
        assert fronts[0] == fronts[1]
        unique = np.unique(points, axis=0)
        expected = [p for i, p in enumerate(unique) if not is_dominated(p, np.delete(unique, i, axis=0))]
        assert sorted(fronts[0]) == sorted(map(tuple, expected))


def test_the_front_of_trials_is_of_those_that_came_to_their_end() -> None:
    trials = [
        trial(0, 0.10, 900),
        trial(1, 0.20, 500),
        trial(2, 0.20, 500),  # of equal ones the first
        trial(3, 0.25, 700),
        trial(4, 0.05, 100, state="PRUNED"),
        trial(5, 1.00, 10, diverged=True),
        trial(6, 0.01, None),
        trial(7, 0.40, 50),
    ]
    assert [each.number for each in pareto_front(trials, SIZE)] == [0, 1, 7]


def test_a_front_is_spread_from_the_best_to_the_smallest() -> None:
    front = [trial(number, 0.1 + 0.01 * number, 10 ** (6 - number / 2)) for number in range(9)]
    assert [each.number for each in spread(front, SIZE, 1)] == [0]
    assert [each.number for each in spread(front, SIZE, 3)] == [0, 4, 8]
    assert spread(front, SIZE, 20) == front


def test_layers_are_fronts_of_what_is_left() -> None:
    rng = np.random.default_rng(3)
    points = rng.random((60, 2))
    found, left = [], list(range(60))
    while left:
        front = [i for i in left if not is_dominated(points[i], points[[j for j in left if j != i]])]
        left = [i for i in left if i not in front]
        found.append(set(front))
    ends = list(itertools.accumulate(map(len, found)))
    order = layers(points, 60)
    assert [set(order[first:last]) for first, last in itertools.pairwise([0, *ends])] == found
    cut = layers(points, ends[1] - 2)
    assert set(cut[: ends[0]]) == found[0]
    assert set(cut) < found[0] | found[1]
    assert len(cut) == ends[1] - 2


def test_candidates_are_spread_over_the_front_and_the_best_others_fill_up() -> None:
    trials = [trial(0, 0.1, 900), trial(1, 0.11, 950), trial(2, 0.12, 800), trial(3, 0.3, 100), trial(4, 0.5, 500)]

    def chosen(count: int) -> list[tuple[int, int]]:
        config = FinalistsConfig(num_configs=count, num_seeds=1)
        return [(c.rank, c.trial_number) for c in select(trials, config, 7, (), EER, SIZE)]

    assert chosen(2) == [(1, 0), (2, 3)]
    assert chosen(3) == [(1, 0), (2, 2), (3, 3)]
    assert chosen(4) == [(1, 0), (2, 1), (3, 2), (4, 3)]

"""What a sweep is to be expected to do."""

import pytest
from virtual_studies import virtual_study

from search.planning.forecast import forecast

MANY = (10**9, 10**9)
"""Validation utterances that leave no noise."""


def test_rungs_halve_as_the_pruner_does() -> None:
    config, horizon = virtual_study(num_trials=100, sampler="random")
    expected = forecast(config, horizon, 60.0, 4, MANY)
    first, second = expected.rungs
    assert (first.passes, second.passes) == (1, 3)
    assert first.reached.mean == 100
    assert first.continuing.mean == pytest.approx(36, abs=4)  # a third, and those that came while it was young
    assert first.continuing.mean - 2 < second.reached.mean <= first.continuing.mean
    assert second.continuing.mean == pytest.approx(second.reached.mean / 3, rel=0.3)
    assert expected.completed.low <= expected.completed.mean <= expected.completed.high
    assert expected.completed.mean <= second.continuing.mean


def test_time_follows_from_a_pass_and_the_workers() -> None:
    config, horizon = virtual_study(num_trials=12, pruning="none", sampler="random")
    expected = forecast(config, horizon, 60.0, 4, MANY)
    assert expected.full_s == 9 * 60
    assert expected.busy_s.high == 12 * expected.full_s  # but for those that diverge
    assert expected.wall_s.high == 3 * expected.full_s
    assert expected.rungs == ()
    pruned, horizon = virtual_study(num_trials=12, sampler="random")
    assert forecast(pruned, horizon, 60.0, 4, MANY).busy_s.mean < expected.busy_s.mean / 2
    assert forecast(pruned, horizon, 30.0, 4, MANY).busy_s.mean == pytest.approx(
        forecast(pruned, horizon, 60.0, 4, MANY).busy_s.mean / 2
    )


def test_luck_comes_of_few_validation_utterances() -> None:
    config, horizon = virtual_study(sampler="random")
    few, many = (forecast(config, horizon, 60.0, 4, counts).rungs for counts in ((16, 48), MANY))
    assert all(rung.by_luck > 0.25 for rung in few)
    assert all(rung.by_luck < 0.05 for rung in many)


def test_workers_that_are_as_many_as_the_trials_draw_blindly() -> None:
    config, horizon = virtual_study(num_trials=20)
    assert forecast(config, horizon, 60.0, 20, MANY).drawn_blindly.mean == 20
    assert forecast(config, horizon, 60.0, 1, MANY).drawn_blindly.mean == 1


def test_a_study_without_a_space_has_a_forecast() -> None:
    """Repetitions of one configuration: what they differ in is luck."""
    config, horizon = virtual_study(num_trials=9)
    expected = forecast(config.model_copy(update={"space": {}}), horizon, 60.0, 3, MANY)
    assert expected.rungs[0].reached.mean == 9
    assert expected.completed.high < 9

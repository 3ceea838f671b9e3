from collections.abc import Callable

import pytest
from pydantic import ValidationError

from cluster.prices import NodePrices
from search.study.config import BudgetConfig, StudyConfig
from search.sweep.budget import Budget, Spent
from search.trials.trial_record import TrialRecord

HOUR_S = 3600.0


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def record(number: int, state: str = "RUNNING", value: float | None = None) -> TrialRecord:
    return TrialRecord(number, state, {}, {}, value, {})


def budget_of(
    clock: Clock,
    ends: list[str],
    saved: list[Spent],
    spent: Spent | None = None,
    price_of_hour: Callable[[], float] = lambda: 20.0,
    **limits: float,
) -> Budget:
    config = BudgetConfig.model_validate(limits)
    return Budget(config, 0.5, price_of_hour, spent or Spent(), (), ends.append, saved.append, clock)


@pytest.mark.parametrize(
    ("limits", "hours", "words"),
    [
        ({"max_hours": 2}, 2.0, "budget.max_hours is 2"),
        ({"max_gpu_hours": 2}, 2.0, "budget.max_gpu_hours is 2"),  # two trials of half a GPU, two hours
        ({"max_cost": 50}, 2.5, "budget.max_cost is 50"),
    ],
)
def test_a_bound_ends_the_study_at_the_next_report(limits: dict[str, float], hours: float, words: str) -> None:
    clock, ends = Clock(), list[str]()
    budget = budget_of(clock, ends, [], **limits)
    for number in range(2):
        budget.trial_started(record(number))
    clock.now += 0.99 * hours * HOUR_S
    budget.trial_reported(record(0))
    assert not ends
    clock.now += 0.02 * hours * HOUR_S
    budget.trial_reported(record(1))
    assert words in ends[0]


def test_a_finished_trial_that_is_good_enough_ends_the_study() -> None:
    ends: list[str] = []
    budget = budget_of(Clock(), ends, [], target_eer=0.05)
    for number, state, value in ((0, "COMPLETE", 0.06), (1, "PRUNED", 0.01), (2, "COMPLETE", 0.05)):
        budget.trial_started(record(number))
        budget.trial_ended(record(number, state, value))
    assert ends == ["trial 2 reached 0.0500, budget.target_eer is 0.05"]


def test_what_earlier_sweeps_spent_counts() -> None:
    ends: list[str] = []
    budget = budget_of(Clock(), ends, [], Spent(3 * HOUR_S, 0.0), max_hours=3)
    budget.check()
    assert ends


def test_what_earlier_sweeps_found_counts() -> None:
    ends: list[str] = []
    config = BudgetConfig(target_eer=0.05)
    found = [record(0, "COMPLETE", 0.2), record(1, "COMPLETE", 0.04)]
    Budget(config, 0.0, lambda: 0.0, Spent(), found, ends.append, lambda _: None, Clock()).check()
    assert ends == ["trial 1 reached 0.0400, budget.target_eer is 0.05"]


def test_spendings_are_kept() -> None:
    clock, saved = Clock(), list[Spent]()
    budget = budget_of(clock, [], saved, Spent(10.0, 1.0, 0.5), lambda: 360.0)
    budget.trial_started(record(0))
    clock.now += 40
    budget.tick()
    clock.now += 20
    budget.trial_ended(record(0, "COMPLETE", 0.1))
    clock.now += 10
    budget.close()
    assert saved == [Spent(50.0, 21.0, 4.5), Spent(80.0, 31.0, 7.5)]


def test_machines_that_come_and_go_cost_what_they_run() -> None:
    clock, saved, workers, prices = Clock(), list[Spent](), [1, 3, 0], NodePrices(head=36.0, worker=360.0)
    budget = budget_of(clock, [], saved, price_of_hour=lambda: prices.of(workers.pop(0)))
    for _ in range(2):
        clock.now += 100
        budget.tick()
    clock.now += 50
    budget.close()
    assert [spent.cost for spent in saved] == pytest.approx([11.0, 42.0, 42.5])


@pytest.mark.parametrize(("name", "words"), [("max_cost", "needs cluster.price_per_hour"), ("max_gpu_hours", "GPUs")])
def test_a_bound_without_its_measure_is_refused(name: str, words: str) -> None:
    values = {"study": {"name": "s"}, "corpus": {"layout": "manifest", "root": "."}, "budget": {name: 3}}
    with pytest.raises(ValidationError, match=words):
        StudyConfig.model_validate(values)

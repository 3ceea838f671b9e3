"""The ledger over a real SQLite file."""

import contextlib
import itertools
import math
import threading
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy

from cluster.errors import SpoofsweepError
from search.ledger.ledger import Ledger
from search.pruning.asha import Asha
from search.sampling.sampler import make_sampler
from search.study.config import ParameterConfig, SearchConfig
from search.study.space import SearchSpace
from search.trials.seeds import trial_seed
from trainable.config import TrialConfig

SPACE = SearchSpace(
    {
        "model.dropout": ParameterConfig(low=0.0, high=0.5),
        "model.channels": ParameterConfig(choices=((16, 32), (16, 32, 48))),
    }
)


@pytest.fixture
def url(tmp_path: Path) -> str:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return f"sqlite:///{tmp_path}/deep/optuna.db"


def open_ledger(url: str, **changes: Any) -> Ledger:
    values: dict[str, Any] = {
        "space": SPACE,
        "defaults": TrialConfig(),
        "sampler": make_sampler(SearchConfig(), 1, SPACE),
        "seed": 1,
        "shard_set_id": "abc",
        "signature": lambda config, seed, lineage: f"{seed}-{config.model.dropout}",
    }
    return Ledger(url, "study", **{**values, **changes})


def test_states_are_as_they_really_were(url: str) -> None:
    ledger = open_ledger(url)
    finished, pruned, crashed, sick = (ledger.ask().number for _ in range(4))
    ledger.report(finished, 100, 0.3)
    ledger.report(finished, 200, 0.2)
    ledger.finish(finished, "COMPLETE", 0.2, diverged=False)
    ledger.report(pruned, 100, 0.4)
    ledger.report(pruned, 300, 0.35)
    ledger.finish(pruned, "PRUNED", prune_rung=300)
    ledger.report(crashed, 100, 0.4)
    ledger.finish(crashed, "FAIL", reason="RuntimeError: boom")
    ledger.report(sick, 50, math.nan)
    ledger.finish(sick, "PRUNED", reason="dev_eer is nan")
    ledger.close()

    trials = optuna.load_study(study_name="study", storage=url).trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "PRUNED", "FAIL", "PRUNED"]
    assert trials[pruned].intermediate_values == {100: 0.4, 300: 0.35}  # the one that stopped it included
    assert trials[finished].value == 0.2
    assert math.isnan(trials[sick].intermediate_values[50])
    assert trials[crashed].user_attrs["reason"] == "RuntimeError: boom"
    assert trials[pruned].user_attrs["prune_rung"] == 300
    assert optuna.load_study(study_name="study", storage=url).best_trial.number == finished


def test_a_record_holds_everything_of_a_trial(url: str) -> None:
    ledger = open_ledger(url)
    asked = ledger.ask()
    ledger.set_run_id(asked.number, "run")
    ledger.set_run_id(None, "parent")
    ledger.finish(asked.number, "COMPLETE", 0.1)
    ledger.set_run_id(asked.number, "late run")
    (read,) = ledger.trials()
    assert (read.config, read.seed, read.params) == (asked.config, asked.seed, asked.params)
    assert read.config == SPACE.apply(TrialConfig(), read.params)
    assert read.attributes["signature"] == f"{read.seed}-{read.config.model.dropout}"
    assert read.attributes["mlflow_run_id"] == "late run"
    assert ledger.run_id(None) == "parent"


def test_seeds_derive_from_study_and_number(url: str) -> None:
    ledger = open_ledger(url)
    assert [ledger.ask().seed for _ in range(3)] == [trial_seed(1, number) for number in range(3)]
    assert len({trial_seed(study, number) for study in range(20) for number in range(20)}) == 400


def test_trials_of_a_dead_driver_wait_for_their_turn(url: str) -> None:
    ledger = open_ledger(url)
    done, left = ledger.ask(), ledger.ask()
    ledger.finish(done.number, "COMPLETE", 0.1)
    ledger.report(left.number, 100, 0.3)
    ledger.set_run_id(left.number, "run")
    ledger.close()

    reopened = open_ledger(url)
    assert reopened.requeue_unfinished() == [left.number]
    assert reopened.requeue_unfinished() == []
    assert reopened.num_counted() == 1
    again = reopened.ask()
    assert (again.number, again.params, again.seed, again.config) == (left.number, left.params, left.seed, left.config)
    assert (again.reports, again.attributes["attempt"], again.attributes["mlflow_run_id"]) == ({100: 0.3}, 2, "run")
    assert again.attributes["postponed"]
    assert reopened.num_counted() == 2
    reopened.report(again.number, 200, 0.2)
    reopened.finish(again.number, "COMPLETE", 0.2)
    assert reopened.trials()[again.number].reports == {100: 0.3, 200: 0.2}
    assert reopened.ask().number == 2


def test_trials_that_wait_come_before_new_ones_the_lowest_number_first(url: str) -> None:
    ledger = open_ledger(url)
    for _ in range(4):
        ledger.ask()
    for number in (2, 0):
        ledger.postpone(number, "lost")
    assert [ledger.ask().number for _ in range(3)] == [0, 2, 4]
    ledger.close()


def test_a_trial_that_waits_stays_as_it_was_whatever_becomes_of_the_space(url: str) -> None:
    ledger = open_ledger(url)
    left = ledger.ask()
    ledger.postpone(left.number, "lost")
    ledger.close()
    larger = SearchSpace({**SPACE.parameters, "model.gru_size": ParameterConfig(choices=(32, 48))})
    again = open_ledger(url, space=larger).ask()
    assert (again.number, again.config) == (left.number, left.config)


def test_a_trial_left_before_its_parameters_were_drawn_is_no_obstacle(url: str) -> None:
    ledger = open_ledger(url)
    ledger.study.ask()
    ledger.close()
    reopened = open_ledger(url)
    assert reopened.requeue_unfinished() == [0]
    assert set(reopened.ask().params) == set(SPACE.parameters)


class Killed(BaseException):
    """Stands for the end of the driver's process."""


def kill_after(ledger: Ledger, num_writes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the ledger's process end in place of the write that comes after so many."""
    writes = itertools.count()

    def dying(write: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if next(writes) >= num_writes:
                raise Killed
            return write(*args, **kwargs)

        return call

    for name in ("begin_trial", "change_trial"):
        monkeypatch.setattr(ledger.storage, name, dying(getattr(ledger.storage, name)))


@pytest.mark.parametrize(("num_writes", "reports"), [(0, {}), (1, {100: 0.3})])
def test_a_pruning_that_is_cut_off_comes_again(
    url: str, monkeypatch: pytest.MonkeyPatch, num_writes: int, reports: dict[int, float]
) -> None:
    """The writes are the report with its rung, and the state with its metrics."""
    ledger = open_ledger(url)
    number = ledger.ask().number
    kill_after(ledger, num_writes, monkeypatch)
    with contextlib.suppress(Killed):
        ledger.report(number, 100, 0.3, prune_rung=100)
        ledger.finish(number, "PRUNED", metrics={"dev_eer": 0.3})
        pytest.fail("it was to be killed")
    ledger.close()
    reopened = open_ledger(url)
    reopened.requeue_unfinished()
    (trial,) = reopened.trials()
    assert (trial.state, trial.reports) == ("WAITING", reports)


def test_a_waiting_trial_whose_beginning_is_cut_off_comes_again_whole(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(url)
    left = ledger.ask()
    ledger.postpone(left.number, "the sweep was interrupted")
    kill_after(ledger, 0, monkeypatch)
    with pytest.raises(Killed):
        ledger.ask()
    ledger.close()
    reopened = open_ledger(url)
    reopened.requeue_unfinished()
    again = reopened.ask()
    assert (again.number, again.params, again.seed, again.config) == (left.number, left.params, left.seed, left.config)
    assert len(reopened.trials()) == 1


def test_a_second_driver_makes_no_trial(url: str) -> None:
    first, second = open_ledger(url), open_ledger(url)
    first.ask()
    with pytest.raises(SpoofsweepError, match="one driver at a time; got trial 0 of another"):
        second.ask()
    assert [trial.number for trial in first.trials()] == [0]


def test_two_drivers_at_the_same_moment_make_one_trial(url: str) -> None:
    first, second = open_ledger(url), open_ledger(url)
    refusals: list[SpoofsweepError] = []

    def ask() -> None:
        try:
            second.ask()
        except SpoofsweepError as error:
            refusals.append(error)

    other = threading.Thread(target=ask)

    def interfere(*event: Any) -> None:
        if "count(" in event[2] and not other.ident:  # the first knows the next number, and has not taken it
            other.start()
            other.join(0.3)

    sqlalchemy.event.listen(first.storage.engine, "after_cursor_execute", interfere)
    first.ask()
    other.join()
    assert [trial.number for trial in first.trials()] == [0]
    assert len(refusals) == 1


def test_rungs_are_rebuilt_from_the_ledger(url: str) -> None:
    ledger, asha = open_ledger(url), Asha([100, 300], 3)
    for values in ([0.5, 0.3], [0.4, 0.35], [0.45, math.nan]):
        number = ledger.ask().number
        for samples_seen, value in zip((150, 300), values, strict=True):
            ledger.report(number, samples_seen, value)
            asha.report(number, samples_seen, value)
    ledger.close()
    rebuilt = Asha([100, 300], 3)
    rebuilt.replay(open_ledger(url).reports())
    assert rebuilt.recorded == asha.recorded


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shard_set_id": "xyz"}, "shards it began with; got xyz after abc"),
        ({"defaults": TrialConfig(budget_passes=9)}, r"budget_passes = 9.0 after 27.0"),
    ],
)
def test_a_changed_study_is_refused(url: str, change: dict[str, Any], message: str) -> None:
    open_ledger(url).close()
    with pytest.raises(SpoofsweepError, match=message):
        open_ledger(url, **change)


def test_an_unreachable_storage_is_a_clear_error() -> None:
    with pytest.raises(SpoofsweepError, match="Optuna storage must be reachable"):
        open_ledger("sqlite:////proc/nowhere.db")

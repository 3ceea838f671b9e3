"""The scheduler's side of Ray Tune's contract; whole runs are in test_sweep.py."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ray import cloudpickle
from ray.exceptions import RayActorError, RayTaskError
from ray.tune.schedulers import TrialScheduler
from ray.tune.stopper import NoopStopper

from search.ledger.ledger import Ledger
from search.pruning.asha import Asha
from search.sweep.conductor import Conductor
from search.sweep.ray_errors import in_one_line
from search.sweep.scheduler import LedgerScheduler, SweepStopper
from search.trials.trial_record import TrialRecord

CONTROLLER: Any = SimpleNamespace(_stopped_trials=set(), _failed_trials=set())


class Metrics:
    """A listener that keeps the last metrics."""

    def __init__(self) -> None:
        self.last: Mapping[str, float] = {}

    def trial_started(self, trial: TrialRecord) -> None:
        pass

    def trial_reported(self, trial: TrialRecord) -> None:
        self.last = trial.attributes["metrics"]

    def trial_ended(self, trial: TrialRecord) -> None:
        pass


def begun(ledger: Ledger, *keys: str, **options: Any) -> tuple[Conductor, LedgerScheduler]:
    conductor = Conductor(ledger, Asha([100], 3), len(keys), **options)
    for key in keys:
        conductor.next_trial(key)
    return conductor, LedgerScheduler(conductor)


def trial(key: str, **fields: Any) -> Any:
    return SimpleNamespace(trial_id=key, **fields)


def result(samples_seen: int, eer: float, **more: Any) -> dict[str, Any]:
    return {"samples_seen": samples_seen, "dev_eer": eer, "done": False, **more}


def test_decisions_and_the_last_report(ledger: Ledger) -> None:
    _, scheduler = begun(ledger, "a", "b")
    assert scheduler.on_trial_result(CONTROLLER, trial("a"), result(100, 0.1)) == TrialScheduler.CONTINUE
    assert scheduler.on_trial_result(CONTROLLER, trial("b"), result(100, 0.2)) == TrialScheduler.STOP
    scheduler.on_trial_complete(CONTROLLER, trial("b"), result(100, 0.2, done=True))  # as Tune does after a stop
    scheduler.on_trial_complete(CONTROLLER, trial("a"), result(900, 0.05, done=True))
    assert [(t.state, t.value, t.reports) for t in ledger.trials()] == [
        ("COMPLETE", 0.05, {100: 0.1, 900: 0.05}),
        ("PRUNED", None, {100: 0.2}),
    ]


def test_only_the_trial_s_own_metrics_go_on(ledger: Ledger) -> None:
    metrics = Metrics()
    _, scheduler = begun(ledger, "a", listeners=[metrics])
    mine = {"train_loss": 0.3, "diverged": 0.0}
    tunes = {"pid": 7, "time_total_s": 3.0, "training_iteration": 1, "config/seed": 5, "hostname": "here"}
    scheduler.on_trial_result(CONTROLLER, trial("a"), result(50, 0.4, **mine, **tunes))
    assert metrics.last == {"dev_eer": 0.4, **mine}


def test_the_reason_of_a_failure(ledger: Ledger, tmp_path: Path) -> None:
    _, scheduler = begun(ledger, "a", "b", max_failures=5)
    file = tmp_path / "error.pkl"
    file.write_bytes(cloudpickle.dumps(RayActorError()))
    scheduler.on_trial_error(CONTROLLER, trial("a", pickled_error_file=str(file)))
    scheduler.on_trial_error(CONTROLLER, trial("b", pickled_error_file=None))
    reasons = [t.attributes["reason"] for t in ledger.trials()]
    assert reasons[0].startswith("RayActorError: The actor")
    assert reasons[1] == "it was lost without an error"


def test_a_worker_s_own_error_in_one_line() -> None:
    raised = RayTaskError(
        "train", "Traceback of\nmany lines", ValueError("the rule\nand the remedy")
    ).as_instanceof_cause()
    assert in_one_line(raised) == "ValueError: the rule and the remedy"


def test_a_waiting_trial_is_run_before_later_ones(ledger: Ledger) -> None:
    _, scheduler = begun(ledger)
    live = [trial("a", status="RUNNING"), trial("b", status="PENDING"), trial("c", status="PENDING")]
    controller: Any = SimpleNamespace(get_live_trials=lambda: live)
    assert scheduler.choose_trial_to_run(controller) is live[1]


def test_the_stopper_follows_the_conductor_and_leaves_no_state_behind(ledger: Ledger) -> None:
    conductor, _ = begun(ledger, "a")
    stopper = SweepStopper(conductor, lambda: None)
    assert not stopper.stop_all()
    conductor.fail("a", "boom")
    assert stopper.stop_all()
    assert isinstance(pickle.loads(pickle.dumps(stopper)), NoopStopper)

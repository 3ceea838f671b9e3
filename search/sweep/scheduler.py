"""Ray Tune's scheduler: passes reports to the conductor, and its decisions back."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import cloudpickle
from ray.tune import Stopper
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.result import AUTO_RESULT_KEYS, DEBUG_METRICS
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.stopper import NoopStopper

from search.pruning.pruner import Decision
from search.sweep.conductor import Conductor
from search.sweep.ray_errors import fault_of, in_one_line
from search.sweep.tune_memory import forget_ended
from search.trials.fault import Fault
from search.trials.trial_record import ARITHMETIC

_logger = logging.getLogger("spoofsweep.trials")
_TUNE_KEYS = {*AUTO_RESULT_KEYS, *DEBUG_METRICS, "done", "samples_seen"}


class LedgerScheduler(FIFOScheduler):
    """Thin adapter: trials run in the order they were drawn, until the conductor stops them."""

    _supports_buffered_results = False  # every report is a decision

    def __init__(self, conductor: Conductor) -> None:
        super().__init__()
        self._conductor = conductor

    def on_trial_result(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> str:
        decision = self._report(trial, result)
        return TrialScheduler.STOP if decision is Decision.STOP else TrialScheduler.CONTINUE

    def on_trial_complete(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> None:
        # Tune brings a trial's last report (done) here only; it also calls this for trials stopped before their end.
        if result.get("done"):
            self._report(trial, result)
        forget_ended(tune_controller)  # those before this one

    def on_trial_error(self, tune_controller: TuneController, trial: Trial) -> None:
        fault, reason = _fault(trial)
        self._conductor.fail(trial.trial_id, reason, fault)

    def choose_trial_to_run(self, tune_controller: TuneController) -> Trial | None:
        if self._conductor.is_leaving:
            # Those that wait for room would begin in the places of those that leave.
            for trial in [trial for trial in tune_controller.get_live_trials() if trial.status == Trial.PENDING]:
                tune_controller.stop_trial(trial)
            return None
        # Only live trials: the inherited search through all of them slows down as a study grows.
        return next((trial for trial in tune_controller.get_live_trials() if trial.status == Trial.PENDING), None)

    def _report(self, trial: Trial, result: dict[str, Any]) -> Decision:
        metrics = {
            name: float(value)
            for name, value in result.items()
            if name not in _TUNE_KEYS and not name.startswith("config/") and isinstance(value, int | float)
        }
        arithmetic = {name: str(result[name]) for name in ARITHMETIC if name in result}
        if result.get("warning"):
            _logger.warning("trial %d: %s", trial.config["trial_number"], result["warning"])
        samples_seen, is_last = int(result["samples_seen"]), bool(result.get("done"))
        return self._conductor.report(trial.trial_id, samples_seen, metrics, is_last, arithmetic)


class SweepStopper(Stopper):
    """Ends the run when the conductor says so; carries out what the user asks for meanwhile.

    Args:
        conductor: knows whether to stop.
        poll: called all the time.
    """

    def __init__(self, conductor: Conductor, poll: Callable[[], None]) -> None:
        self._conductor, self._poll = conductor, poll

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        self._poll()
        return self._conductor.stopping

    def __reduce__(self) -> tuple[type[NoopStopper], tuple[()]]:
        # Tune snapshots its stopper; nobody restores the snapshot.
        return NoopStopper, ()


def _fault(trial: Trial) -> tuple[Fault, str]:
    """The kind of the error that ended a trial, and the error in one line."""
    if trial.pickled_error_file is None:
        return Fault.ERROR, "it was lost without an error"
    error = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    return fault_of(error), in_one_line(error)

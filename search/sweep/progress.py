"""Shows a sweep on the terminal: a live panel, or plain lines where there is no terminal."""

import time
from collections.abc import Callable, Sequence
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from search.ledger.leaderboard import interval, values_of
from search.pruning.asha import compute_saved
from search.study.objective import EER, Objective
from search.sweep.disk_use import DiskUse
from search.trials.trial_record import TrialRecord

_LINE_INTERVAL_S = 30.0


class SweepProgress:
    """A conductor's listener and a context manager.

    Args:
        console: where to show; quiet lines if it is not a terminal.
        num_trials: trials of the study, those of earlier sweeps included.
        budget: samples of a full training.
        trials: of earlier sweeps.
        disk: says how much room the study takes; none shows nothing of it.
        clock: seconds that only rise.
        objective: what the study minimises.
    """

    def __init__(
        self,
        console: Console,
        num_trials: int,
        budget: int,
        trials: Sequence[TrialRecord] = (),
        disk: DiskUse | None = None,
        clock: Callable[[], float] = time.monotonic,
        objective: Objective = EER,
    ) -> None:
        self._console, self._num_trials, self._budget, self._clock = console, num_trials, budget, clock
        self._objective = objective
        self._ended = {trial.number: trial for trial in trials if trial.counts and trial.state != "RUNNING"}
        self._disk = disk
        self._running: dict[int, TrialRecord] = {}
        self._samples: dict[int, int] = {}
        self._samples_before: dict[int, int] = {}
        """Of each trial that began or went on here, what it had when it did."""
        self._num_trained_here = 0.0
        """Trials that ended here; one that went on counts for the part that it had left."""
        self._plan_is_told = False
        self._best = min((trial for trial in trials if trial.converged), key=_value, default=None)
        self._start_s = self._last_line_s = clock()
        self._live = (
            Live(console=console, get_renderable=self._panel, refresh_per_second=2) if console.is_terminal else None
        )

    def __enter__(self) -> "SweepProgress":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        else:
            self._print_line()

    def say(self, text: str) -> None:
        """Show a line above all else."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def trial_started(self, trial: TrialRecord) -> None:
        self._running[trial.number] = trial
        self._samples[trial.number] = self._samples_before[trial.number] = trial.samples_seen

    def trial_reported(self, trial: TrialRecord) -> None:
        self._samples[trial.number] = trial.samples_seen
        if not self._plan_is_told and "plan" in trial.attributes:
            self._plan_is_told = True
            told = f"Trial {trial.number} trains in {trial.attributes['plan']}"
            self.say(told)
        if self._clock() - self._last_line_s >= _LINE_INTERVAL_S:
            self._print_line()

    def trial_ended(self, trial: TrialRecord) -> None:
        self._running.pop(trial.number, None)
        if trial.state == "FAIL":
            self.say(f"Trial {trial.number} failed: {trial.attributes.get('reason', 'no reason is known')}")
        if trial.counts:
            self._ended[trial.number] = trial
            self._num_trained_here += self._share_here(trial)
        elif trial.is_replaced:  # its heir trains the rest
            self._num_trained_here += (trial.samples_seen - self._samples_before[trial.number]) / self._budget
        else:
            self.say(
                f"Trial {trial.number} waits to go on from {trial.samples_seen} samples: "
                f"{trial.attributes['postponed']}"
            )
        if trial.converged and (self._best is None or _value(trial) < _value(self._best)):
            self._best = trial
            self._print_line()

    def facts(self) -> dict[str, str]:
        """What is shown, in order: name and value."""
        ended = list(self._ended.values())  # at once: the live display asks from a thread of its own
        states = [trial.state for trial in ended]
        trained = [trial.samples_seen for trial in ended if trial.state in ("COMPLETE", "PRUNED")]
        return {
            "trials": f"{len(ended)}/{self._num_trials}",
            "running": str(len(self._running)),
            "complete": str(states.count("COMPLETE")),
            "pruned": str(states.count("PRUNED")),
            "failed": str(states.count("FAIL")),
            f"best {self._objective.label}": self._best_value(),
            "compute saved": f"{compute_saved(trained, self._budget):.0%}",
            "elapsed": _duration(self._clock() - self._start_s),
            "left": self._time_left(),
            **({} if self._disk is None else {"disk": str(self._disk)}),
        }

    def _best_value(self) -> str:
        if self._best is None:
            return "-"
        *value, eer = values_of(self._best, self._objective)
        told = [*value, f"{EER.label} {eer}" if value else eer]
        return f"{', '.join(told)} ({interval(self._best.attributes)}), trial {self._best.number}"

    def _time_left(self) -> str:
        if not self._num_trained_here:
            return "-"
        running = list(self._running)
        trained = sum(self._samples[number] for number in running) / self._budget
        trained_before = sum(self._samples_before[number] for number in running) / self._budget
        num_left = max(0.0, self._num_trials - len(self._ended) - trained)
        return _duration(
            (self._clock() - self._start_s) / (self._num_trained_here + trained - trained_before) * num_left
        )

    def _share_here(self, trial: TrialRecord) -> float:
        before = self._samples_before.get(trial.number, 0)
        return 1.0 - before / trial.samples_seen if trial.samples_seen else 1.0

    def _panel(self) -> Table:
        facts = self.facts()
        table = Table.grid(padding=(0, 2))
        for name, value in facts.items():
            table.add_row(f"[dim]{name}", f"[bold]{value}")
        for number, trial in sorted(list(self._running.items())):
            share = self._samples.get(trial.number, 0) / self._budget
            table.add_row(f"[dim]trial {number}", f"{share:.0%} trained")
        return table

    def _print_line(self) -> None:
        if self._live is None:
            self._last_line_s = self._clock()
            self._console.print(
                ", ".join(f"{name} {value}" for name, value in self.facts().items()), highlight=False, soft_wrap=True
            )


def _value(trial: TrialRecord) -> float:
    return float("inf") if trial.value is None else trial.value


def _duration(duration_s: float) -> str:
    minutes, seconds = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"

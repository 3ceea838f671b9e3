"""Ray Tune's source of trials: hands out what the ledger's sampler draws."""

from collections.abc import Callable
from typing import Any

from ray.tune.search import Searcher

from search.sweep.conductor import Conductor
from search.trials.trial_record import TrialRecord


class LedgerSearcher(Searcher):
    """Thin adapter; all state is in the conductor and the ledger, so Ray's own snapshots hold nothing.

    Args:
        conductor: the sweep's state.
        make_config: configuration for the trainable, from the trial's record.
    """

    def __init__(self, conductor: Conductor, make_config: Callable[[TrialRecord], dict[str, Any]]) -> None:
        super().__init__()
        self._conductor, self._make_config = conductor, make_config

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """The next configuration; ``FINISHED`` when there is none to come, ``None`` when there is none for now."""
        record = self._conductor.next_trial(trial_id)
        if record is not None:
            return self._make_config(record)
        return Searcher.FINISHED if self._conductor.finished else None

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Called alike for finished, stopped and unfinished trials; the conductor knows which it was."""
        if error:
            self._conductor.fail(trial_id, "it was lost before it ran")
        else:
            self._conductor.release(trial_id)

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing: a sweep resumes from the ledger."""

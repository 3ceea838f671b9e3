"""What a study has spent, over all its sweeps, and whether that or its result is enough."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from search.config import BudgetConfig
from search.trial_record import TrialRecord

_SAVE_INTERVAL_S = 30.0
_HOUR_S = 3600.0


@dataclass(frozen=True)
class Spent:
    """Seconds of a study's sweeps so far."""

    wall_s: float = 0.0
    """While a driver ran."""
    gpu_s: float = 0.0
    """Of GPUs, where a trial that shares one counts for its share."""


class Budget:
    """A conductor's listener that ends the study when enough was spent, or found.

    Args:
        config: what is enough.
        gpus_per_trial: GPUs of one trial, or its share of one.
        price_per_hour: of all machines together; none where costs are not bounded.
        spent: by earlier sweeps.
        end: is told why the study is to end.
        save: keeps what is spent; called about twice a minute.
        clock: seconds that only rise.
    """

    def __init__(
        self,
        config: BudgetConfig,
        gpus_per_trial: float,
        price_per_hour: float | None,
        spent: Spent,
        end: Callable[[str], None],
        save: Callable[[Spent], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._gpus_per_trial, self._price_per_hour = config, gpus_per_trial, price_per_hour
        self._before, self._end, self._save, self._clock = spent, end, save, clock
        self._start_s = self._saved_s = clock()
        self._begun: dict[int, float] = {}
        self._ended_gpu_s = 0.0

    @property
    def spent(self) -> Spent:
        """Up to now."""
        now = self._clock()
        running_s = sum(now - begun for begun in self._begun.values())
        gpu_s = self._before.gpu_s + self._ended_gpu_s + running_s * self._gpus_per_trial
        return Spent(self._before.wall_s + now - self._start_s, gpu_s)

    def trial_started(self, trial: TrialRecord) -> None:
        self._begun[trial.number] = self._clock()

    def trial_reported(self, trial: TrialRecord) -> None:
        self.check()
        if self._clock() - self._saved_s >= _SAVE_INTERVAL_S:
            self.close()

    def trial_ended(self, trial: TrialRecord) -> None:
        begun = self._begun.pop(trial.number, None)
        if begun is not None:
            self._ended_gpu_s += (self._clock() - begun) * self._gpus_per_trial
        target = self._config.target_eer
        if target is not None and trial.converged and trial.value is not None and trial.value <= target:
            self._end(f"trial {trial.number} reached {trial.value:.4f}, budget.target_eer is {target:g}")
        self.check()

    def close(self) -> None:
        """Keep what is spent so far."""
        self._saved_s = self._clock()
        self._save(self.spent)

    def check(self) -> None:
        """Whether enough was spent."""
        spent, config = self.spent, self._config
        hours, gpu_hours = spent.wall_s / _HOUR_S, spent.gpu_s / _HOUR_S
        cost = hours * (self._price_per_hour or 0.0)
        for name, limit, used in (
            ("max_hours", config.max_hours, hours),
            ("max_gpu_hours", config.max_gpu_hours, gpu_hours),
            ("max_cost", config.max_cost, cost),
        ):
            if limit is not None and used >= limit:
                self._end(f"{used:.3g} were spent, budget.{name} is {limit:g}")
